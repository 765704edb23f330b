"""Room on the disk for what must be neither unpacked for good nor held in memory: a file without a name.

It has no name, so nothing is left behind even by a process that is killed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from segbench import homes
from segbench.data.disk import writing
from segbench.data.members import naming
from segbench.data.trees import NamedTree
from segbench.errors import DataError

__all__ = ["Spool", "new_spool", "seekable"]


class Spool:
    """A file without a name; see ``new_spool``.

    Attributes:
        handle: For what wants to read a file.
    """

    def __init__(self, handle: IO[bytes], folder: Path) -> None:
        self.handle = handle
        self._folder = folder

    def append(self, content: bytes) -> int:
        """Writes ``content`` at the end and returns where it begins.

        Raises:
            DataError: The disk is full.
        """
        with writing(self._folder):
            start = self.handle.seek(0, os.SEEK_END)
            self.handle.write(content)
            self.handle.flush()
        return start

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``."""
        self.handle.seek(start)
        return self.handle.read(size)


@contextmanager
def new_spool(room: int, what: str) -> Iterator[Spool]:
    """An empty file below the home of caches that is gone when it is closed.

    Args:
        room: Bytes that will be written at most.
        what: Named in the error.

    Raises:
        DataError: The disk has less room, or cannot be written.
    """
    folder = homes.cache_home()
    with ExitStack() as stack:
        # What fails in the caller's block has nothing to do with this folder.
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _require_room(folder, room, what)
            handle = stack.enter_context(tempfile.TemporaryFile(dir=folder))
        yield Spool(handle, folder)


@contextmanager
def seekable(tree: NamedTree, name: str) -> Iterator[IO[bytes]]:
    """A file of ``tree`` that can be read at any place: in place where it lies in a folder, else from a spool.

    Its sha256 is taken into the digest of the tree.

    Raises:
        DataError: No such file, it is damaged, or there is no room for it.
    """
    with ExitStack() as stack:
        digest = hashlib.sha256()
        if tree.tree.path.is_dir():
            with naming(tree.tree.path, name):
                handle: IO[bytes] = stack.enter_context((tree.tree.path / name).open("rb"))
            for piece in tree.tree.pieces(name):
                digest.update(piece)
        else:
            spool = stack.enter_context(new_spool(tree.tree.size(name), f"{Path(name).name} of {tree.name}"))
            handle = spool.handle
            for piece in tree.tree.pieces(name):
                digest.update(piece)
                spool.append(piece)
        tree.record_digest(name, digest.hexdigest())
        handle.seek(0)
        yield handle


def _require_room(folder: Path, room: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < room:
        raise DataError(
            f"{what} needs {room} bytes for a while, {free} are free in {folder}.",
            "Free some space, or set SEGBENCH_HOME to a folder on a larger disk.",
        )
