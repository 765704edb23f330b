"""Accuracy of the pixels that a network is most certain of, for any share of them.

Kendall, Badrinarayanan and Cipolla 2015 (Bayesian SegNet), section 5: a network whose uncertainty means something is
more often right where it is certain.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import DataError, UsageError
from segbench.metrics.calibration import labelled_pixels

__all__ = ["ConfidentShare"]

DROPPED_BITS = 14
LEVELS = (np.float32(np.inf).view(np.int32).item() >> DROPPED_BITS) + 1


class ConfidentShare:
    """Counts of many images by uncertainty; two of them add up.

    Uncertainties are compared as float32 without the last 14 bits: their order is exact but for values that differ by
    less than one part in 512. Those count as equal, and where a share ends among equals, it holds as many right
    pixels as they have on average.

    Args:
        ignore_index: Truth of this value counts nowhere.

    Attributes:
        pixels: int64 [levels], labelled pixels by the leading bits of their uncertainty.
        right: int64 [levels], those predicted rightly.
    """

    def __init__(self, ignore_index: int = 255) -> None:
        self.ignore_index = ignore_index
        self.pixels = np.zeros(LEVELS, np.int64)
        self.right = np.zeros(LEVELS, np.int64)

    def update(self, label: ArrayLike, prediction: ArrayLike, uncertainty: ArrayLike) -> None:
        """Counts one image: integer ids [H,W], twice, and uncertainties, finite and at least 0.

        Raises:
            DataError: The shapes differ, or an uncertainty is negative or not finite; nothing is counted then.
        """
        right, values = labelled_pixels(label, prediction, uncertainty, self.ignore_index)
        if values.size and not (values.min() >= 0 and np.isfinite(values.max())):
            raise DataError(f"An uncertainty is negative or not finite: they span {values.min()} to {values.max()}.")
        # Bits of floats that are not negative are ordered as the floats are; adding 0 makes -0 of them 0.
        levels = (values + 0.0).astype(np.float32).view(np.int32) >> DROPPED_BITS
        for counts, chosen in ((self.pixels, levels), (self.right, levels[right])):
            found = np.bincount(chosen)
            counts[: len(found)] += found

    def __add__(self, other: ConfidentShare) -> ConfidentShare:
        if self.ignore_index != other.ignore_index:
            raise UsageError("Counts of another ignore index cannot be added.")
        total = ConfidentShare(self.ignore_index)
        total.pixels, total.right = self.pixels + other.pixels, self.right + other.right
        return total

    def accuracies(self, shares: Iterable[float]) -> list[float | None]:
        """Accuracy over each share, 0 < share <= 1, of the labelled pixels, the most certain first.

        Returns:
            A fraction for each share; ``None`` where there are no labelled pixels.

        Raises:
            UsageError: A share is not within 0..1, or 0.
        """
        pixels, right = (np.concatenate(([0], np.cumsum(counts))) for counts in (self.pixels, self.right))
        return [self._accuracy(share, pixels, right) for share in shares]

    def _accuracy(self, share: float, pixels: NDArray[np.int64], right: NDArray[np.int64]) -> float | None:
        if not 0 < share <= 1:
            raise UsageError(f"A share is {share}; it lies within 0..1, and is not 0.")
        wanted = share * int(pixels[-1])
        # Between two levels the right pixels grow with the pixels: equals are right as often as they are on average.
        return float(np.interp(wanted, pixels, right) / wanted) if wanted else None
