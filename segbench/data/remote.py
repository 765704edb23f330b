"""A file that lies on the network, what its bytes must be, and the note that says they were checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from segbench.atomic import write_json

__all__ = ["Remote", "fault_of", "is_remembered", "remember", "shown_address"]


@dataclass(frozen=True)
class Remote:
    """A file to download and how to tell that it is the right one.

    Attributes:
        file_name: Name it gets in the folder of downloads; also what ``SEGBENCH_MIRRORS`` prefixes are followed by.
        urls: http(s) addresses of the same content, in the order in which they are tried.
        size: Bytes, where known.
        sha256: Hex digest, where known.
        md5: Hex digest, where that is all a host publishes.
    """

    file_name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        if Path(self.file_name).name != self.file_name or self.file_name[:1] in ("", "."):
            raise ValueError(f"file_name has to be a plain file name, not {self.file_name!r}")

    @property
    def content(self) -> dict[str, int | str]:
        """What is known of the bytes; two sources that satisfy it are taken for the same file."""
        sums = {"sha256": self.sha256, "md5": self.md5}
        size = {} if self.size is None else {"size": self.size}
        return {**size, **{algorithm: value.lower() for algorithm, value in sums.items() if value is not None}}

    def behind(self, prefix: str) -> str:
        """Address of this file below a mirror's prefix."""
        return f"{prefix.rstrip('/')}/{quote(self.file_name)}"


def shown_address(url: str) -> str:
    """The address without user, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that does not parse"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def fault_of(path: Path, remote: Remote) -> str | None:
    """What is wrong with the bytes of ``path``, ``None`` if nothing is; reads the file once for each checksum given."""
    expected = remote.content
    if "size" in expected and (size := path.stat().st_size) != expected["size"]:
        return f"wrong size: {size} bytes, expected {expected['size']}"
    for algorithm in ("sha256", "md5"):
        if algorithm in expected and (found := _digest(path, algorithm)) != expected[algorithm]:
            return f"wrong checksum: {algorithm} {found[:12]}..., expected {str(expected[algorithm])[:12]}..."
    return None


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def remember(path: Path, remote: Remote) -> None:
    """Notes beside ``path`` that its bytes satisfy ``remote``, so that gigabytes are not hashed at every start."""
    write_json(_note_path(path), {"mtime_ns": path.stat().st_mtime_ns, "bytes": path.stat().st_size, **remote.content})


def is_remembered(path: Path, remote: Remote) -> bool:
    """Whether ``path`` is there, satisfied all that ``remote`` asks, and has kept size and modification time since."""
    try:
        note = json.loads(_note_path(path).read_text())
        status = path.stat()
    except (OSError, ValueError):
        return False
    expected = {"mtime_ns": status.st_mtime_ns, "bytes": status.st_size, **remote.content}
    return isinstance(note, dict) and note.items() >= expected.items()


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified.json")
