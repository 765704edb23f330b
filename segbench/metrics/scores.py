"""From tallies to scores: every definition of the protocol, in one place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.errors import RecordError
from segbench.metrics.areas import Areas, areas_of
from segbench.metrics.boundary import BOUNDARY_COLUMNS
from segbench.metrics.disc import Tolerance
from segbench.metrics.tallies import ImageTally, Tallies
from segbench.record import BoundaryProtocol, ClassScores, PixelProtocol, Protocol, Scores

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
        RecordError: The tallies were counted with another ignore index or tolerance than the protocol's, or lack the
            predictions on void pixels that it counts.
    """
    _check_made_for(tallies, protocol)
    areas = areas_of(tallies.images, tallies.num_classes, protocol.pixels)
    pixels = _pixel_scores(tallies, areas, protocol)
    boundary, boundary_per_class = _boundary_scores(tallies, protocol.boundary)
    columns = zip(tallies.class_names, pixels.accuracy, pixels.iou, boundary_per_class, areas.labelled, strict=True)
    return Scores(
        global_accuracy=pixels.global_accuracy,
        class_accuracy=_mean(pixels.accuracy),
        mean_iou=pixels.mean_iou,
        boundary_f1=boundary,
        per_class={
            name: ClassScores(accuracy=accuracy, iou=iou, boundary_f1=f1, pixels=int(count))
            for name, accuracy, iou, f1, count in columns
        },
        num_images=len(tallies),
        num_pixels=int(areas.labelled.sum()),
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
    if protocol.pixels.void == "ignored":
        return
    lacking = [name for name, image in tallies if image.on_void is None and image.void_pixels]
    if lacking:
        raise RecordError(
            f"Protocol {protocol.name} counts predictions on void pixels, which the tallies of {lacking[0]} lack.",
            f"Score the label maps: segbench score PREDICTIONS --protocol {protocol.name} ...",
        )


@dataclass(frozen=True)
class _PixelScores:
    """Accuracy and IoU, of K classes and together; void as a class is in the mean IoU alone."""

    global_accuracy: float | None
    mean_iou: float | None
    accuracy: Values
    iou: Values


def _pixel_scores(tallies: Tallies, areas: Areas, protocol: Protocol) -> _PixelScores:
    if protocol.pixels.average == "image":
        return _averaged_over_images(tallies, protocol.pixels)
    num_classes = tallies.num_classes
    right = int(areas.right[:num_classes].sum())
    accuracy = _ratios(areas.right[:num_classes], areas.truth[:num_classes], protocol)
    iou = _ratios(areas.right, areas.union, protocol)
    return _PixelScores(_ratio(right, int(areas.labelled.sum())), _mean(iou), accuracy, iou[:num_classes])


def _averaged_over_images(tallies: Tallies, rules: PixelProtocol) -> _PixelScores:
    """Mean IoU of each class over the images that hold it in truth or prediction; all of these pairs weigh the same."""
    num_classes = tallies.num_classes
    per_class: list[Values] = [[] for _ in range(num_classes + 1)]
    for image in tallies.images:
        areas = areas_of([image], num_classes, rules)
        union = areas.union
        for k in np.flatnonzero(union).tolist():
            per_class[k].append(_ratio(int(areas.right[k]), int(union[k])))
    mean_iou = _mean(value for values in per_class for value in values)
    return _PixelScores(None, mean_iou, [None] * num_classes, [_mean(values) for values in per_class[:num_classes]])


def _ratios(numerators: NDArray[np.int64], divisors: NDArray[np.int64], protocol: Protocol) -> Values:
    absent = {"null": None, "zero": 0.0, "one": 1.0}[protocol.absent]
    pairs = zip(numerators.tolist(), divisors.tolist(), strict=True)
    return [a / b if b else absent for a, b in pairs]


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
