"""Digests by which the Hub knows a file, so that what is there already is not sent again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Digest", "digest_of"]


@dataclass(frozen=True)
class Digest:
    """What the Hub states of a file.

    Attributes:
        blob: Its git id; of a large file that of the pointer that stands for it.
        sha256: Of a large file; empty for others.
    """

    blob: str
    sha256: str = ""


def digest_of(content: bytes | Path, known: Digest) -> Digest:
    """The digest of a content, stored the way ``known`` is."""
    data = content if isinstance(content, bytes) else None
    if known.sha256:
        return Digest(known.blob, hashlib.sha256(data).hexdigest() if data is not None else _sha256(content))
    data = data if data is not None else Path(str(content)).read_bytes()
    return Digest(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())


def _sha256(content: bytes | Path) -> str:
    with Path(str(content)).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
