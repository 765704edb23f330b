"""Label maps painted in colours to label maps of ids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError
from segbench.specs import Colour

__all__ = ["ColourCode"]

UNKNOWN = 254


class ColourCode:
    """Which id each colour stands for; looked up for all pixels at once.

    Args:
        ids: Id by RGB colour; 0..253 and 255 (ignore).
    """

    def __init__(self, ids: Mapping[Colour, int]) -> None:
        if UNKNOWN in ids.values():
            raise ValueError(f"the id {UNKNOWN} marks unknown colours")
        self._table = np.full(1 << 24, UNKNOWN, dtype=np.uint8)
        for (red, green, blue), label in ids.items():
            self._table[red << 16 | green << 8 | blue] = label

    def ids(self, pixels: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
        """The ids of a painted map.

        Args:
            pixels: RGB, uint8 [H, W, 3].
            where: Named in the error.

        Returns:
            uint8 [H, W].

        Raises:
            DataError: A colour stands for nothing; names the file, the first such pixel and its colour.
        """
        wide = pixels.astype(np.uint32)
        label: NDArray[np.uint8] = self._table[wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]]
        unknown = np.argwhere(label == UNKNOWN)
        if len(unknown):
            row, column = (int(value) for value in unknown[0])
            colour = tuple(int(value) for value in pixels[row, column])
            raise DataError(
                f"{where}: the pixel in row {row}, column {column} has the colour {colour}, which stands for no class "
                f"({len(unknown)} such pixels)."
            )
        return label
