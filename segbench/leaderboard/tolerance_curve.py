"""Boundary F1 of a run under several tolerances, from its predicted label maps and the truth; kept once computed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from segbench.atomic import write_json
from segbench.homes import cache_home
from segbench.leaderboard.predictions import prediction_ids, read_prediction
from segbench.leaderboard.truths import Truth
from segbench.metrics.disc import Tolerance
from segbench.metrics.tolerance_sweep import ToleranceSweep
from segbench.metrics.workers import worked, worker_count
from segbench.progress import Progress
from segbench.record import RunRecord

__all__ = ["MOST_IMAGES", "PIXELS", "tolerance_curve"]

PIXELS = (1, 2, 3, 4, 6, 8, 12)
"""Radii in pixels."""
MOST_IMAGES = 300
"""Of more images, this many evenly spaced ones are taken: a large split would take hours."""
_VERSION = 1


@dataclass(frozen=True)
class _Part:
    """What one image takes; a worker process gets it."""

    class_names: tuple[str, ...]
    ignore_index: int
    predictions: Path
    truth: Truth

    def sweep(self, image_id: str) -> ToleranceSweep:
        """Counts of one image."""
        found = ToleranceSweep(self.class_names, _tolerances(), self.ignore_index, void_predictions="wrong")
        found.update(image_id, self.truth.label(image_id), read_prediction(self.predictions, image_id))
        return found


def _tolerances() -> list[Tolerance]:
    return [Tolerance.of(str(radius), "px") for radius in PIXELS]


def tolerance_curve(
    record: RunRecord, predictions: Path, truth: Truth, progress: Progress
) -> list[tuple[int, float]] | None:
    """Radius in pixels and boundary F1, 0..1, by the rules of the record's protocol; ``None`` where it is undefined.

    Args:
        record: The run.
        predictions: Its label maps.
        truth: The split it was scored on.
        progress: Shows the images, of which a large one takes a fraction of a second.
    """
    path = cache_home() / "tolerance-curves" / f"{record.run_id}-{record.dataset_fingerprint[:12]}-v{_VERSION}.json"
    values = _kept(path)
    if values is None:
        values = _computed(record, predictions, truth, progress)
        write_json(path, values)
    found = [(radius, value) for radius, value in zip(PIXELS, values, strict=True) if value is not None]
    return found if len(found) == len(PIXELS) else None


def _kept(path: Path) -> list[Any] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, list) and len(values) == len(PIXELS) else None


def _computed(record: RunRecord, predictions: Path, truth: Truth, progress: Progress) -> list[float | None]:
    ids = _spaced(prediction_ids(predictions))
    protocol = record.scores.protocol
    part = _Part(tuple(record.scores.per_class), protocol.ignore_index, predictions, truth)
    bar = progress.task(f"BF curve of {record.model} {record.run_id}", len(ids), "images")
    sweeps = worked(partial(_Part.sweep, part), ids, worker_count(None, len(ids)), bar)
    return list(_sum(sweeps).boundary_f1(protocol))


def _spaced(ids: Sequence[str]) -> list[str]:
    count = min(len(ids), MOST_IMAGES)
    return [ids[place * len(ids) // count] for place in range(count)]


def _sum(sweeps: Sequence[ToleranceSweep]) -> ToleranceSweep:
    """All images in the first; adding sweeps by ``+`` would copy the first images again and again."""
    first = sweeps[0]
    for sweep in sweeps[1:]:
        for tallies, more in zip(first.tallies, sweep.tallies, strict=True):
            for image_id, image in more:
                tallies.add(image_id, image)
    return first
