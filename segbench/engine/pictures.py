"""What a run shows: the best, median and worst predictions beside the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segbench.engine.batches import Images
from segbench.leaderboard.store import read_predictions
from segbench.metrics import Tallies
from segbench.overlay import Panel, colourise, comparison_sheet, error_map, save_picture
from segbench.record import RunRecord, WeightsHeader

__all__ = ["draw_comparison"]

COLUMNS = ("image", "truth", "prediction", "errors")


def draw_comparison(
    path: Path, record: RunRecord, header: WeightsHeader, split: Images, tallies: Tallies, predictions: Path
) -> Path:
    """Writes a sheet of image, truth, prediction and error map for the best, the median and the worst image."""
    accuracy = _accuracies(tallies)
    order = np.argsort([-accuracy[name] for name in split.ids], kind="stable")
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    wanted = {split.ids[index] for index in chosen.values()}
    maps = {name: array for name, array in read_predictions(predictions) if name in wanted}
    panels = []
    for rank, index in chosen.items():
        name, label = split.ids[index], split.label(int(index))
        pictures = (
            np.asarray(split.image(int(index))),
            colourise(label, header.palette),
            colourise(maps[name], header.palette),
            error_map(label, maps[name]),
        )
        panels.append(Panel(f"{rank}: {name}, {100 * accuracy[name]:.1f} % of labelled pixels right", pictures))
    title = f"{record.paper_name} on {record.dataset_title} {record.split}, recipe {record.recipe.variant}"
    legend = [*zip(header.class_names, header.palette, strict=True), ("void", (0, 0, 0))]
    return save_picture(path, comparison_sheet(title, COLUMNS, panels, legend))


def _accuracies(tallies: Tallies) -> dict[str, float]:
    """Share of labelled pixels that are right, per image; 0 where none is labelled."""
    found = {}
    for name, image in tallies:
        pairs = image.pairs
        total = int(pairs.count.sum() + pairs.missed_count.sum())
        right = int(pairs.count[pairs.true == pairs.predicted].sum())
        found[name] = right / total if total else 0.0
    return found
