"""Ends of processes that got a cell no further: too many in a row are a failure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from segbench.launch.cell_files import Deaths, Failure, Position, read, write

__all__ = ["count_death", "failed_now", "latest_checkpoint"]

DEATHS_ALLOWED = 3
FAILURE_LOG = "failure.log"


def count_death(folder: Path, what: str, question: str) -> Failure | None:
    """Counts a process that ended before its time; a failure where that keeps happening and nothing is gained.

    Args:
        folder: Of the cell.
        what: What happened, such as ``Its process ended without a word``.
        question: What may be wrong.
    """
    checkpoint = latest_checkpoint(folder)
    before = read(folder, Deaths)
    count = 1 + (before.count if before is not None and before.checkpoint == checkpoint else 0)
    write(folder, Deaths(count, checkpoint))
    if count < DEATHS_ALLOWED:
        return None
    line = f"{what} {count} times, with no checkpoint between ({question})."
    return failed_now(folder, line, line)


def latest_checkpoint(folder: Path) -> int:
    """When the cell's latest checkpoint was written, in ns; 0: none."""
    return max((path.stat().st_mtime_ns for path in folder.glob("*.safetensors")), default=0)


def failed_now(folder: Path, error: str, log: str, step: int | None = None) -> Failure:
    """A failure of this moment, whose log is in the folder.

    Args:
        step: The last training step that was reported; what the cell's files say if left out.
    """
    (folder / FAILURE_LOG).write_text(log if log.endswith("\n") else f"{log}\n", encoding="utf-8")
    if step is None:
        position = read(folder, Position)
        step = position.step if position else 0
    return Failure(error, step, datetime.now(UTC).isoformat(), FAILURE_LOG)
