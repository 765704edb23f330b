"""Slow and independent versions of everything in ``segbench.metrics``, one pixel or pair at a time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = [
    "Map",
    "boundary_counts",
    "boundary_f1",
    "confusion",
    "map_pairs",
    "matched",
    "near_pairs",
    "seg2bdry",
    "within",
]

Map = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@st.composite
def map_pairs(
    draw: st.DrawFn, classes: int = 3, ignore_index: int = 255, side: int = 9, void: bool = True
) -> tuple[Map, Map]:
    """A truth with void and a prediction without, of one size; blocky or noisy."""
    height, width, seed = draw(st.tuples(st.integers(1, side), st.integers(1, side), st.integers(0, 2**32 - 1)))
    block = draw(st.integers(1, 4))
    generator = np.random.default_rng(seed)

    def blocks(values: list[int]) -> Map:
        coarse = generator.choice(values, (-(-height // block), -(-width // block)))
        return np.kron(coarse, np.ones((block, block), np.int64))[:height, :width].astype(np.uint8)

    truth = blocks([*range(classes), *([ignore_index] if void else [])])
    noise = generator.random(truth.shape) < draw(st.sampled_from([0.0, 0.1, 0.5]))
    guess = np.where((truth == ignore_index) | noise, blocks([*range(classes)]), truth).astype(np.uint8)
    return truth, guess


def confusion(truth: Map, guess: Map, num_classes: int, ignore_index: int = 255) -> tuple[Map, Map]:
    """Counts and missed, pixel by pixel."""
    counts, missed = np.zeros((num_classes, num_classes), np.int64), np.zeros(num_classes, np.int64)
    for a, b in zip(truth.ravel().tolist(), guess.ravel().tolist(), strict=True):
        if a != ignore_index and b == ignore_index:
            missed[a] += 1
        elif a != ignore_index:
            counts[a, b] += 1
    return counts, missed


def seg2bdry(mask: Mask) -> Mask:
    """The boundary on a grid of twice the resolution, read at every other place.

    Places with even row and column lie between four pixels, places with one even index between two pixels. A place
    between two pixels is set where they differ; a place between four is set where one of the four places around it is;
    the frame repeats what stands beside it.
    """
    height, width = mask.shape
    fine = np.zeros((2 * height + 1, 2 * width + 1), np.bool_)
    for row in range(height):
        for column in range(width - 1):
            fine[2 * row + 1, 2 * column + 2] = mask[row, column] != mask[row, column + 1]
    for row in range(height - 1):
        for column in range(width):
            fine[2 * row + 2, 2 * column + 1] = mask[row, column] != mask[row + 1, column]
    for row in range(2, 2 * height, 2):
        for column in range(2, 2 * width, 2):
            around = (fine[row - 1, column], fine[row + 1, column], fine[row, column - 1], fine[row, column + 1])
            fine[row, column] = any(around)
    fine[0], fine[:, 0] = fine[1], fine[:, 1]
    fine[-1] = fine[-2]
    fine[:, -1] = fine[:, -2]
    return fine[2::2, 2::2]


def within(square: int, shape: tuple[int, int], tolerance: Fraction, unit: str = "diagonal") -> bool:
    """Whether two pixels whose distance has this square are close enough."""
    diagonal = shape[0] ** 2 + shape[1] ** 2
    return square <= tolerance**2 * (1 if unit == "px" else diagonal)


def near_pairs(left: Mask, right: Mask, tolerance: Fraction, unit: str = "diagonal") -> Mask:
    """bool [number in left, number in right]: which boundary pixels are close enough."""
    shape = (left.shape[0], left.shape[1])
    rows = [
        [within((y - v) ** 2 + (x - u) ** 2, shape, tolerance, unit) for v, u in np.argwhere(right).tolist()]
        for y, x in np.argwhere(left).tolist()
    ]
    return np.array(rows, np.bool_).reshape(int(left.sum()), int(right.sum()))


def matched(near: Mask) -> int:
    """Size of the maximum matching: the assignment with the most allowed pairs."""
    rows, columns = linear_sum_assignment(near.astype(int), maximize=True)
    return int(near[rows, columns].sum())


def boundary_counts(
    truth: Map, guess: Map, num_classes: int, tolerance: Fraction, ignore_index: int = 255, unit: str = "diagonal"
) -> NDArray[np.int64]:
    """int64 [K,9], as ``segbench.metrics.boundary`` orders them."""
    rows = []
    for k in range(num_classes):
        edge = seg2bdry(truth == k)
        row = [int(edge.sum())]
        for prediction in (guess, np.where(truth == ignore_index, ignore_index, guess)):
            other = seg2bdry(prediction == k)
            near = near_pairs(other, edge, tolerance, unit)
            row += [int(other.sum()), matched(near), int(near.any(axis=1).sum()), int(near.any(axis=0).sum())]
        rows.append(row)
    return np.array(rows, np.int64)


def boundary_f1(row: list[int], rule: str, void: str) -> Fraction | None:
    """F1 of one class of one image from its nine counts; ``None`` where neither map has a boundary."""
    g_all = row[0]
    p_all, both, p_hits, g_hits = row[1:5] if void == "asis" else row[5:9]
    if g_all + p_all == 0:
        return None
    precision = Fraction(both if rule == "matching" else p_hits, p_all) if p_all else Fraction(0)
    recall = Fraction(both if rule == "matching" else g_hits, g_all) if g_all else Fraction(0)
    if precision + recall == 0:
        return Fraction(0)
    return 2 * precision * recall / (precision + recall)
