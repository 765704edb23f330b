"""The arrays that everything is painted with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "clipped", "root"]

Floats = NDArray[np.float32]


def clipped(values: NDArray[np.floating], low: float = 0.0, high: float = 1.0) -> Floats:
    """``values`` kept within [low, high]; several times as quick as ``np.clip`` on small arrays."""
    kept: Floats = np.minimum(np.maximum(values, np.float32(low)), np.float32(high))
    return kept


def root(values: NDArray[np.floating]) -> Floats:
    """The square root, which IEEE 754 rounds the same everywhere."""
    roots: Floats = np.sqrt(values)
    return roots
