"""The boards drawn anew by one process at a time, so that the last one drawn has all records."""

from __future__ import annotations

from pathlib import Path

from segbench.launch.claims import waited_for

__all__ = ["draw_boards"]

LOCK_FILE = "boards.claim"


def draw_boards(out: Path) -> list[Path]:
    """Draws all boards from the records; waits where another process is drawing.

    Args:
        out: Folder that holds ``runs`` and ``leaderboards``.

    Returns:
        The files written, none where there is no record.

    Raises:
        RecordError: A record is damaged, incomplete or contradicts another.
    """
    from segbench.launch.truths import find_truth
    from segbench.leaderboard.rendering import write_boards

    claim = waited_for(out / "runs" / LOCK_FILE)
    try:
        return write_boards(out / "leaderboards", find_truth).files
    finally:
        claim.release()
