"""A compressed file read like an uncompressed one: any offset, no disk, no quadratic cost for gzip.

While a gzip stream is read forwards, copies of the inflater are kept at most ``_MAX_CHECKPOINTS`` times (about 40 KiB
each); a jump backwards continues from the nearest copy in place of the start. bzip2 and xz decoders cannot be copied:
there a jump backwards starts again at the stream that holds the offset, so members are best taken in stored order.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

__all__ = ["CODECS", "DecompressedFile"]

_INPUT_CHUNK = 64 * 1024
_OUTPUT_CHUNK = 1024 * 1024
_FIRST_SPACING = 1024 * 1024
_MAX_CHECKPOINTS = 256
_XZ_MEMORY_LIMIT = 256 * 1024 * 1024


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Inflater:
    """zlib's gzip decoder (it checks CRC and length) with the interface that bz2 and lzma have."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max(max_length, 0))

    def copy(self) -> _Inflater:
        twin = _Inflater()
        twin._inflate = self._inflate.copy()
        return twin


def _xz_decoder() -> _Decoder:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_LIMIT)


CODECS: dict[str, Callable[[], _Decoder]] = {"gzip": _Inflater, "bzip2": bz2.BZ2Decompressor, "xz": _xz_decoder}
"""Decoder factories by the name of the format."""


class _Checkpoint(NamedTuple):
    output: int
    input: int
    decoder: _Inflater | None


class DecompressedFile:
    """The decompressed bytes of a gzip, bzip2 or xz file (several streams in a row are one file).

    Errors are those of the decoders (``zlib.error``, ``lzma.LZMAError``, ``OSError``), and ``EOFError`` for a file that
    ends too early. Not safe for use by several threads at once.

    Args:
        path: The compressed file.
        codec: A key of ``CODECS``.
    """

    def __init__(self, path: Path, codec: str) -> None:
        self._file = path.open("rb")
        self._new_decoder = CODECS[codec]
        self._spacing = _FIRST_SPACING
        self._checkpoints = [_Checkpoint(0, 0, None)]
        self._restore(self._checkpoints[0])
        self._wanted = 0

    def close(self) -> None:
        """Closes the compressed file."""
        self._file.close()

    def tell(self) -> int:
        """Offset of the next byte that ``read`` returns."""
        return self._wanted

    def seek(self, offset: int) -> int:
        """Moves to ``offset`` bytes from the start of the decompressed data; the work is done by the next ``read``."""
        self._wanted = offset
        return offset

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, fewer only at the end of the data."""
        self._go_to(self._wanted)
        pieces: list[bytes] = []
        while size > 0 and (piece := self._take(size)):
            pieces.append(piece)
            size -= len(piece)
        self._wanted = self._position
        return b"".join(pieces)

    def _go_to(self, offset: int) -> None:
        nearest = self._checkpoints[bisect_right(self._checkpoints, offset, key=lambda point: point.output) - 1]
        if offset < self._position or nearest.output > self._position + len(self._buffer):
            self._restore(nearest)
        while self._position < offset and self._take(offset - self._position):
            pass

    def _restore(self, point: _Checkpoint) -> None:
        self._file.seek(point.input)
        self._decoder = point.decoder.copy() if point.decoder else self._new_decoder()
        self._pending = b""
        self._buffer = memoryview(b"")
        self._position = point.output

    def _take(self, size: int) -> bytes:
        if not self._buffer:
            self._keep_checkpoint()
            self._buffer = memoryview(self._produce())
        piece = bytes(self._buffer[:size])
        self._buffer = self._buffer[size:]
        self._position += len(piece)
        return piece

    def _produce(self) -> bytes:
        """The next decompressed bytes, empty at the end of the last stream."""
        while not self._decoder.eof or self._start_next_stream():
            data = b""
            if self._decoder.needs_input:
                data = self._pending or self._file.read(_INPUT_CHUNK)
                self._pending = b""
            if produced := self._decoder.decompress(data, _OUTPUT_CHUNK):
                return produced
            if not data and not self._decoder.eof:
                raise EOFError("the compressed data ends too early")
        return b""

    def _start_next_stream(self) -> bool:
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest:
            chunk = self._file.read(_INPUT_CHUNK)
            if not chunk:
                return False
            rest = chunk.lstrip(b"\0")
        self._decoder, self._pending = self._new_decoder(), rest
        self._add(_Checkpoint(self._position, self._file.tell() - len(rest), None))
        return True

    def _keep_checkpoint(self) -> None:
        """Called between two pieces, where all that was read from the file is inside the decoder."""
        decoder = self._decoder
        if isinstance(decoder, _Inflater) and decoder.needs_input and not decoder.eof and not self._pending:
            self._add(_Checkpoint(self._position, self._file.tell(), decoder.copy()))

    def _add(self, point: _Checkpoint) -> None:
        if point.output < self._checkpoints[-1].output + self._spacing:
            return
        self._checkpoints.append(point)
        if len(self._checkpoints) > _MAX_CHECKPOINTS:
            self._checkpoints = self._checkpoints[::2]
            self._spacing *= 2
