"""A training curve as a picture: the same record gives the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from segbench.record import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve"]

BLUE, ORANGE = "#2464a4", "#c8641e"


def draw_curve(curve: Curve) -> bytes:
    """PNG of loss and validation mIoU over the iterations."""
    # A figure without pyplot needs no backend and leaves no state behind.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), dpi=100, layout="constrained")
    loss, score = figure.subplots(1, 2)
    _draw(loss, curve.iteration, curve.loss, "training loss", ORANGE)
    known = [
        (step, 100 * value) for step, value in zip(curve.iteration, curve.mean_iou, strict=True) if value is not None
    ]
    _draw(score, [step for step, _ in known], [value for _, value in known], "validation mIoU, %", BLUE)
    if known:
        score.axvline(curve.selected_iteration, color="#808080", linestyle=":", linewidth=1)
    buffer = io.BytesIO()
    # The version of matplotlib would be written otherwise.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Axes, steps: list[int], values: list[float], title: str, colour: str) -> None:
    axes.plot(steps, values, color=colour, marker="o", markersize=3)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("iteration")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
