"""From tallies to scores: every definition of the protocol, in one place."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from segbench.errors import RecordError
from segbench.metrics.boundary import BOUNDARY_COLUMNS
from segbench.metrics.confusion import ConfusionMatrix
from segbench.metrics.disc import Tolerance
from segbench.metrics.tallies import ImageTally, Tallies
from segbench.record import BoundaryProtocol, ClassScores, Protocol, Scores

__all__ = ["boundary_f1", "scores_from_tallies", "tolerance_of"]

Values = list[float | None]


def tolerance_of(protocol: BoundaryProtocol) -> Tolerance:
    """The exact tolerance a protocol means: its number is the decimal it prints."""
    return Tolerance.of(protocol.tolerance, protocol.unit)


def scores_from_tallies(tallies: Tallies, protocol: Protocol) -> Scores:
    """The scores of a split under a protocol; the order of the images does not matter.

    Args:
        tallies: Counts per image. Without boundary counts, every ``boundary_f1`` is ``None``.
        protocol: Its ``size`` is replaced by the size of the images.

    Raises:
        RecordError: The tallies were counted with another ignore index or tolerance than the protocol's.
    """
    _check_made_for(tallies, protocol)
    confusion = tallies.confusion()
    pixels = confusion.counts.sum(axis=1) + confusion.missed
    accuracy, iou = _pixel_scores(confusion, pixels, protocol)
    boundary, boundary_per_class = _boundary_scores(tallies, protocol.boundary)
    per_class = {
        name: ClassScores(accuracy=accuracy[k], iou=iou[k], boundary_f1=boundary_per_class[k], pixels=int(pixels[k]))
        for k, name in enumerate(tallies.class_names)
    }
    return Scores(
        global_accuracy=_ratio(int(np.trace(confusion.counts)), confusion.num_pixels),
        class_accuracy=_mean(accuracy),
        mean_iou=_mean(iou),
        boundary_f1=boundary,
        per_class=per_class,
        num_images=len(tallies),
        num_pixels=confusion.num_pixels,
        protocol=protocol.model_copy(update={"size": tallies.size}),
    )


def _check_made_for(tallies: Tallies, protocol: Protocol) -> None:
    if tallies.ignore_index != protocol.ignore_index:
        raise RecordError(
            f"The tallies ignore {tallies.ignore_index}, the protocol {protocol.ignore_index}.",
            "Score the predictions again under this protocol.",
        )
    tolerance = tolerance_of(protocol.boundary)
    if tallies.tolerance not in (None, tolerance):
        raise RecordError(
            f"The tallies were counted with {tallies.tolerance}, the protocol asks for {tolerance}.",
            "Score the predictions again under this protocol.",
        )


def _pixel_scores(confusion: ConfusionMatrix, pixels: NDArray[np.int64], protocol: Protocol) -> tuple[Values, Values]:
    """Accuracy and IoU of each class."""
    right = np.diag(confusion.counts)
    union = pixels + confusion.counts.sum(axis=0) - right
    accuracy = [_ratio(int(a), int(b)) for a, b in zip(right, pixels, strict=True)]
    iou = [_ratio(int(a), int(b)) for a, b in zip(right, union, strict=True)]
    if protocol.absent == "zero":
        return [value or 0.0 for value in accuracy], [value or 0.0 for value in iou]
    return accuracy, iou


def _boundary_scores(tallies: Tallies, protocol: BoundaryProtocol) -> tuple[float | None, Values]:
    """Mean boundary F1 over images, and per class the mean over the images where the class counts."""
    nothing: Values = [None] * tallies.num_classes
    if tallies.tolerance is None or not len(tallies):
        return None, nothing
    found = [boundary_f1(image, protocol) for image in tallies.images]
    per_class: list[list[float]] = [[] for _ in tallies.class_names]
    for classes, f1 in found:
        for k, value in zip(classes.tolist(), f1.tolist(), strict=True):
            per_class[k].append(value)
    per_image = [_mean(f1.tolist()) for _, f1 in found]
    if protocol.average == "script":
        per_image = [value or 0.0 for value in per_image]
    return _mean(per_image), [_mean(values) for values in per_class]


def boundary_f1(image: ImageTally, protocol: BoundaryProtocol) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The classes that count in an image, and the F1 of each, 0..1.

    ``script`` counts classes with a boundary pixel in truth or prediction, ``paper-text`` those of them that the truth
    has any pixel of. A class without a boundary in both maps (it fills the image) has no F1 and counts nowhere.
    """
    assert image.boundary is not None
    column = dict(zip(BOUNDARY_COLUMNS, image.boundary.T, strict=True))
    void = protocol.void
    truth, predicted = column["truth"], column[f"predicted_{void}"]
    if protocol.rule == "matching":
        doubled, divisor = 2 * column[f"matches_{void}"], truth + predicted
    else:
        # 2PR / (P + R) with P = p/|P| and R = g/|G|, its fractions cleared; 0 where P + R = 0.
        p, g = column[f"predicted_hits_{void}"], column[f"truth_hits_{void}"]
        doubled, divisor = 2 * p * g, p * truth + g * predicted
    f1 = doubled / np.maximum(divisor, 1)
    counts = truth + predicted > 0
    if protocol.average == "paper-text":
        counts &= np.isin(image.boundary_classes, np.concatenate([image.pairs.true, image.pairs.missed_class]))
    return image.boundary_classes[counts], f1[counts]


def _ratio(numerator: int, divisor: int) -> float | None:
    return numerator / divisor if divisor else None


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of the defined values, exactly rounded, so that their order does not matter."""
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else None
