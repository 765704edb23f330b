"""The decompressed view of a file against the data it was made from, at any offset and order."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segbench.data import compressed
from segbench.data.compressed import DecompressedFile

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, compresslevel=1),
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}
SETTINGS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mixed(size: int) -> bytes:
    """Half noise, half zeros, so that the ratio changes along the way."""
    source = random.Random(size)
    return b"".join(source.randbytes(1000) + bytes(1000) for _ in range(size // 2000))


DATA = mixed(198_000)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many checkpoints from little data."""
    monkeypatch.setattr(compressed, "_INPUT_CHUNK", 700)
    monkeypatch.setattr(compressed, "_OUTPUT_CHUNK", 1500)
    monkeypatch.setattr(compressed, "_FIRST_SPACING", 2000)
    monkeypatch.setattr(compressed, "_MAX_CHECKPOINTS", 16)


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.usefixtures("small_pieces")
@SETTINGS
@given(jumps=st.lists(st.tuples(st.integers(0, 198_100), st.integers(0, 9000)), max_size=8))
def test_any_jump_reads_what_was_written(
    tmp_path: Path, codec: str, streams: int, jumps: list[tuple[int, int]]
) -> None:
    path = tmp_path / f"{codec}{streams}"
    third = len(DATA) // streams
    if not path.exists():
        path.write_bytes(b"".join(ENCODERS[codec](DATA[i * third : (i + 1) * third]) for i in range(streams)))
    file = DecompressedFile(path, codec)
    for offset, size in jumps:
        file.seek(offset)
        assert file.read(size) == DATA[offset : offset + size]
        assert file.tell() == min(max(offset, 0), len(DATA)) + len(DATA[offset : offset + size])
    file.close()


@pytest.mark.parametrize("codec", ENCODERS)
def test_zeros_after_the_end_are_padding(tmp_path: Path, codec: str) -> None:
    (tmp_path / "padded").write_bytes(ENCODERS[codec](DATA) + bytes(100_000))
    assert DecompressedFile(tmp_path / "padded", codec).read(10**9) == DATA


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_cut_file_is_an_error(tmp_path: Path, codec: str, cut: int) -> None:
    (tmp_path / "cut").write_bytes(ENCODERS[codec](DATA)[:-cut])
    with pytest.raises(EOFError):
        DecompressedFile(tmp_path / "cut", codec).read(10**9)


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("where", [0.3, 0.7])
def test_a_flipped_byte_is_an_error(tmp_path: Path, codec: str, where: float) -> None:
    content = bytearray(ENCODERS[codec](DATA))
    content[int(len(content) * where)] ^= 0x5A
    (tmp_path / "flipped").write_bytes(content)
    with pytest.raises((zlib.error, lzma.LZMAError, OSError, EOFError)):
        DecompressedFile(tmp_path / "flipped", codec).read(10**9)


@pytest.mark.usefixtures("small_pieces")
def test_reading_backwards_through_gzip_is_not_quadratic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.gz").write_bytes(ENCODERS["gzip"](DATA))
    inflated = 0

    class Counting(compressed._Inflater):
        def decompress(self, data: bytes, max_length: int = -1) -> bytes:
            nonlocal inflated
            produced = super().decompress(data, max_length)
            inflated += len(produced)
            return produced

        def copy(self) -> Counting:
            twin = Counting()
            twin._inflate = self._inflate.copy()
            return twin

    monkeypatch.setitem(compressed.CODECS, "gzip", Counting)
    file = DecompressedFile(tmp_path / "data.gz", "gzip")
    file.read(len(DATA))
    inflated = 0
    for offset in range(len(DATA) - 1000, -1, -1000):
        file.seek(offset)
        assert file.read(1000) == DATA[offset : offset + 1000]
    reads, spacing = len(DATA) // 1000, len(DATA) // 8
    assert inflated < reads * spacing  # from the start each time it would be reads * len(DATA) / 2
    assert len(file._checkpoints) <= 16
