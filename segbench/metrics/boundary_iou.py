"""Boundary IoU: the overlap of what lies within a few pixels of the edge, inside each mask.

Of each mask only the band is kept whose pixels have something else within d pixels in a row, a column or a diagonal,
with d = 2 % of the image diagonal, rounded, at least 1. The IoU of both bands is taken as mean IoU takes it: sums over
all images, then a ratio for each class. As in the reference, what lies outside the image is not in the mask, so a mask
that touches the border has an edge there.

Void is no mask, and the prediction is void wherever the truth is, before bands are taken: void bounds masks, and what
is predicted there never matters.

Source: Cheng et al., "Boundary IoU", CVPR 2021, section 4; the erosion is that of its ``mask_to_boundary`` (a 3x3
square, d times, on a mask padded with zeros).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import UsageError
from segbench.metrics.confusion import VoidPredictions, check_classes, check_image, count_pairs, integer_map
from segbench.metrics.numbering import Integers, class_ids

__all__ = ["BoundaryIoU", "BoundaryIoUScores", "band_counts", "band_width", "inner_band"]

BAND_COLUMNS = ("truth", "predicted", "both", "truth_pixels", "predicted_pixels")
"""Columns of ``band_counts``: pixels of both bands, of their overlap, and of both masks."""

_SHARE = Fraction(1, 50)


def band_width(height: int, width: int, share: Fraction = _SHARE) -> int:
    """d in pixels: ``share`` of the diagonal, rounded (a half to the even number), at least 1."""
    diagonal = math.hypot(height, width)
    return max(1, round(float(share) * diagonal))


def inner_band(values: ArrayLike, width: int) -> NDArray[np.bool_]:
    """Pixels that have another label, or the end of the image, within ``width`` pixels.

    Args:
        values: Integer labels [H,W].
        width: Pixels, at least 1; diagonal steps count as one.

    Returns:
        bool [H,W]; for the mask of one label, the mask without its erosion by a square of 2 ``width`` + 1 pixels.
    """
    labels = integer_map(values, "map")
    band = np.ones(labels.shape, np.bool_)
    height, columns = labels.shape
    if min(height, columns) <= 2 * width:
        return band
    # Sums over all blocks of 2x2 pixels that are not constant, up to and including each place.
    sums = np.zeros(labels.shape, np.int32)
    np.cumsum(_mixed_blocks(labels), axis=1, out=sums[1:, 1:])
    np.cumsum(sums, axis=0, out=sums)
    low, high = slice(None, -2 * width), slice(2 * width, None)
    inside = sums[high, high] - sums[low, high] - sums[high, low] + sums[low, low]
    band[width:-width, width:-width] = inside != 0
    return band


def _mixed_blocks(values: Integers) -> NDArray[np.bool_]:
    """bool [H-1,W-1], whether each pixel and its right, lower and lower-right neighbours are not of one label."""
    across = values[:, 1:] != values[:, :-1]
    mixed: NDArray[np.bool_] = across[1:] | across[:-1]
    mixed |= (values[1:] != values[:-1])[:, :-1]
    return mixed


def band_counts(
    label: ArrayLike,
    prediction: ArrayLike,
    num_classes: int,
    ignore_index: int = 255,
    *,
    share: Fraction = _SHARE,
    void_predictions: VoidPredictions = "error",
) -> NDArray[np.int64]:
    """Counts boundary IoU is made of, of one image.

    Args:
        label: [H,W] class ids of any integer type, 0..K-1 or ``ignore_index``.
        prediction: [H,W] class ids.
        num_classes: K.
        ignore_index: The value that counts nowhere.
        share: Width of the band in image diagonals.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an error or wrong.

    Returns:
        int64 [K,5], columns as in ``BAND_COLUMNS``.

    Raises:
        DataError: The maps are not of one size, or hold a value that is not allowed.
    """
    truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
    check_image(truth)
    pairs = count_pairs(truth, guess, num_classes, ignore_index, void_predictions)
    width = band_width(truth.shape[0], truth.shape[1], share)
    masked = np.where(truth == ignore_index, truth, guess)
    in_truth, in_guess = inner_band(truth, width), inner_band(masked, width)
    overlap = in_truth & in_guess & (truth == masked)
    columns: list[Any] = [
        _per_class(chosen, num_classes, ignore_index) for chosen in (truth[in_truth], masked[in_guess], truth[overlap])
    ]
    columns.append(np.bincount(pairs.true, pairs.count, num_classes))
    columns[-1] += np.bincount(pairs.missed_class, pairs.missed_count, num_classes)
    columns.append(np.bincount(pairs.predicted, pairs.count, num_classes))
    return np.stack(columns, axis=1).astype(np.int64)


def _per_class(values: Integers, num_classes: int, ignore_index: int) -> NDArray[np.int64]:
    return np.bincount(class_ids(values, num_classes, ignore_index), minlength=num_classes + 2)[:num_classes]


@dataclass(frozen=True)
class BoundaryIoUScores:
    """Boundary IoU of a split.

    Attributes:
        mean: Mean over the classes that have one, 0..1; ``None`` where none has.
        per_class: By name; 0 for a class that is missed or invented everywhere, ``None`` for one that neither truth nor
            prediction ever has.
        images: By name, images whose truth or prediction has the class.
        swallowed: By name, those of them where both bands are the whole masks, so that boundary IoU is plain IoU there.
    """

    mean: float | None
    per_class: dict[str, float | None]
    images: dict[str, int]
    swallowed: dict[str, int]

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each class whose bands are whole masks somewhere."""
        return tuple(
            f"The band swallows class {name} in {count} of the {self.images[name]} images that have it: "
            "there boundary IoU is plain IoU."
            for name, count in self.swallowed.items()
            if count
        )


class BoundaryIoU:
    """Boundary IoU of predictions that come one at a time; two of parts of a split add up.

    Args:
        classes: K class names, or K.
        ignore_index: Truth of this value counts nowhere.
        share: Width of the band in image diagonals.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an error or wrong.

    Attributes:
        counts: int64 [K,5], columns as in ``BAND_COLUMNS``.
    """

    def __init__(
        self,
        classes: Sequence[str] | int,
        ignore_index: int = 255,
        *,
        share: Fraction = _SHARE,
        void_predictions: VoidPredictions = "error",
    ) -> None:
        self.class_names = tuple(map(str, range(classes) if isinstance(classes, int) else classes))
        check_classes(len(self.class_names))
        if share <= 0:
            raise UsageError(f"A band of {share} image diagonals is empty.", "Give a share above 0, as 0.02.")
        self.ignore_index = ignore_index
        self.share = Fraction(share)
        self.void_predictions: VoidPredictions = void_predictions
        self.counts = np.zeros((len(self.class_names), len(BAND_COLUMNS)), np.int64)
        self._images = np.zeros(len(self.class_names), np.int64)
        self._swallowed = np.zeros(len(self.class_names), np.int64)

    def update(self, label: ArrayLike, prediction: ArrayLike) -> None:
        """Adds one image [H,W].

        Raises:
            DataError: The maps are not of one size, or hold a value that is not allowed; nothing is added then.
        """
        counts = band_counts(
            label,
            prediction,
            len(self.class_names),
            self.ignore_index,
            share=self.share,
            void_predictions=self.void_predictions,
        )
        here = counts[:, 3:].any(axis=1)
        self.counts += counts
        self._images += here
        self._swallowed += here & (counts[:, :2] == counts[:, 3:]).all(axis=1)

    def __add__(self, other: BoundaryIoU) -> BoundaryIoU:
        if self._options != other._options:
            raise UsageError("Boundary IoUs of different classes, ignore indices or bands cannot be added.")
        names, ignore_index, share, void_predictions = self._options
        total = BoundaryIoU(names, ignore_index, share=share, void_predictions=void_predictions)
        total.counts = self.counts + other.counts
        total._images = self._images + other._images
        total._swallowed = self._swallowed + other._swallowed
        return total

    @property
    def _options(self) -> tuple[tuple[str, ...], int, Fraction, VoidPredictions]:
        return self.class_names, self.ignore_index, self.share, self.void_predictions

    def scores(self) -> BoundaryIoUScores:
        """The scores of the images so far."""
        truth, predicted, both = (self.counts[:, column].tolist() for column in range(3))
        unions = [p + t - b for t, p, b in zip(truth, predicted, both, strict=True)]
        iou = [b / union if union else None for b, union in zip(both, unions, strict=True)]
        defined = [value for value in iou if value is not None]
        return BoundaryIoUScores(
            sum(defined) / len(defined) if defined else None,
            dict(zip(self.class_names, iou, strict=True)),
            dict(zip(self.class_names, self._images.tolist(), strict=True)),
            dict(zip(self.class_names, self._swallowed.tolist(), strict=True)),
        )
