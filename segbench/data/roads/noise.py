"""Smooth random tiles that repeat without a seam; everything that is rough or cloudy is looked up in one of them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from segbench.data.roads.dice import Dice
from segbench.data.roads.floats import Floats

__all__ = ["SIDE", "look_up", "look_up_smoothly", "tile"]

SIDE = 256
# Amplitudes of the octaves, from 4 cells across the tile to 256.
OCTAVES = {
    "cloud": (1.0, 0.6, 0.36, 0.22, 0.13, 0.07, 0.0),
    "leaf": (0.0, 0.2, 0.6, 0.9, 0.8, 0.5, 0.3),
    "grain": (0.0, 0.0, 0.1, 0.3, 0.5, 0.8, 1.0),
}
SEEDS = {"cloud": 11, "leaf": 12, "grain": 13}


@cache
def tile(kind: str) -> Floats:
    """Flat [SIDE * SIDE] tile of ``kind`` whose values are spread evenly over [0, 1)."""
    dice = Dice(SEEDS[kind])
    total = np.zeros((SIDE, SIDE), np.float64)
    for octave, amplitude in enumerate(OCTAVES[kind]):
        total += amplitude * _octave(dice, 4 << octave)
    ranks = np.empty(SIDE * SIDE, np.float32)
    ranks[np.argsort(total, axis=None, kind="stable")] = np.arange(SIDE * SIDE, dtype=np.float32)
    return ranks / np.float32(SIDE * SIDE)


def _octave(dice: Dice, cells: int) -> NDArray[np.float64]:
    corners = dice.octets(cells * cells).astype(np.float64).reshape(cells, cells) / 255.0
    return _stretched(_stretched(corners, SIDE // cells).T, SIDE // cells).T


def _stretched(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Interpolates along the first axis, smoothly and around the end."""
    step = np.arange(factor) / factor
    eased = (step * step * (3.0 - 2.0 * step))[None, :, None]
    following = np.roll(values, -1, axis=0)
    between = values[:, None, :] * (1.0 - eased) + following[:, None, :] * eased
    return between.reshape(values.shape[0] * factor, values.shape[1])


def look_up(kind: str, across: Floats, along: Floats) -> Floats:
    """Values in [0, 1) at ``across`` and ``along``, broadcast together; they count cells, 256 to the tile's side."""
    column = np.floor(across).astype(np.int32) & (SIDE - 1)
    row = np.floor(along).astype(np.int32) & (SIDE - 1)
    return tile(kind).take((row << 8) + column)


def look_up_smoothly(kind: str, across: Floats, along: Floats) -> Floats:
    """The same, interpolated between the cells: for what is seen so large that cells would show."""
    column, row = np.floor(across), np.floor(along)
    right, down = across - column, along - row
    left_cell, upper_cell = column.astype(np.int32) & (SIDE - 1), row.astype(np.int32) & (SIDE - 1)
    right_cell, lower_cell = (left_cell + 1) & (SIDE - 1), ((upper_cell + 1) & (SIDE - 1)) << 8
    upper_cell = upper_cell << 8
    values = tile(kind)
    upper = values.take(upper_cell + left_cell)
    upper += (values.take(upper_cell + right_cell) - upper) * right
    lower = values.take(lower_cell + left_cell)
    lower += (values.take(lower_cell + right_cell) - lower) * right
    upper += (lower - upper) * down
    return upper
