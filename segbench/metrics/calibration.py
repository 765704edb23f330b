"""Calibration: whether a network that says 80 per cent is right in 80 of 100 pixels.

Pixels are put into bins of equal width by their confidence (the probability of the predicted class). The expected
calibration error is the difference between accuracy and mean confidence of a bin, averaged over bins by their pixels
(Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, section 2). Void counts nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import DataError, UsageError
from segbench.metrics.confusion import check_same_shape, integer_map

__all__ = ["Calibration", "ReliabilityBin", "labelled_pixels"]

BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """Labelled pixels of similar confidence.

    Attributes:
        low: Least confidence; it belongs to the bin.
        high: Where the next bin begins; 1 belongs to the last one.
        pixels: How many.
        accuracy: The share predicted rightly, ``None`` in an empty bin.
        confidence: The mean of their confidence, ``None`` in an empty bin.
    """

    low: float
    high: float
    pixels: int
    accuracy: float | None
    confidence: float | None


class Calibration:
    """Counts of many images in bins of confidence; two of them add up.

    Args:
        num_bins: At least 1.
        ignore_index: Truth of this value counts nowhere.

    Attributes:
        pixels: int64 [bins].
        right: int64 [bins], pixels predicted rightly.
        confidence: float64 [bins], sums of the confidence.
    """

    def __init__(self, num_bins: int = BINS, ignore_index: int = 255) -> None:
        if num_bins < 1:
            raise UsageError(f"num_bins is {num_bins}; at least 1 is needed.")
        self.num_bins, self.ignore_index = num_bins, ignore_index
        self.pixels = np.zeros(num_bins, np.int64)
        self.right = np.zeros(num_bins, np.int64)
        self.confidence = np.zeros(num_bins, np.float64)

    def update(self, label: ArrayLike, prediction: ArrayLike, confidence: ArrayLike) -> None:
        """Counts one image: integer ids [H,W], twice, and confidences in [0, 1].

        Raises:
            DataError: The shapes differ, or a confidence is no probability; nothing is counted then.
        """
        right, sure = labelled_pixels(label, prediction, confidence, self.ignore_index)
        if sure.size and not (sure.min() >= 0 and sure.max() <= 1):
            raise DataError(f"A confidence is not within 0..1: the values span {sure.min()} to {sure.max()}.")
        bins = np.minimum((sure * self.num_bins).astype(np.int64), self.num_bins - 1)
        self.pixels += np.bincount(bins, minlength=self.num_bins)
        self.right += np.bincount(bins[right], minlength=self.num_bins)
        self.confidence += np.bincount(bins, weights=sure, minlength=self.num_bins)

    def __add__(self, other: Calibration) -> Calibration:
        if (self.num_bins, self.ignore_index) != (other.num_bins, other.ignore_index):
            raise UsageError("Calibrations of other bins or another ignore index cannot be added.")
        total = Calibration(self.num_bins, self.ignore_index)
        total.pixels = self.pixels + other.pixels
        total.right = self.right + other.right
        total.confidence = self.confidence + other.confidence
        return total

    @property
    def expected_error(self) -> float | None:
        """The expected calibration error, 0 to 1; ``None`` without labelled pixels."""
        total = int(self.pixels.sum())
        return float(np.abs(self.right - self.confidence).sum() / total) if total else None

    @property
    def bins(self) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram, least confidence first."""
        rows = zip(self.pixels.tolist(), self.right.tolist(), self.confidence.tolist(), strict=True)
        return tuple(self._bin(number, *row) for number, row in enumerate(rows))

    def _bin(self, number: int, pixels: int, right: int, confidence: float) -> ReliabilityBin:
        low, high = number / self.num_bins, (number + 1) / self.num_bins
        if not pixels:
            return ReliabilityBin(low, high, 0, None, None)
        return ReliabilityBin(low, high, pixels, right / pixels, confidence / pixels)


def labelled_pixels(
    label: ArrayLike, prediction: ArrayLike, values: ArrayLike, ignore_index: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each labelled pixel was predicted rightly, bool [n], and its value, float64 [n].

    Raises:
        DataError: The three shapes differ, or ids are no integers.
    """
    truth, guess, numbers = integer_map(label, "label"), integer_map(prediction, "prediction"), np.asarray(values)
    check_same_shape(truth, guess)
    if numbers.shape != truth.shape:
        raise DataError(f"The values have shape {numbers.shape}, the label has {truth.shape}.")
    labelled = truth != ignore_index
    return (truth == guess)[labelled], numbers[labelled].astype(np.float64)
