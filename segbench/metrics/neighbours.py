"""Pairs of boundary pixels of two maps that lie within a radius of each other and belong to the same class.

Boundary pixels are kept in raster order, and how many stand before each place of the image is known. So those within
the radius of a pixel are one range for each row of its disc, and the cost is rows of the disc plus pairs found, for
each pixel, not the area of the disc.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from segbench.metrics.matching import BipartiteGraph
from segbench.metrics.outline import Bits, Positions

__all__ = ["Frame", "Nearby", "Neighbourhood", "Pixels"]

# Pairs of a pixel and a place of its disc that are looked at in one go.
_PLACES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Frame:
    """A padded flat image: ``reach`` places before and after each row, and as many rows above and below, hold no pixel.

    Attributes:
        height: Pixels.
        width: Pixels.
        squared_radius: The largest d**2 of two pixels that are close enough.
    """

    height: int
    width: int
    squared_radius: int

    @cached_property
    def reach(self) -> int:
        """Rows and columns that two pixels of the image within the radius may lie apart."""
        return min(math.isqrt(self.squared_radius), max(self.height, self.width) - 1)

    @property
    def stride(self) -> int:
        """Places from one row to the next."""
        return self.width + self.reach

    @property
    def size(self) -> int:
        """Places."""
        return (self.height + 2 * self.reach) * self.stride + 2 * self.reach

    def padded(self, positions: Positions) -> Positions:
        """Where positions of the flat image lie in the padded one."""
        return positions + (positions // self.width) * self.reach + self.reach * (self.stride + 1)

    @cached_property
    def half_widths(self) -> Positions:
        """[2 reach + 1], columns to each side that belong to the disc, row by row."""
        rows = range(-self.reach, self.reach + 1)
        return np.array([min(self.reach, math.isqrt(self.squared_radius - row * row)) for row in rows], np.intp)


@dataclass(frozen=True)
class Pixels:
    """Boundary pixels of up to 64 classes.

    Attributes:
        positions: [n], padded, in raster order.
        bits: [n], their classes; no word is zero.
    """

    positions: Positions
    bits: Bits

    @classmethod
    def of(cls, positions: Positions, bits: Bits) -> Pixels:
        """The pixels that have a bit."""
        kept = np.flatnonzero(bits != 0)
        return cls(positions.take(kept), bits.take(kept))


@dataclass(frozen=True)
class Nearby:
    """Pairs as a graph; its vertices are boundary pixels of single classes that are near one of the other map.

    Attributes:
        graph: The pairs.
        lefts: [L], the class of each left vertex, as a word of one bit.
        rights: [R], the same for right ones.
        ends: Where each group of left vertices ends.
    """

    graph: BipartiteGraph
    lefts: Bits
    rights: Bits
    ends: tuple[int, ...]

    @classmethod
    def nothing(cls, groups: int, word: np.dtype[Any]) -> Nearby:
        """No pairs."""
        none = np.empty(0, np.int32)
        return cls(BipartiteGraph(np.zeros(1, np.int32), none, 0), none.astype(word), none.astype(word), (0,) * groups)


class _Edges(NamedTuple):
    """Edges sorted by pixel: where each pixel's begin, number of the right pixel's entry, and the class shared."""

    first: Positions
    entries: Positions
    shared: Bits


class Neighbourhood:
    """What lies near other pixels.

    Args:
        pixels: The pixels that are looked for.
        frame: Image and radius.
    """

    def __init__(self, pixels: Pixels, frame: Frame) -> None:
        self.pixels = pixels
        self.frame = frame
        gaps = np.diff(pixels.positions, prepend=-1, append=frame.size)
        # How many pixels stand before each place, and one place more.
        self.before = np.repeat(np.arange(gaps.size, dtype=np.int32), gaps)

    def pairs(self, positions: Positions) -> Iterator[tuple[Positions, Positions]]:
        """Numbers of given positions, rising, and of the pixels within the radius of each."""
        half = self.frame.half_widths
        centres = np.arange(-self.frame.reach, self.frame.reach + 1) * self.frame.stride
        block = max(1, _PLACES_AT_ONCE // int((2 * half + 1).sum()))
        for begin in range(0, positions.size, block):
            places = positions[begin : begin + block, None]
            first = self.before.take(places + (centres - half))
            counts = (self.before.take(places + (centres + half + 1)) - first).ravel()
            ranges = np.flatnonzero(counts != 0)
            counts, first = counts.take(ranges), first.ravel().take(ranges)
            ends = np.cumsum(counts, dtype=np.intp)
            yield (
                np.repeat(begin + ranges // half.size, counts),
                np.repeat(first - ends + counts, counts) + np.arange(ends[-1] if ends.size else 0),
            )

    def nearby(self, *groups: Pixels) -> Nearby:
        """The graph of all pairs of one class within the radius, left vertices group by group."""
        parts = [[*self._edges(group)] for group in groups]
        edges = [part for group in parts for part in group]
        if not edges:
            return Nearby.nothing(len(groups), self.pixels.bits.dtype)
        entries, shared = (np.concatenate([getattr(part, name) for part in edges]) for name in ("entries", "shared"))
        first = np.concatenate([part.first for part in edges])
        offsets = np.repeat(
            np.cumsum([0, *(part.entries.size for part in edges[:-1])]), [part.first.size for part in edges]
        )
        starts = np.append(first + offsets, entries.size).astype(np.int32)
        classes: Bits = np.zeros(int(entries.max()) + 1, shared.dtype)
        classes[entries] = shared
        touched = classes != 0
        number = np.cumsum(touched, dtype=np.int32)
        number -= 1
        graph = BipartiteGraph(starts, number.take(entries), int(number[-1]) + 1)
        ends = np.cumsum([sum(part.first.size for part in group) for group in parts])
        return Nearby(graph, shared.take(starts[:-1]), classes[touched], tuple(map(int, ends)))

    def _edges(self, pixels: Pixels) -> Iterator[_Edges]:
        """Edges of the first class of each pixel, then of the second, and so on: a pixel has four at most."""
        for left, right in self.pairs(pixels.positions):
            own = pixels.bits.take(left)
            common = own & self.pixels.bits.take(right)
            while True:
                kept = np.flatnonzero(common != 0)
                if not kept.size:
                    break
                if kept.size < common.size:
                    left, right = left.take(kept), right.take(kept)
                    own, common = own.take(kept), common.take(kept)
                lowest = own & -own
                shared = common & lowest
                if shared.any():
                    yield self._of_one_class(left, right, shared)
                common ^= shared
                own ^= lowest

    def _of_one_class(self, left: Positions, right: Positions, shared: Bits) -> _Edges:
        at = np.flatnonzero(shared != 0)
        left, right, shared = left.take(at), right.take(at), shared.take(at)
        first = np.concatenate([[0], np.flatnonzero(left[1:] != left[:-1]) + 1])
        lower = self.pixels.bits.take(right) & (shared - shared.dtype.type(1))
        right += np.bitwise_count(lower).astype(np.intp) * self.pixels.positions.size
        return _Edges(first, right, shared)
