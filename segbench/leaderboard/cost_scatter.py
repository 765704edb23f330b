"""Mean IoU against time and memory, as an SVG picture for each dataset that has runs and profiles of the same networks.

The same results give the same bytes with one version of matplotlib; ``segbench leaderboard --check`` does not compare
pictures, since another version draws them otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.leaderboard.costs import Cost
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.store import PROFILES_FOLDER
from segbench.leaderboard.table import Board, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["scatter_boards", "scatter_path", "scatter_texts"]

AXES: tuple[tuple[str, Callable[[Cost], float]], ...] = (
    ("Inference, ms", lambda cost: cost.latency_ms),
    ("Peak memory of inference, MiB", lambda cost: cost.peak_memory_mib),
)
SETTINGS = {"svg.hashsalt": "segbench", "svg.fonttype": "none", "font.size": 9, "figure.titlesize": 9}


def scatter_path(root: Path, board: Board) -> Path:
    """Where the picture of a board's dataset is."""
    return root / f"{PROFILES_FOLDER}-{board.dataset}.svg"


def scatter_boards(boards: Sequence[Board]) -> list[Board]:
    """Of each dataset the board with most networks that have a profile; none where no network has."""
    best = [
        max(same, key=lambda board: len(_rows(board))) for same in grouped(boards, lambda one: one.dataset).values()
    ]
    return [board for board in best if _rows(board)]


def scatter_texts(root: Path, boards: Sequence[Board]) -> dict[Path, str]:
    """The SVG file of each dataset that has one.

    Args:
        root: The folder of the boards, ``leaderboards``.
        boards: With the profiles joined.
    """
    return {scatter_path(root, board): _drawn(board) for board in scatter_boards(boards)}


def _rows(board: Board) -> list[tuple[Row, Cost, float]]:
    """The best run of each network with its cost and mean IoU."""
    found: dict[str, tuple[Row, Cost, float]] = {}
    for row in board.rows:
        cost = board.cost(row)
        if cost is not None and row.mean_iou is not None:
            found.setdefault(row.model, (row, cost, row.mean_iou))
    return list(found.values())


def _drawn(board: Board) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        for axes, (title, cost_of) in zip(figure.subplots(1, 2), AXES, strict=True):
            _panel(axes, board, title, cost_of)
        assert board.costs is not None
        figure.suptitle(f"{board.dataset_title} {board.dataset_variant}, {board.split} split\n{board.costs.heading}")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _panel(axes: Axes, board: Board, title: str, cost_of: Callable[[Cost], float]) -> None:
    for row, cost, mean_iou in _rows(board):
        axes.plot(cost_of(cost), 100 * mean_iou, "o", color="#1f5fa8")
        axes.annotate(
            row.paper_name, (cost_of(cost), 100 * mean_iou), xytext=(4, 4), textcoords="offset points", fontsize=7
        )
    axes.set_xlabel(title)
    axes.set_ylabel("Mean IoU, per cent")
    axes.margins(y=0.15)
    # Costs begin at nothing; to the right there is room for the last name.
    axes.set_xlim(0, 1.4 * max(cost_of(cost) for _, cost, _ in _rows(board)))
    axes.grid(visible=True, linewidth=0.3)
