"""How sure scores are: bootstrap intervals over images, and the spread over runs of different seeds.

The two are different questions. The interval says how far the score of these very weights might be off on other images
of the kind; the spread over seeds says how far another training of the same recipe lands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.metrics.image_sums import ImageSums, ScoreTable, by_class, score_values
from segbench.metrics.resampling import Resampling, choose_resampling
from segbench.metrics.tallies import Tallies
from segbench.record import Protocol

__all__ = [
    "LEVEL",
    "ClassIntervals",
    "Interval",
    "ScoreIntervals",
    "SeedSpread",
    "bootstrap",
    "interval",
    "resampled",
    "seed_spread",
    "tail",
]

LEVEL = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A score and how sure it is; fractions.

    Attributes:
        estimate: The score on the images as they are, ``None`` where undefined.
        low: Lower end, ``None`` where the score is undefined in all resamples.
        high: Upper end.
        standard_deviation: Of the score over the resamples.
        resamples: Those in which the score is defined; the ends are order statistics of them, 2.5 % beyond each.
        level: Share of such intervals that hold the true value, in the long run.
        method: In words.
    """

    estimate: float | None
    low: float | None
    high: float | None
    standard_deviation: float | None
    resamples: int
    level: float
    method: str

    @property
    def half_width(self) -> float | None:
        """Half the distance between the ends."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class ClassIntervals:
    """The scores of one class."""

    accuracy: Interval
    iou: Interval
    boundary_f1: Interval


@dataclass(frozen=True)
class ScoreIntervals:
    """All scores of a split.

    Attributes:
        per_class: By name of the class, in the order of their ids.
        resampling: How the images were drawn.
    """

    global_accuracy: Interval
    class_accuracy: Interval
    mean_iou: Interval
    boundary_f1: Interval
    per_class: Mapping[str, ClassIntervals]
    resampling: Resampling


@dataclass(frozen=True)
class SeedSpread:
    """One score over runs of one recipe with different seeds.

    Attributes:
        count: Runs in which the score is defined.
        mean: Over these, ``None`` where there are none.
        standard_deviation: Over these, with divisor count - 1; ``None`` for fewer than two.
    """

    count: int
    mean: float | None
    standard_deviation: float | None


def bootstrap(tallies: Tallies, protocol: Protocol, resampling: Resampling | None = None) -> ScoreIntervals:
    """Intervals of all scores by the percentile bootstrap over images.

    A score that is undefined in a resample, because a class is in none of the images drawn, is treated there as the
    protocol treats it: the class is left out of the mean (or is 0 by ``absent = zero``), and its own interval is made
    of the resamples that define it.

    Args:
        tallies: Counts of at least one image.
        protocol: The definition of the scores.
        resampling: How images are drawn; ``choose_resampling`` decides by their names where left out.

    Raises:
        UsageError: There is no image.
        RecordError: The tallies were made with another ignore index or tolerance than the protocol's.
    """
    chosen = resampling or choose_resampling(tallies.image_ids)
    sums = ImageSums(tallies, protocol)
    (table,) = resampled([sums], chosen)
    rows = zip(score_values(sums.scores), table.values, table.defined, strict=True)
    found = [interval(estimate, values[defined], chosen.method) for estimate, values, defined in rows]
    overall, per_class = by_class(found, tallies.class_names)
    classes = {name: ClassIntervals(*values) for name, values in per_class.items()}
    return ScoreIntervals(**overall, per_class=classes, resampling=chosen)


def resampled(runs: Sequence[ImageSums], resampling: Resampling, rows: int | None = None) -> list[ScoreTable]:
    """The scores of several runs in the same resamples of the images.

    Args:
        runs: Sums of the same images in the same order.
        resampling: How images are drawn.
        rows: Only the first scores of each table; all where left out.

    Returns:
        One table a run, R columns.
    """
    parts: list[list[ScoreTable]] = [[] for _ in runs]
    for weights in resampling.weights():
        for run, found in zip(runs, parts, strict=True):
            table = run.weighted(weights)
            found.append(ScoreTable(table.values[:rows], table.defined[:rows]))
    return [
        ScoreTable(np.hstack([part.values for part in found]), np.hstack([part.defined for part in found]))
        for found in parts
    ]


def interval(estimate: float | None, values: Array, method: str) -> Interval:
    """The percentile interval of a score from its values in the resamples that define it."""
    if not values.size:
        return Interval(estimate, None, None, None, 0, LEVEL, method)
    low, high = _ends(values)
    return Interval(estimate, low, high, _deviation(values, values.size), values.size, LEVEL, method)


def tail(count: int) -> int:
    """How many of ``count`` resamples lie outside the interval on each side, at least.

    The ends are the order statistics next to them, no interpolation.
    """
    return max(0, math.floor((1 - LEVEL) / 2 * (count + 1) + 1e-9) - 1)


def _ends(values: Array) -> tuple[float, float]:
    outside = tail(values.size)
    places = outside, values.size - 1 - outside
    ordered = np.partition(values, places)
    return float(ordered[places[0]]), float(ordered[places[1]])


def _deviation(values: Array, divisor: int) -> float:
    """The standard deviation, exactly rounded sums: the same on every machine."""
    away = values - math.fsum(values.tolist()) / values.size
    return math.sqrt(math.fsum((away * away).tolist()) / divisor)


def seed_spread(values: Iterable[float | None]) -> SeedSpread:
    """Mean and standard deviation of one score over runs of different seeds.

    Args:
        values: The score of each run; ``None`` where undefined.
    """
    defined = np.array([value for value in values if value is not None])
    if not defined.size:
        return SeedSpread(0, None, None)
    deviation = _deviation(defined, defined.size - 1) if defined.size > 1 else None
    return SeedSpread(defined.size, math.fsum(defined.tolist()) / defined.size, deviation)
