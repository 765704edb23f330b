"""Scores class by class."""

from __future__ import annotations

from collections.abc import Mapping

from segbench.console import Column, Table
from segbench.leaderboard.wording import boundary_text, percent, size_text
from segbench.metrics.protocols import pixel_text
from segbench.record import Scores

__all__ = ["class_table", "scores_table"]


def class_table(scores: Mapping[str, Scores]) -> Table:
    """IoU in percent: a row for each class, a column for each named result; the last row is the mean.

    All results are of the same classes.
    """
    first = next(iter(scores.values()))
    columns = [Column("IoU"), *(Column(name, right=True) for name in scores)]
    rows = [[name, *(percent(found.per_class[name].iou) for found in scores.values())] for name in first.per_class]
    return Table(columns, [*rows, ["mean", *(percent(found.mean_iou) for found in scores.values())]])


def scores_table(title: str, scores: Scores) -> Table:
    """All scores of one result in percent, class by class and together."""
    columns = [Column("class"), *(Column(name, right=True) for name in ("accuracy", "IoU", "boundary F1", "pixels"))]
    rows = [
        [name, percent(found.accuracy), percent(found.iou), percent(found.boundary_f1), f"{found.pixels:,}"]
        for name, found in scores.per_class.items()
    ]
    means = [percent(value) for value in (scores.class_accuracy, scores.mean_iou, scores.boundary_f1)]
    total = f"{scores.num_pixels:,}"
    overall = [["mean", *means, total], ["global", percent(scores.global_accuracy), "", "", ""]]
    return Table(columns, [*rows, *overall], title, [_protocol(scores)])


def _protocol(scores: Scores) -> str:
    protocol = scores.protocol
    return (
        f"Percent of {scores.num_images:,} images at {size_text(protocol.size)}. Protocol {protocol.name} "
        f"{protocol.version}: {protocol.ignore_index} is void. {pixel_text(protocol)} "
        f"{boundary_text(protocol.boundary, protocol.size)}"
    )
