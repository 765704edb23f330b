"""What each image adds to the sums that scores are made of, and the scores of any weighting of the images.

A resample of the images is a weighting: how often each one was drawn. Its sums are one product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segbench.errors import RecordError
from segbench.metrics.areas import areas_of
from segbench.metrics.scores import boundary_f1, scores_from_tallies
from segbench.metrics.tallies import ImageTally, Tallies
from segbench.record import SCORE_NAMES, BoundaryProtocol, Protocol, Scores

__all__ = ["CLASS_SCORE_NAMES", "ImageSums", "ScoreTable", "by_class", "score_values"]

Array = NDArray[np.float64]
Value = TypeVar("Value")

CLASS_SCORE_NAMES = ("accuracy", "iou", "boundary_f1")
# Scores of single images, in multiples of 2**-32: sums of fewer than 2**20 are exact, so no machine and no order of
# adding changes a bit of them. Pixel counts are exact below 2**53.
_FINEST = 2.0**32
_CLOSE = 1e-8


@dataclass(frozen=True)
class ScoreTable:
    """Scores of R weightings of the images.

    Attributes:
        values: float64 [4 + 3K,R]: the four of ``SCORE_NAMES``, then accuracy, IoU and boundary F1 of each class; 0
            where undefined.
        defined: bool of the same shape.
    """

    values: Array
    defined: NDArray[np.bool_]


class ImageSums:
    """The sums that scores under a protocol are made of, image by image.

    Args:
        tallies: Counts of n images.
        protocol: The definition of the scores.
        image_ids: Names of all images in the order wanted; the tallies' own where left out.

    Attributes:
        scores: The scores of the images as they are.
        table: float64 [F,n], what each image adds to each of the F sums.

    Raises:
        RecordError: The tallies lack what the protocol counts, or the protocol has a rule that is not known here.
    """

    def __init__(self, tallies: Tallies, protocol: Protocol, image_ids: Sequence[str] | None = None) -> None:
        self.scores = scores_from_tallies(tallies, protocol)
        self.protocol = protocol
        images = dict(tallies)
        names = image_ids or tallies.image_ids
        columns = [_summands(images[name], tallies.num_classes, protocol) for name in names]
        ends = np.cumsum([part.size for part in columns[0].values()]).tolist()
        self._rows = dict(zip(columns[0], map(slice, [0, *ends], ends), strict=False))
        stacked = np.stack([np.concatenate(list(column.values())) for column in columns], axis=1)
        self.table: Array = np.ascontiguousarray(stacked)
        self._check()

    def weighted(self, weights: Array) -> ScoreTable:
        """The scores where image i counts ``weights[r, i]`` times.

        Args:
            weights: float64 [R,n], whole numbers.
        """
        return self._scores(self.table @ weights.T)

    def each(self) -> ScoreTable:
        """The scores of every image alone."""
        return self._scores(self.table)

    def _check(self) -> None:
        """Whether every image once gives the scores; a protocol may have rules that are not known here."""
        once = self.weighted(np.ones((1, self.table.shape[1])))
        found = once.values[:, 0].tolist(), once.defined[:, 0].tolist()
        for value, defined, wanted in zip(*found, score_values(self.scores), strict=True):
            if defined != (wanted is not None) or abs(value - (wanted or 0.0)) > _CLOSE:
                raise RecordError(
                    f"There are no intervals for scores by protocol '{self.protocol.name}', version "
                    f"{self.protocol.version}: its rules are not those of this release.",
                    "Take a protocol that 'segbench score --help' names.",
                )

    def _scores(self, sums: Array) -> ScoreTable:
        """Scores of sums, [F,R], as ``scores_from_tallies`` defines them."""
        part = {name: sums[rows] for name, rows in self._rows.items()}
        boundary = _ratio(part["own_f1"], part["own_counted"])
        boundary_per_class = _ratio(part["f1"], part["f1_counted"])
        by_image = self.protocol.pixels.average == "image"
        pixels = _pixels_by_image(part) if by_image else self._pixels(part)
        *overall, accuracy, iou = pixels
        tables = [*overall, boundary, accuracy, iou, boundary_per_class]
        return ScoreTable(
            np.concatenate([table.values for table in tables]), np.concatenate([table.defined for table in tables])
        )

    def _pixels(self, part: Mapping[str, Array]) -> tuple[ScoreTable, ...]:
        """Global and class accuracy, mean IoU, then accuracy and IoU of the classes; void may be in the mean IoU."""
        K = len(part["f1"])
        right, truth = part["right"], part["truth"]
        accuracy = self._with_absent(_ratio(right[:K], truth[:K]))
        iou = self._with_absent(_ratio(right, truth + part["predicted"] - right))
        return (
            _ratio(_total(right[:K]), part["labelled"]),
            _mean(accuracy),
            _mean(iou),
            accuracy,
            ScoreTable(iou.values[:K], iou.defined[:K]),
        )

    def _with_absent(self, classes: ScoreTable) -> ScoreTable:
        if self.protocol.absent == "null":
            return classes
        value = {"zero": 0.0, "one": 1.0}[self.protocol.absent]
        return ScoreTable(np.where(classes.defined, classes.values, value), np.ones_like(classes.defined))


def _pixels_by_image(part: Mapping[str, Array]) -> tuple[ScoreTable, ...]:
    """The same where IoU is averaged over the images that hold a class, and accuracies are undefined."""
    K, width = len(part["f1"]), part["iou"].shape[1]
    mean = _ratio(_total(part["iou"]), _total(part["iou_counted"]))
    return (
        _undefined(1, width),
        _undefined(1, width),
        mean,
        _undefined(K, width),
        _ratio(part["iou"][:K], part["iou_counted"][:K]),
    )


def score_values(scores: Scores) -> Iterator[float | None]:
    """The scores in the order of the rows of a ``ScoreTable``."""
    yield from (getattr(scores, name) for name in SCORE_NAMES)
    for name in CLASS_SCORE_NAMES:
        yield from (getattr(values, name) for values in scores.per_class.values())


def by_class(values: Sequence[Value], class_names: Sequence[str]) -> tuple[dict[str, Value], dict[str, list[Value]]]:
    """Values in the order of the rows of a ``ScoreTable``: the overall ones by name, and three of each class."""
    overall = len(SCORE_NAMES)
    classes = {name: list(values[overall + k :: len(class_names)]) for k, name in enumerate(class_names)}
    return dict(zip(SCORE_NAMES, values[:overall], strict=True)), classes


def _summands(image: ImageTally, num_classes: int, protocol: Protocol) -> dict[str, Array]:
    """What an image adds: the pixels of each class (void too, where it is one), the F1 of each class, its own F1."""
    areas = areas_of([image], num_classes, protocol.pixels)
    parts: dict[str, Array] = {
        name: getattr(areas, name).astype(np.float64) for name in ("right", "truth", "predicted")
    }
    parts["labelled"] = np.array([float(areas.labelled.sum())])
    if protocol.pixels.average == "image":
        parts["iou"] = _exact(areas.right / np.maximum(areas.union, 1))
        parts["iou_counted"] = (areas.union > 0).astype(np.float64)
    return parts | _boundary_summands(image, num_classes, protocol.boundary)


def _boundary_summands(image: ImageTally, num_classes: int, protocol: BoundaryProtocol) -> dict[str, Array]:
    f1, counted, own, own_counted = np.zeros(num_classes), np.zeros(num_classes), np.zeros(1), np.zeros(1)
    if image.boundary is not None:
        classes, found = boundary_f1(image, protocol)
        f1[classes], counted[classes] = _exact(found), 1
        own[0] = _exact(math.fsum(found.tolist()) / max(1, found.size))
        own_counted[0] = found.size > 0 or protocol.average == "script"
    return {"f1": f1, "f1_counted": counted, "own_f1": own, "own_counted": own_counted}


def _exact(fractions: Array | float) -> Array:
    rounded: Array = np.rint(np.asarray(fractions) * _FINEST) / _FINEST
    return rounded


def _undefined(rows: int, columns: int) -> ScoreTable:
    return ScoreTable(np.zeros((rows, columns)), np.zeros((rows, columns), np.bool_))


def _ratio(numerator: Array, divisor: Array) -> ScoreTable:
    defined = divisor > 0
    return ScoreTable(np.divide(numerator, divisor, out=np.zeros_like(divisor), where=defined), defined)


def _mean(classes: ScoreTable) -> ScoreTable:
    """The mean over the classes that are defined; undefined ones hold 0."""
    return _ratio(_total(classes.values), _total(classes.defined.astype(np.float64)))


def _total(values: Array) -> Array:
    # Row by row, so that the order of adding is ours.
    return np.add.reduce(values, axis=0, keepdims=True)
