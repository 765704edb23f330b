"""The digest of a file is that of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from segbench.file_sha256 import file_sha256


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (bytes(3_000_001), hashlib.sha256(bytes(3_000_001)).hexdigest()),
    ],
)
def test_it_is_that_of_the_bytes(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == expected


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "nothing")
