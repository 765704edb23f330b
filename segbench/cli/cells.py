"""Cells of a grid as the command line sees them: the seeds asked for, and what is done already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell

__all__ = ["cell_state", "parse_seeds"]


def parse_seeds(text: str) -> list[int]:
    """``0,1,2`` as numbers, each once.

    Raises:
        UsageError: It is no list of whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--seeds '{text}' is not a list of whole numbers.", "Example: --seeds 0,1,2")
    return list(dict.fromkeys(map(int, parts)))


def cell_state(cell: Cell, out: Path) -> str:
    """``done`` (it has a record), ``partly`` (it can be continued) or ``new``."""
    from segbench.engine.checkpoint import STATE_FILE
    from segbench.leaderboard.store import find_record

    if find_record(out / "leaderboards", cell.cell_id) is not None:
        return "done"
    return "partly" if (cell.folder / STATE_FILE).exists() else "new"
