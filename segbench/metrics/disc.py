"""The disc of the boundary tolerance, decided in integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.errors import UsageError

__all__ = ["Tolerance", "dilate"]

Unit = Literal["diagonal", "px"]


@dataclass(frozen=True)
class Tolerance:
    """How far apart two boundary pixels may lie: ``value`` image diagonals or pixels, Euclidean, equality included.

    Attributes:
        value: Exact; 0.0075 is 3/400.
        unit: ``diagonal`` or ``px``.
    """

    value: Fraction = Fraction(3, 400)
    unit: Unit = "diagonal"

    @classmethod
    def of(cls, value: Fraction | float | str, unit: Unit = "diagonal") -> Tolerance:
        """A tolerance from a number; a float means the decimal it is printed as.

        Raises:
            UsageError: It is not a number, or negative.
        """
        try:
            exact = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            exact = Fraction(-1)
        if exact < 0:
            raise UsageError(f"'{value}' is no boundary tolerance.", "Give a number of at least 0: 0.0075 or 4.5px.")
        return cls(exact, unit)

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """``0.0075`` (of the diagonal) or ``4.5px``.

        Raises:
            UsageError: It is neither, or more than a whole diagonal: pixels without their unit.
        """
        stripped = text.strip()
        if stripped.endswith("px"):
            return cls.of(stripped[:-2].strip(), "px")
        found = cls.of(stripped)
        if found.value > 1:
            raise UsageError(
                f"A boundary tolerance of {stripped} image diagonals reaches beyond the image.",
                f"If pixels are meant: {stripped}px",
            )
        return found

    def __str__(self) -> str:
        number = f"{float(self.value):g}"
        return f"{number}px" if self.unit == "px" else f"{number} of the diagonal"

    def squared_radius(self, height: int, width: int) -> int:
        """The largest d**2 of two pixels that are close enough in an image of this size."""
        square = self.value**2 * (1 if self.unit == "px" else height**2 + width**2)
        return math.floor(square)


def dilate(
    bits: NDArray[np.unsignedinteger[Any]], squared_radius: int, reach: int, stride: int
) -> NDArray[np.unsignedinteger[Any]]:
    """The union of each pixel's bits over its disc.

    A disc is a stack of horizontal runs. Runs are widened a pixel at a time and put at each row offset whose run has
    that width, so the cost is about four passes for each pixel of the radius.

    Args:
        bits: Flat padded map, ``stride`` pixels a row, at least ``reach`` zero pixels between rows and as many zero
            rows above and below.
        squared_radius: In pixels squared.
        reach: Largest row and column offset, at most the padding.
        stride: Pixels from one row to the next.
    """
    heights: dict[int, list[int]] = {}
    for row in range(reach + 1):
        if row * row <= squared_radius:
            heights.setdefault(min(reach, math.isqrt(squared_radius - row * row)), []).append(row)
    run, union = bits.copy(), np.zeros_like(bits)
    for width in range(reach + 1):
        if width:
            _spread(run, bits, width)
        for row in heights.get(width, []):
            _spread(union, run, row * stride)
    return union


def _spread(target: NDArray[np.unsignedinteger[Any]], source: NDArray[np.unsignedinteger[Any]], shift: int) -> None:
    """Adds ``source`` moved by ``shift`` to both sides."""
    if shift == 0:
        target |= source
        return
    target[shift:] |= source[:-shift]
    target[:-shift] |= source[shift:]
