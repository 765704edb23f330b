"""Digests by which the Hub knows a file, so that what is there already is not sent again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from segbench.file_sha256 import file_sha256

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
    if known.sha256:
        sha256 = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else file_sha256(content)
        return Digest(known.blob, sha256)
    data = content if isinstance(content, bytes) else content.read_bytes()
    return Digest(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
