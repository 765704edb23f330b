"""The SHA-256 of a file, by which archives, weights and networks are told apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["file_sha256"]


def file_sha256(path: Path) -> str:
    """64 hex digits; the file is read in pieces.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
