"""Scales of charts: from values to pixels, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Axis", "linear_axis", "log_axis"]

INTERVALS = 4


@dataclass(frozen=True)
class Axis:
    """Where values lie between two pixels.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``, above ``low``.
        start: Pixel.
        end: Pixel, on either side.
        ticks: Values worth a line, ascending.
        log: Whether equal distances are equal ratios.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...] = ()
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def linear_axis(values: Iterable[float], start: float, end: float, *, whole: bool = False) -> Axis:
    """From the round value below all to that above all; five ticks or more, fewer where they have to be whole."""
    found = list(values)
    low, high = min(found, default=0.0), max(found, default=1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 1, high + 1
    step = _round_step((high - low) / INTERVALS)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(place * step, 10) for place in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], start, end, ticks)


def _round_step(step: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above."""
    power = 10.0 ** math.floor(math.log10(step) + 1e-9)
    return next(factor * power for factor in (5, 2, 1) if factor * power <= step * (1 + 1e-9))


def log_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """From a bit below all values, which are positive, to a bit above."""
    found = list(values)
    low, high = min(found, default=1.0) / 1.3, max(found, default=10.0) * 1.3
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    ladders = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8))
    choices = [tuple(f * p for p in powers for f in ladder if low <= f * p <= high) for ladder in ladders]
    ticks = next((ticks for ticks in choices if len(ticks) >= 3), choices[-1])
    return Axis(low, high, start, end, ticks, log=True)
