"""Label maps as PNG files: the same pixels as Pillow writes them, as small, in about a quarter of the time.

Pillow tries five filters on each row, which suits photographs. Rows of a label map mostly repeat the row above, so one
filter (up: the difference to that row) leaves zeros, and run lengths (zlib's Z_RLE) are all there is to find in them.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["encode_grey"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY_8_BITS = bytes([8, 0, 0, 0, 0])
UP = 2
LEVEL, WINDOW_BITS, MEMORY = 6, 15, 9


def encode_grey(values: NDArray[np.uint8]) -> bytes:
    """A PNG of mode L.

    Args:
        values: uint8 [H, W], at least one pixel.
    """
    height, width = values.shape
    header = struct.pack(">II", width, height) + GREY_8_BITS
    chunks = [_chunk(b"IHDR", header), _chunk(b"IDAT", _compressed(_filtered(values))), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def _filtered(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each row as the name of its filter and its differences to the row above, modulo 256."""
    import numpy as np

    height, width = values.shape
    rows = np.empty((height, width + 1), dtype=np.uint8)
    rows[:, 0] = UP
    rows[0, 1:] = values[0]
    np.subtract(values[1:], values[:-1], out=rows[1:, 1:])
    return rows


def _compressed(rows: NDArray[np.uint8]) -> bytes:
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY, zlib.Z_RLE)
    return stream.compress(rows.data) + stream.flush()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
