"""Gaussian filtering of points in a few dimensions, exactly or on the permutohedral lattice (Adams et al. 2010).

The lattice approximates the sums in time linear in the number of points: values are spread to the corners of the
simplices that hold the points, blurred along the lattice's directions, and gathered again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Filter", "exact_filter", "lattice_filter"]

Array = NDArray[np.float64]
Filter = Callable[[Array], Array]


def exact_filter(features: Array) -> Filter:
    """The sums of exp(-|f_i - f_j|^2 / 2) v_j over all j, each point itself included, from the full matrix.

    Args:
        features: [n, d] in units of the Gaussian's standard deviation. Time and memory grow with n squared.

    Returns:
        A function of values [n, C] to sums [n, C].
    """
    squares = (features**2).sum(1)
    distances = squares[:, None] + squares - 2 * features @ features.T
    kernel: Array = np.exp(-0.5 * distances.clip(min=0))

    def filtered(values: Array) -> Array:
        result: Array = kernel @ values
        return result

    return filtered


def lattice_filter(features: Array) -> Filter:
    """What :func:`exact_filter` gives, up to a constant factor and approximately.

    Args:
        features: [n, d] in units of the Gaussian's standard deviation.

    Returns:
        A function of values [n, C] to sums [n, C].
    """
    keys, weights = _corners(features)
    points, corners = weights.shape
    codes, places, neighbours = _coded(keys)
    columns = np.repeat(np.arange(points), corners)
    splat = sparse.csr_array((weights.ravel(), (places, columns)), shape=(len(codes), points))
    gather = splat.T.tocsr()
    blurs = [_blur(codes, step) for step in neighbours]

    def filtered(values: Array) -> Array:
        spread: Array = np.asarray(splat @ values)
        for blur in blurs:
            spread = np.asarray(blur @ spread)
        result: Array = np.asarray(gather @ spread)
        return result

    return filtered


def _elevation(dimensions: int) -> Array:
    """[d, d+1]: features to the plane of coordinates that sum to 0, scaled so that the blur has deviation 1."""
    rows = np.zeros((dimensions, dimensions + 1))
    for row in range(dimensions):
        rows[row, : row + 1] = 1
        rows[row, row + 1] = -(row + 1)
        rows[row] /= np.sqrt((row + 1) * (row + 2))
    scaled: Array = rows * (dimensions + 1) * np.sqrt(2 / 3)
    return scaled


def _corners(features: Array) -> tuple[NDArray[np.int64], Array]:
    """Keys int64 [n, d+1, d+1] of the corners of each point's simplex, and their weights [n, d+1], which sum to 1."""
    dimensions = features.shape[1]
    sides = dimensions + 1
    elevated = features @ _elevation(dimensions)
    nearest = np.rint(elevated / sides).astype(np.int64)
    excess = nearest.sum(1, keepdims=True)
    # The rank of each coordinate by how far it lies beyond the nearest point, the farthest first.
    order = np.argsort(-(elevated - nearest * sides), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(sides)[None], axis=1)
    rank += excess
    low, high = rank < 0, rank > dimensions
    nearest = (nearest + low - high) * sides
    rank += sides * (low.astype(np.int64) - high)
    beyond = np.take_along_axis((elevated - nearest) / sides, np.argsort(rank, axis=1), axis=1)
    # Corner r weighs the step between the coordinates of rank d-r and d+1-r.
    weights = np.empty_like(beyond)
    weights[:, 1:] = -np.diff(beyond, axis=1)[:, ::-1]
    weights[:, 0] = 1 - weights[:, 1:].sum(1)
    remainders = np.arange(sides)[None, :, None]
    keys = nearest[:, None] + remainders - sides * (rank[:, None] > dimensions - remainders)
    return keys, weights


def _coded(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Corners as sorted distinct numbers, the place of each key among them, and the step of each lattice direction."""
    sides = keys.shape[2]
    flat = keys.reshape(-1, sides)[:, :-1]  # the last coordinate follows from the others
    low, high = flat.min(0) - sides, flat.max(0) + sides
    radix = np.concatenate(([1], np.cumprod((high - low + 1)[:-1])))
    codes, places = np.unique((flat - low) @ radix, return_inverse=True)
    steps = [int(radix.sum()) - (int(radix[axis]) * sides if axis < sides - 1 else 0) for axis in range(sides)]
    return codes, places.ravel(), steps


def _blur(codes: NDArray[np.int64], step: int) -> sparse.csr_array:
    """Half of each corner and a quarter of its two neighbours along one direction."""
    matrix = sparse.csr_array(sparse.eye_array(len(codes)) * 0.5)
    for offset in (step, -step):
        found = np.searchsorted(codes, codes + offset).clip(max=len(codes) - 1)
        here = np.flatnonzero(codes[found] == codes + offset)
        quarter = np.full(len(here), 0.25)
        matrix = matrix + sparse.csr_array((quarter, (here, found[here])), shape=matrix.shape)
    return matrix
