"""Trimap curves: accuracy and IoU of the pixels near the boundaries of the truth, for several widths of the band.

A boundary pixel has a pixel of another label above, below, left or right of it, so both sides of an edge have them and
turning or mirroring an image changes nothing. The band of radius r holds the labelled pixels whose distance to the
nearest boundary pixel is at most r (Euclidean, between centres); r = 0 is the boundary pixels alone. An edge towards
void is an edge, since annotators draw void along the outlines of objects; void itself is in no band.

Source: Kohli, Ladicky and Torr, "Robust higher order potentials", IJCV 2009, section 5 (the share of wrong pixels in a
band); the same band is scored by IoU in Krähenbühl and Koltun 2011 and in the DeepLab papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import UsageError
from segbench.metrics.confusion import (
    ConfusionMatrix,
    PairCounts,
    VoidPredictions,
    check_classes,
    check_image,
    count_pairs,
    integer_map,
)
from segbench.metrics.disc import Tolerance
from segbench.metrics.numbering import Integers

__all__ = ["TrimapCurve", "TrimapPoint", "squared_distances"]

Squares = NDArray[np.int64]


def squared_distances(label: ArrayLike) -> Squares | None:
    """int64 [H,W], exact d**2 of each pixel to the nearest boundary pixel; ``None`` where all pixels are one label."""
    from scipy.ndimage import distance_transform_edt

    edge = _edge_pixels(integer_map(label, "label"))
    if not edge.any():
        return None
    distances = distance_transform_edt(~edge)
    squares: Squares = np.rint(distances * distances).astype(np.int64)
    return squares


def _edge_pixels(values: Integers) -> NDArray[np.bool_]:
    edge = np.zeros(values.shape, np.bool_)
    across, down = values[:, 1:] != values[:, :-1], values[1:] != values[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


@dataclass(frozen=True)
class TrimapPoint:
    """Scores of the pixels in one band.

    Attributes:
        radius: As it was asked for.
        accuracy: Share of the pixels that are right, 0..1; ``None`` where the band is empty.
        mean_iou: Mean over the classes that occur in the band, in truth or prediction; a class missed or invented there
            counts 0.
        per_class: IoU by name, ``None`` for classes that do not occur.
        share: Share of the labelled pixels that are in the band.
        images: By name, images whose truth has the class.
        swallowed: By name, those of them where all pixels of the class are in the band.
    """

    radius: Tolerance
    accuracy: float | None
    mean_iou: float | None
    per_class: dict[str, float | None]
    share: float | None
    images: dict[str, int]
    swallowed: dict[str, int]

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each class that lies in the band as a whole somewhere."""
        return tuple(
            f"The band of {self.radius} swallows class {name} in {count} of the {self.images[name]} images with it."
            for name, count in self.swallowed.items()
            if count
        )


class TrimapCurve:
    """Scores near the boundaries of predictions that come one at a time; two of parts of a split add up.

    Args:
        classes: K class names, or K.
        radii: Radii in pixels, or tolerances that say their unit, in any order.
        ignore_index: Truth of this value counts nowhere.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an error or wrong.

    Attributes:
        matrices: One confusion matrix for each radius.
        whole: The confusion matrix of all labelled pixels.
    """

    def __init__(
        self,
        classes: Sequence[str] | int,
        radii: Sequence[float | Tolerance],
        ignore_index: int = 255,
        *,
        void_predictions: VoidPredictions = "error",
    ) -> None:
        self.class_names = tuple(map(str, range(classes) if isinstance(classes, int) else classes))
        count = len(self.class_names)
        check_classes(count)
        self.radii = tuple(radius if isinstance(radius, Tolerance) else Tolerance.of(radius, "px") for radius in radii)
        if not self.radii:
            raise UsageError("A trimap curve needs at least one radius.", "Give radii in pixels, as [1, 2, 5, 10].")
        self.ignore_index = ignore_index
        self.void_predictions: VoidPredictions = void_predictions
        self.whole = self._matrix()
        self.matrices = [self._matrix() for _ in self.radii]
        self._images = np.zeros(count, np.int64)
        self._swallowed = np.zeros((len(self.radii), count), np.int64)

    def _matrix(self) -> ConfusionMatrix:
        return ConfusionMatrix(len(self.class_names), self.ignore_index, void_predictions=self.void_predictions)

    def update(self, label: ArrayLike, prediction: ArrayLike) -> None:
        """Adds one image [H,W] of integer class ids.

        Raises:
            DataError: The maps are not of one size, or hold a value that is not allowed; nothing is added then.
        """
        truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
        check_image(truth)
        whole = self._matrix()
        whole.update(truth, guess)
        self.whole += whole
        pixels = _truth_pixels(whole)
        self._images += pixels > 0
        squares = squared_distances(truth)
        if squares is None:
            return
        limits = [radius.squared_radius(*truth.shape) for radius in self.radii]
        inside = self._matrix()
        begin = -1
        for at in np.argsort(limits, kind="stable").tolist():
            ring = np.flatnonzero((squares > begin) & (squares <= limits[at]))
            inside.add(self._pairs(truth.ravel().take(ring), guess.ravel().take(ring)))
            begin = limits[at]
            self.matrices[at] += inside
            self._swallowed[at] += (pixels > 0) & (_truth_pixels(inside) == pixels)

    def _pairs(self, truth: Integers, guess: Integers) -> PairCounts:
        return count_pairs(truth, guess, len(self.class_names), self.ignore_index, self.void_predictions)

    def __add__(self, other: TrimapCurve) -> TrimapCurve:
        if (self.class_names, self.radii) != (other.class_names, other.radii):
            raise UsageError("Trimap curves of different classes or radii cannot be added.")
        total = TrimapCurve(self.class_names, self.radii, self.ignore_index, void_predictions=self.void_predictions)
        total.whole = self.whole + other.whole
        total.matrices = [mine + theirs for mine, theirs in zip(self.matrices, other.matrices, strict=True)]
        total._images = self._images + other._images
        total._swallowed = self._swallowed + other._swallowed
        return total

    def points(self) -> tuple[TrimapPoint, ...]:
        """One point for each radius, in the order the radii were given."""
        return tuple(self._point(at) for at in range(len(self.radii)))

    def _point(self, at: int) -> TrimapPoint:
        matrix = self.matrices[at]
        right = np.diagonal(matrix.counts)
        union = _truth_pixels(matrix) + matrix.counts.sum(axis=0) - right
        iou = [int(r) / int(u) if u else None for r, u in zip(right, union, strict=True)]
        defined = [value for value in iou if value is not None]
        return TrimapPoint(
            radius=self.radii[at],
            accuracy=int(right.sum()) / matrix.num_pixels if matrix.num_pixels else None,
            mean_iou=sum(defined) / len(defined) if defined else None,
            per_class=dict(zip(self.class_names, iou, strict=True)),
            share=matrix.num_pixels / self.whole.num_pixels if self.whole.num_pixels else None,
            images=dict(zip(self.class_names, self._images.tolist(), strict=True)),
            swallowed=dict(zip(self.class_names, self._swallowed[at].tolist(), strict=True)),
        )


def _truth_pixels(matrix: ConfusionMatrix) -> NDArray[np.int64]:
    pixels: NDArray[np.int64] = matrix.counts.sum(axis=1) + matrix.missed
    return pixels
