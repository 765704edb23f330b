"""Two runs on the same images: paired bootstrap of the differences, score by score and image by image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segbench.errors import UsageError
from segbench.metrics.disc import Tolerance
from segbench.metrics.image_sums import ImageSums, ScoreTable, by_class, score_values
from segbench.metrics.resampling import Resampling, choose_resampling
from segbench.metrics.statistics import LEVEL, interval, resampled
from segbench.metrics.tallies import ImageTally, Tallies
from segbench.record import SCORE_NAMES, Protocol

__all__ = [
    "ClassDifferences",
    "Comparison",
    "Difference",
    "ImageDifference",
    "check_comparable",
    "compare",
    "difference",
    "holm",
]

Array = NDArray[np.float64]
Pair = tuple[float | None, float | None, float | None]

# The scores that an image has of its own and that tell something of it.
_OF_AN_IMAGE = ("global_accuracy", "mean_iou", "boundary_f1")


@dataclass(frozen=True)
class Difference:
    """One score of two runs; fractions, the first run minus the second.

    Attributes:
        first: The first run's score, ``None`` where undefined.
        second: The second run's.
        difference: ``None`` where either is undefined.
        low: Lower end of the interval of the difference.
        high: Upper end.
        standard_deviation: Of the difference over the resamples.
        effect: Cohen's d of paired values: the difference in standard deviations of one image, which are the square
            root of the number of images times ``standard_deviation``; ``None`` where that is 0 or undefined.
        p_value: Two-sided: twice the smaller of (resamples with a difference of at most 0, plus 1) / (R + 1) and (of at
            least 0, plus 1) / (R + 1), at most 1; never 0. It is at most 0.05 exactly where the interval excludes 0.
        holm_p_value: The same after Holm's correction over the classes of this score; ``None`` for an overall score.
        resamples: Those in which both runs' scores are defined, R above.
        level: Of the interval.
        method: In words.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    standard_deviation: float | None
    effect: float | None
    p_value: float | None
    holm_p_value: float | None
    resamples: int
    level: float
    method: str

    @property
    def tied(self) -> bool:
        """Whether the interval holds 0, or there is nothing to compare."""
        return self.p_value is None or self.p_value > 1 - self.level


@dataclass(frozen=True)
class ClassDifferences:
    """The scores of one class."""

    accuracy: Difference
    iou: Difference
    boundary_f1: Difference


@dataclass(frozen=True)
class ImageDifference:
    """Scores of one image alone: of the first run, of the second, first minus second; fractions or ``None``."""

    image_id: str
    global_accuracy: Pair
    mean_iou: Pair
    boundary_f1: Pair


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same images.

    Attributes:
        per_class: By name of the class, in the order of their ids.
        images: Those whose own mean IoU differs most come first.
        better: Of the images, the number in which the first run's own mean IoU is higher, the second's is, and equal.
        resampling: How the images were drawn.
    """

    global_accuracy: Difference
    class_accuracy: Difference
    mean_iou: Difference
    boundary_f1: Difference
    per_class: Mapping[str, ClassDifferences]
    images: tuple[ImageDifference, ...]
    better: tuple[int, int, int]
    resampling: Resampling


def compare(first: Tallies, second: Tallies, protocol: Protocol, resampling: Resampling | None = None) -> Comparison:
    """Differences of all scores, both runs scored in the same resamples of the images.

    Args:
        first: Counts of one run.
        second: Counts of the other on the same images; their order may differ.
        protocol: The definition of the scores, for both.
        resampling: How the images are drawn, in the order of ``first``; by their names where left out.

    Raises:
        UsageError: The runs were not scored on the same images, classes and labels.
        RecordError: The tallies were made with another ignore index or tolerance than the protocol's.
    """
    check_comparable(first, second)
    chosen = resampling or choose_resampling(first.image_ids)
    runs = ImageSums(first, protocol), ImageSums(second, protocol, first.image_ids)
    tables = resampled(runs, chosen)
    estimates = [list(score_values(run.scores)) for run in runs]
    found = [
        difference(mine, theirs, _differences(tables, row), chosen)
        for row, (mine, theirs) in enumerate(zip(*estimates, strict=True))
    ]
    overall, per_class = by_class(found, first.class_names)
    images = _images(first.image_ids, [run.each() for run in runs])
    return Comparison(
        **overall,
        per_class=_corrected(per_class),
        images=tuple(sorted(images, key=_most_different)),
        better=_better(images),
        resampling=chosen,
    )


def difference(first: float | None, second: float | None, values: Array, resampling: Resampling) -> Difference:
    """The difference of one score.

    Args:
        first: The first run's score.
        second: The second run's.
        values: First minus second in the resamples in which both are defined.
        resampling: How the images were drawn.
    """
    estimate = None if first is None or second is None else first - second
    found = interval(estimate, values, resampling.method)
    return Difference(
        first=first,
        second=second,
        difference=estimate,
        low=found.low,
        high=found.high,
        standard_deviation=found.standard_deviation,
        effect=_effect(estimate, found.standard_deviation, resampling.num_images),
        p_value=_p_value(values) if estimate is not None else None,
        holm_p_value=None,
        resamples=found.resamples,
        level=LEVEL,
        method=f"paired {found.method}",
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p-values (1979); what is ``None`` is no test and stays so."""
    tests = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, place) in enumerate(tests):
        largest = max(largest, min(1.0, (len(tests) - rank) * value))
        adjusted[place] = largest
    return adjusted


# --- scores ----------------------------------------------------------------------------------------------------------


def _differences(tables: Sequence[ScoreTable], row: int) -> Array:
    """First minus second in the resamples in which both are defined."""
    first, second = tables
    both = first.defined[row] & second.defined[row]
    differences: Array = first.values[row][both] - second.values[row][both]
    return differences


def _effect(estimate: float | None, deviation: float | None, num_images: int) -> float | None:
    if estimate is None or not deviation:
        return None
    return float(estimate / (deviation * math.sqrt(num_images)))


def _p_value(values: Array) -> float | None:
    if not values.size:
        return None
    rarer = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return min(1.0, 2 * (int(rarer) + 1) / (values.size + 1))


def _corrected(per_class: Mapping[str, Sequence[Difference]]) -> dict[str, ClassDifferences]:
    """Each score is a family of tests of its own."""
    families = [_with_holm(family) for family in zip(*per_class.values(), strict=True)]
    return {
        name: ClassDifferences(*values) for name, values in zip(per_class, zip(*families, strict=True), strict=True)
    }


def _with_holm(family: Sequence[Difference]) -> list[Difference]:
    adjusted = holm([test.p_value for test in family])
    return [replace(test, holm_p_value=value) for test, value in zip(family, adjusted, strict=True)]


# --- images ----------------------------------------------------------------------------------------------------------


def _images(image_ids: Sequence[str], tables: Sequence[ScoreTable]) -> list[ImageDifference]:
    first, second = ([_listed(table, row) for row in range(len(SCORE_NAMES))] for table in tables)
    columns = {
        name: list(map(_with_difference, first[row], second[row]))
        for row, name in enumerate(SCORE_NAMES)
        if name in _OF_AN_IMAGE
    }
    return [
        ImageDifference(image_id, *(columns[name][place] for name in _OF_AN_IMAGE))
        for place, image_id in enumerate(image_ids)
    ]


def _listed(table: ScoreTable, row: int) -> list[float | None]:
    pairs = zip(table.values[row].tolist(), table.defined[row].tolist(), strict=True)
    return [value if defined else None for value, defined in pairs]


def _with_difference(first: float | None, second: float | None) -> Pair:
    return first, second, None if first is None or second is None else first - second


def _most_different(image: ImageDifference) -> tuple[float, str]:
    return -abs(image.mean_iou[2] or 0.0), image.image_id


def _better(images: Sequence[ImageDifference]) -> tuple[int, int, int]:
    signs = [np.sign(image.mean_iou[2] or 0.0) for image in images]
    return signs.count(1), signs.count(-1), signs.count(0)


# --- what may be compared --------------------------------------------------------------------------------------------


def check_comparable(first: Tallies, second: Tallies) -> None:
    """Refuses runs that were not scored on the same images in the same way; their order may differ.

    Raises:
        UsageError: Classes, ignored label, tolerance, images, sizes or labels differ; says which, and where.
    """
    for what, mine, theirs in (
        ("classes", first.class_names, second.class_names),
        ("ignored label", first.ignore_index, second.ignore_index),
        ("tolerance of boundary F1", first.tolerance, second.tolerance),
        ("number of images", len(first), len(second)),
    ):
        if mine != theirs:
            raise _not_comparable(f"the {what}: {_shown(mine)} and {_shown(theirs)}")
    others = dict(second)
    for image_id, image in first:
        if image_id not in others:
            raise _not_comparable(f"the images: only the first has {image_id}")
        _check_same_truth(image_id, image, others[image_id], first.num_classes)


def _check_same_truth(image_id: str, first: ImageTally, second: ImageTally, num_classes: int) -> None:
    sizes = [f"{image.height} x {image.width}" for image in (first, second)]
    if sizes[0] != sizes[1]:
        raise _not_comparable(f"the size of {image_id}: {sizes[0]} and {sizes[1]}")
    if not np.array_equal(_truth(first, num_classes), _truth(second, num_classes)):
        raise _not_comparable(f"the labels of {image_id}")


def _truth(image: ImageTally, num_classes: int) -> NDArray[np.int64]:
    """Labelled pixels of each class."""
    pixels = np.zeros(num_classes, np.int64)
    np.add.at(pixels, image.pairs.true, image.pairs.count)
    np.add.at(pixels, image.pairs.missed_class, image.pairs.missed_count)
    return pixels


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} ({', '.join(value[:3])} ...)"
    if isinstance(value, Tolerance):
        return f"{float(value.value):g} {value.unit}"
    return "none" if value is None else str(value)


def _not_comparable(what: str) -> UsageError:
    return UsageError(
        f"The two runs cannot be compared image by image; they differ in {what}.",
        "Compare runs on the same split of the same prepared dataset, scored at one size.",
    )
