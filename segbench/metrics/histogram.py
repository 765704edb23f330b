"""How often each pair of small numbers occurs in two flat arrays: exact counts, from runs where there are any.

Label maps are piecewise constant, so most of a map is told by where a run of one (truth, prediction) pair begins and
how long it is. Noisy maps have no runs worth the name; there every pixel is counted, bytes two at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counted", "Numbers", "add_counts", "distinct_counts", "runs", "true_positions"]

Numbers: TypeAlias = NDArray[np.integer[Any]]
Counted: TypeAlias = "tuple[Numbers, NDArray[np.intp] | None]"
"""Flat numbers from 0 on, and how often each of them is meant; once where nothing is said."""

# Flags as rare as this are found faster by words of eight than by looking at each (measured).
_RARE = 10
# Numbers that are widened to indices in one go.
_WIDENED = 1 << 16


def runs(first: Numbers, second: Numbers, shortest: int) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Where runs of equal pairs start and how long they are; nothing where they are too short to be worth it.

    Args:
        first: Flat.
        second: Of the same size.
        shortest: The mean length that is worth it.
    """
    # A glance at an eighth of one of them spares plain noise the rest.
    glance = first[first.size // 2 :][: first.size // 8]
    if 2 * glance.size < shortest * np.count_nonzero(glance[1:] != glance[:-1]):
        return None
    changes = np.ones(first.size, np.bool_)
    np.not_equal(first[1:], first[:-1], out=changes[1:])
    changes[1:] |= second[1:] != second[:-1]
    total = np.count_nonzero(changes)
    if first.size < shortest * total:
        return None
    starts = true_positions(changes) if first.size >= _RARE * total else np.flatnonzero(changes)
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1:] = first.size - starts[-1:]
    return starts, lengths


def true_positions(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The positions of the few that are true in a flat array: words of eight flags are looked at first."""
    words = flags[: flags.size & ~7].view(np.uint64)
    tail = flags.size & ~7
    occupied = np.flatnonzero(words != 0)
    inside = np.flatnonzero(words.take(occupied).view(np.bool_))
    found = (occupied << 3).take(inside >> 3) + (inside & 7)
    return np.concatenate([found, np.flatnonzero(flags[tail:]) + tail])


def add_counts(table: NDArray[np.int64], numbers: Numbers, lengths: NDArray[np.intp] | None = None) -> None:
    """Adds to ``table[n]`` how often ``n`` is meant.

    ``np.add.at`` in place of ``np.bincount`` needs no second table and no weights in floating point, and is faster.

    Args:
        table: int64, longer than the largest number.
        numbers: See ``Counted``.
        lengths: See ``Counted``.
    """
    if lengths is not None:
        np.add.at(table, numbers.astype(np.intp), lengths)
    elif numbers.dtype == np.uint8:
        _add_pairs(table, numbers)
    else:
        _add_singles(table, numbers)


def _add_pairs(table: NDArray[np.int64], numbers: Numbers) -> None:
    """Two neighbouring bytes are one number of a larger table: half as many to count."""
    even = numbers.size & ~1
    pairs = np.zeros((table.size, 256), np.int64)
    _add_singles(pairs.reshape(-1), numbers[:even].view(np.uint16))
    # Which of the two is the higher byte depends on the machine; both are counted.
    table += pairs.sum(axis=1)
    table += pairs[:, : table.size].sum(axis=0)
    _add_singles(table, numbers[even:])


def _add_singles(table: NDArray[np.int64], numbers: Numbers) -> None:
    indices = np.empty(min(_WIDENED, numbers.size), np.intp)
    for begin in range(0, numbers.size, _WIDENED):
        part = numbers[begin : begin + _WIDENED]
        np.copyto(indices[: part.size], part)
        np.add.at(table, indices[: part.size], 1)


def distinct_counts(parts: Iterable[Counted]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers that occur, rising, and how often each is meant: for numbers too large for a table."""
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64))
    numbers, counts = (np.concatenate(arrays) for arrays in zip(nothing, *map(_counted, parts), strict=True))
    order = np.argsort(numbers, kind="stable")
    found, begins = np.unique(numbers[order], return_index=True)
    return found, np.add.reduceat(counts[order], begins) if begins.size else counts


def _counted(part: Counted) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    numbers, lengths = part
    if lengths is None:
        numbers, lengths = np.unique(numbers, return_counts=True)
    return numbers.astype(np.int64), lengths
