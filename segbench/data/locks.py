"""One process at a time makes a folder; the others wait and then find it made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from segbench.progress import SILENT, Progress

__all__ = ["leftovers", "making"]


@contextmanager
def making(target: Path, progress: Progress = SILENT, keep: Path | None = None) -> Iterator[None]:
    """Holds the lock of ``target`` and first removes what killed makers of it left behind.

    Args:
        target: The folder to be made; the lock file lies beside it.
        progress: Told when another process holds the lock.
        keep: What a killed maker may have left and the next one takes up.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.parent / f".{target.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.message(f"Another segbench is making {target}; waiting for it.")
        lock.acquire()
    try:
        _remove_leftovers(target, keep)
        yield
    finally:
        lock.release()


def leftovers(target: Path) -> list[Path]:
    """What killed makers of ``target`` left beside it."""
    return [path for suffix in ("partial", "old") for path in target.parent.glob(f".{escape(target.name)}.*.{suffix}")]


def _remove_leftovers(target: Path, keep: Path | None) -> None:
    for leftover in leftovers(target):
        if leftover == keep:
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
