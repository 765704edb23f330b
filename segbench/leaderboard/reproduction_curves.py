"""The training curves of a suite's runs as an SVG picture: validation mean IoU and training loss against iterations.

The same records give the same bytes with one version of matplotlib; ``segbench leaderboard --check`` does not compare
pictures, since another version draws them otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.leaderboard.cost_scatter import SETTINGS
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.reproduction import Reproduction, ReproductionRow
from segbench.record import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves_path", "draw_curves"]

# Told apart by colour and mark, for those who do not see colours.
COLOURS = ("#1f5fa8", "#c8641e", "#2a8a4a", "#b02a4c", "#7450a8", "#7a5a3a", "#c050a0", "#5a6472")
MARKS = "osD^vPX*"


def curves_path(root: Path, found: Reproduction) -> Path:
    """Where the picture of a table is.

    Args:
        root: The folder of the boards, ``leaderboards``.
    """
    return root / f"{found.suite.name}-{found.scale}.curves.svg"


def draw_curves(found: Reproduction) -> str:
    """The SVG: a row each balancing, a line each run; a network has the same colour and mark everywhere."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    balancings = grouped(found.rows, lambda row: row.cell.balancing)
    style = {row.model: (COLOURS[n % len(COLOURS)], MARKS[n % len(MARKS)]) for n, row in enumerate(found.suite.rows)}
    with rc_context(SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(10, 3.6 * len(balancings) + 0.9), layout="constrained")
        panels = figure.subplots(len(balancings), 2, squeeze=False)
        for (balancing, rows), (score, loss) in zip(balancings.items(), panels, strict=True):
            _scores(score, f"{balancing.replace('-', ' ').capitalize()} balancing", rows, style)
            _losses(loss, rows, style)
        lines = {line.get_label(): line for pair in panels for line in pair[1].get_lines()}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
        figure.suptitle(f"{found.suite.name}, scale {found.scale}")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _scores(axes: Axes, title: str, rows: Sequence[ReproductionRow], style: Mapping[str, tuple[str, str]]) -> None:
    for row in rows:
        for run in row.runs:
            known = _known(run.curve)
            _line(axes, row, list(known), list(known.values()), style)
            selected = run.curve.selected_iteration
            if selected in known:
                axes.plot(
                    selected, known[selected], "o", markersize=9, fillstyle="none", color=style[row.cell.model][0]
                )
    _finish(axes, f"{title}: validation mIoU, per cent")


def _known(curve: Curve) -> dict[int, float]:
    """Percent by iteration."""
    pairs = zip(curve.iteration, curve.mean_iou, strict=True)
    return {step: 100 * value for step, value in pairs if value is not None}


def _losses(axes: Axes, rows: Sequence[ReproductionRow], style: Mapping[str, tuple[str, str]]) -> None:
    for row in rows:
        for run in row.runs:
            _line(axes, row, run.curve.iteration, run.curve.loss, style)
    axes.set_ylim(bottom=0)
    _finish(axes, "Mean training loss since the validation before")


def _line(
    axes: Axes, row: ReproductionRow, steps: list[int], values: list[float], style: Mapping[str, tuple[str, str]]
) -> None:
    colour, mark = style[row.cell.model]
    name = row.runs[0].paper_name
    axes.plot(steps, values, color=colour, marker=mark, markersize=3.5, linewidth=1, label=name)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("Iterations")
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, linewidth=0.3)
