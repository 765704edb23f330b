"""Random choices made from the raw bits of PCG64.

NumPy promises that a bit generator's stream never changes, but not that ``Generator.uniform`` and its kin make the
same of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dice"]

T = TypeVar("T")
DRAWN_AT_ONCE = 128
RESOLUTION = 2.0**-53


class Dice:
    """A stream of choices that depends on ``key`` alone.

    Args:
        key: Non-negative integers; another key is another, independent stream.
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._drawn: list[float] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._drawn:
            # The upper 53 bits fill a double exactly.
            self._drawn = ((self._bits.random_raw(DRAWN_AT_ONCE) >> np.uint64(11)) * RESOLUTION).tolist()
        return self._drawn.pop()

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def chance(self, probability: float) -> bool:
        """True in ``probability`` of all cases."""
        return self.unit() < probability

    def count(self, low: int, high: int) -> int:
        """A whole number in [low, high], both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of ``options``, each as likely as the others; repeat one to make it likelier."""
        return options[int(self.unit() * len(options))]

    def sign(self) -> int:
        """-1 or 1."""
        return 1 if self.unit() < 0.5 else -1

    def octets(self, count: int) -> NDArray[np.uint8]:
        """``count`` independent bytes, uint8 [count]."""
        words = self._bits.random_raw((count + 7) // 8)
        return words.astype("<u8").view(np.uint8)[:count]
