"""The unfinished part of a download, and what is needed to go on with it after a crash.

Beside ``FILE.partial`` lies ``FILE.partial.json`` with the content that was asked for, a digest of the address the
bytes came from (addresses may hold passwords) and the ETag and Last-Modified that the server gave.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from segbench.atomic import write_json
from segbench.data.remote import Remote
from segbench.errors import DataError

__all__ = ["Partial", "Source"]


@dataclass(frozen=True)
class Source:
    """Where bytes came from.

    Attributes:
        key: Digest of the address.
        etag: The server's ETag.
        last_modified: The server's Last-Modified.
        mixed: The bytes are of several addresses, so a wrong checksum is not the fault of the last one.
    """

    key: str = ""
    etag: str | None = None
    last_modified: str | None = None
    mixed: bool = False

    @property
    def validator(self) -> str | None:
        """What ``If-Range`` may carry: a strong ETag, or the date."""
        strong = self.etag is not None and not self.etag.startswith("W/")
        return self.etag if strong else self.last_modified


class Partial:
    """The bytes of a download so far; what an earlier process left is taken up where it can be trusted.

    Args:
        target: The path of the finished file.
        remote: What is being downloaded.
    """

    def __init__(self, target: Path, remote: Remote) -> None:
        self.path = target.with_name(f"{target.name}.partial")
        self._state_path = target.with_name(f"{target.name}.partial.json")
        self._target = target
        self._content = remote.content
        self.source = self._recovered()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def start_over(self, source: Source) -> None:
        """Empties the file; what follows comes from ``source``."""
        self.path.write_bytes(b"")
        self._save(source)

    def go_on(self, source: Source) -> None:
        """Keeps the bytes; what follows comes from ``source``."""
        self._save(replace(source, mixed=self.source.mixed or source.key != self.source.key))

    def append(self) -> BinaryIO:
        """Opens the file at its end."""
        return self.path.open("ab")

    def require_room(self, total: int) -> None:
        """Refuses to start what the disk cannot hold.

        Raises:
            DataError: Fewer bytes are free than are missing from ``total``.
        """
        missing, free = total - self.size, shutil.disk_usage(self.path.parent).free
        if free < missing:
            what = f"{self._target.name} needs {missing} more bytes, {free} are free in {self.path.parent}."
            raise DataError(what, "Free some space, or set SEGBENCH_HOME to a folder on a larger disk.")

    def drop(self) -> None:
        """Forgets all bytes."""
        self.path.unlink(missing_ok=True)
        self._state_path.unlink(missing_ok=True)
        self.source = Source()

    def finish(self) -> None:
        """Gives the file its final name; call it when the bytes are checked."""
        with self.path.open("rb+") as handle:
            os.fsync(handle.fileno())
        self.path.replace(self._target)
        self._state_path.unlink(missing_ok=True)

    def _recovered(self) -> Source:
        if not self.path.exists():
            return Source()
        content, source = self._saved()
        if source is None and self._content:
            return Source(mixed=True)  # of unknown origin, but the checksum or size will tell
        if source is None or content != self._content:
            self.drop()
            return Source()
        return source

    def _saved(self) -> tuple[object, Source | None]:
        try:
            state: Any = json.loads(self._state_path.read_text())
            return state["content"], Source(**state["source"])
        except (OSError, ValueError, KeyError, TypeError):
            return None, None

    def _save(self, source: Source) -> None:
        self.source = source
        write_json(self._state_path, {"content": self._content, "source": asdict(source)})
