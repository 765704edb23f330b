"""Boundaries of label maps, and how many of their pixels two maps have in common, for all classes at once.

A pixel is a boundary pixel of class c when the 2x2 block of the pixel and its right, lower and lower-right neighbours
holds both c and something else. So one look at the blocks that are not constant finds the boundaries of all classes,
and what follows costs by their length. Classes are bits of a word per pixel (64 to a plane).

Source: seg2bdry(., 'imageSize') of the BSDS benchmark, and computeBFmeasure.m of SegNet-Tutorial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.metrics.confusion import Integers, check_same_shape, class_ids, integer_map, true_positions
from segbench.metrics.disc import Tolerance, dilate, disc_offsets
from segbench.metrics.matching import FREE, BipartiteGraph, maximum_matching

__all__ = ["BOUNDARY_COLUMNS", "boundary_counts", "boundary_map"]

BOUNDARY_COLUMNS = (
    "truth",
    "predicted_asis",
    "matches_asis",
    "predicted_hits_asis",
    "truth_hits_asis",
    "predicted_masked",
    "matches_masked",
    "predicted_hits_masked",
    "truth_hits_masked",
)
"""Columns of ``boundary_counts``.

Boundary pixels of the truth; then, with void as it is and with void masked: those of the prediction, the maximum
matching, and the pixels of prediction and of truth that have a counterpart within the radius.
"""

Bits = NDArray[np.unsignedinteger[Any]]
Partners = NDArray[np.int32]
_PLANE = 64
# Pairs of a boundary pixel and an offset that are looked at in one go: what fits the second-level cache.
_PAIRS_AT_ONCE = 1 << 16


def boundary_map(mask: ArrayLike) -> NDArray[np.bool_]:
    """Boundary pixels of one mask, as BSDS ``seg2bdry(mask, 'imageSize')``.

    Args:
        mask: [H,W], boolean or integer.

    Returns:
        bool [H,W]: whether the 2x2 block to the right and below is not constant; beyond the last row and column the map
        goes on as it ends. Boundaries lie on the upper left side, one pixel wide.
    """
    return _edges(integer_map(mask, "mask"))


def _edges(values: Integers) -> NDArray[np.bool_]:
    edges = np.zeros(values.shape, np.bool_)
    across = values[:, 1:] != values[:, :-1]
    edges[:, :-1] = across
    edges[:-1, :-1] |= across[1:]
    edges[:-1] |= values[1:] != values[:-1]
    return edges


@dataclass(frozen=True)
class _Outline:
    """All boundary pixels of a label map.

    Attributes:
        rows: [n] of the pixels whose block is not constant, in raster order.
        columns: [n].
        blocks: Four [n], class ids of the block; K and above are no class.
        num_classes: K.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    blocks: tuple[NDArray[np.intp], ...]
    num_classes: int

    @classmethod
    def of(cls, values: Integers, num_classes: int, ignore_index: int) -> _Outline:
        height, width = values.shape
        flat = values.ravel()
        place = true_positions(_edges(values).ravel())
        rows, columns = np.divmod(place, width)
        right, below = (columns < width - 1).astype(np.intp), np.where(rows < height - 1, width, 0)
        corners = (place, place + right, place + below, place + right + below)
        blocks = tuple(class_ids(flat.take(corner), num_classes, ignore_index) for corner in corners)
        return cls(rows, columns, blocks, num_classes)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """int64 [K], boundary pixels of each class."""
        sizes = np.zeros(self.num_classes + 2, np.int64)
        for index, ids in enumerate(self.blocks):
            seen_before = np.zeros(ids.shape, np.bool_)
            for earlier in self.blocks[:index]:
                seen_before |= ids == earlier
            sizes += np.bincount(ids[~seen_before], minlength=sizes.size)
        return sizes[: self.num_classes]


@dataclass(frozen=True)
class _Frame:
    """A padded flat image: ``reach`` zero pixels after each row, and as many zero rows above and below."""

    height: int
    width: int
    squared_radius: int

    @cached_property
    def reach(self) -> int:
        # No two pixels of the image are farther apart in a row or column than its longer side.
        return min(math.isqrt(self.squared_radius), max(self.height, self.width) - 1)

    @property
    def stride(self) -> int:
        return self.width + self.reach

    @property
    def size(self) -> int:
        return (self.height + 2 * self.reach) * self.stride + self.reach

    @cached_property
    def offsets(self) -> NDArray[np.intp]:
        """Flat offsets of the disc, the farthest first."""
        rows, columns = disc_offsets(self.squared_radius, self.reach)
        return rows * self.stride + columns


class _Plane:
    """Boundary pixels of up to 64 classes, as bits.

    Attributes:
        positions: [n], flat padded positions of the pixels, in raster order.
        bits: [n], their classes.
        map: Flat padded image of bits.
    """

    def __init__(self, outline: _Outline, frame: _Frame, classes: NDArray[np.intp]) -> None:
        self.frame = frame
        self.num_classes = classes.size
        table: Bits = np.zeros(outline.num_classes + 2, _word(classes.size))
        table[classes] = np.left_shift(table.dtype.type(1), np.arange(classes.size, dtype=table.dtype))
        first, second, third, fourth = (table.take(ids) for ids in outline.blocks)
        bits: Bits = first | second | third | fourth
        kept = np.flatnonzero(bits)
        self.bits: Bits = bits.take(kept)
        rows, columns = outline.rows.take(kept), outline.columns.take(kept)
        self.positions = (rows + frame.reach) * frame.stride + columns
        self.map: Bits = np.zeros(frame.size, table.dtype)
        self.map[self.positions] = self.bits

    @cached_property
    def dilated(self) -> Bits:
        """Flat padded image of the classes that have a boundary pixel within the radius."""
        return dilate(self.map, self.frame.squared_radius, self.frame.reach, self.frame.stride)

    def hits(self, other: _Plane) -> NDArray[np.int64]:
        """Pixels per class that have a boundary pixel of ``other`` within the radius."""
        return _per_bit(self.bits & other.dilated.take(self.positions), self.num_classes)

    @cached_property
    def entries(self) -> tuple[NDArray[np.intp], Bits, NDArray[np.intp]]:
        """Position, bit and class of each (pixel, class), pixel by pixel."""
        pixel, bit = np.divmod(np.flatnonzero(_unpacked(self.bits)), self.bits.itemsize * 8)
        return self.positions.take(pixel), np.left_shift(self.bits.dtype.type(1), bit.astype(self.bits.dtype)), bit

    @cached_property
    def _first_entries(self) -> NDArray[np.int32]:
        """Flat padded image of the number of each pixel's first entry; undefined elsewhere."""
        counts = np.bitwise_count(self.bits).astype(np.int32)
        image = np.empty(self.frame.size, np.int32)
        image[self.positions] = np.cumsum(counts, dtype=np.int32) - counts
        return image

    def entry(self, positions: NDArray[np.intp], bits: Bits) -> NDArray[np.int32]:
        """Numbers of the entries of given positions and bits, which must exist."""
        lower = self.map.take(positions) & (bits - bits.dtype.type(1))
        return self._first_entries.take(positions) + np.bitwise_count(lower)


def _word(num_bits: int) -> type[np.unsignedinteger[Any]]:
    for word, size in ((np.uint8, 8), (np.uint16, 16), (np.uint32, 32)):
        if num_bits <= size:
            return word
    return np.uint64


def _unpacked(bits: Bits) -> NDArray[np.uint8]:
    """uint8 [n * word size], the bits of each word, lowest first."""
    little = bits.astype(bits.dtype.newbyteorder("<"), copy=False)
    return np.unpackbits(little.view(np.uint8), bitorder="little")


def _per_bit(bits: Bits, num_bits: int) -> NDArray[np.int64]:
    """int64 [num_bits], how many words have each bit."""
    table = _unpacked(bits).reshape(-1, bits.itemsize * 8)
    counts: NDArray[np.int64] = table.sum(axis=0, dtype=np.int64)
    return counts[:num_bits]


def _graph(left: _Plane, right: _Plane) -> BipartiteGraph:
    """Which entries of ``right`` lie within the radius of each entry of ``left``, of the same class."""
    parts = list(_edges_from(left, right))
    starts = np.zeros(left.entries[0].size + 1, np.int32)
    np.cumsum(np.concatenate([part[0] for part in parts]), out=starts[1:])
    rights, layers = (np.concatenate([part[at] for part in parts]) for at in (1, 2))
    return BipartiteGraph(starts, rights, right.entries[0].size, layers)


def _edges_from(left: _Plane, right: _Plane) -> Iterator[tuple[Integers, Integers, Integers]]:
    """Edges of each left entry, and right entry and offset number of each edge, a block of left entries at a time."""
    offsets = left.frame.offsets
    positions, bits, _ = left.entries
    layer_type = np.min_scalar_type(offsets.size)
    block = max(1, _PAIRS_AT_ONCE // offsets.size)
    for begin in range(0, max(1, positions.size), block):
        own = bits[begin : begin + block, None]
        targets = positions[begin : begin + block, None] + offsets
        met = (right.map.take(targets) & own) != 0
        edges = met.sum(axis=1, dtype=np.int32)
        pairs = np.flatnonzero(met)
        rights = right.entry(targets.ravel().take(pairs), np.repeat(own, edges))
        yield edges, rights, (pairs % offsets.size).astype(layer_type)


def _carried(partners: Partners, before: _Plane, after: _Plane) -> Partners:
    """A matching with entries of ``before`` as one with entries of ``after``, without those that are gone."""
    matched = np.flatnonzero(partners != FREE)
    entries = partners.take(matched)
    positions, bits = before.entries[0].take(entries), before.entries[1].take(entries)
    kept = np.flatnonzero(after.map.take(positions) & bits)
    carried = np.full_like(partners, FREE)
    carried[matched.take(kept)] = after.entry(positions.take(kept), bits.take(kept))
    return carried


def boundary_counts(
    label: ArrayLike, prediction: ArrayLike, num_classes: int, ignore_index: int, tolerance: Tolerance
) -> NDArray[np.int64]:
    """Counts boundary F1 is made of, per class, by both rules and both void policies.

    Args:
        label: [H,W] integer class ids, 0..K-1 or ``ignore_index``.
        prediction: [H,W]; values that are no class have no boundary of their own.
        num_classes: K.
        ignore_index: Where the truth has it, the masked policy sets the prediction to it before boundaries are drawn.
        tolerance: The radius.

    Returns:
        int64 [K,9], columns as in ``BOUNDARY_COLUMNS``. The matching is the maximum one-to-one matching within the
        radius (an exact maximum, not BSDS's approximation to it); hits follow Csurka et al. 2013.
    """
    truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
    check_same_shape(truth, guess)
    void = truth == ignore_index
    maps = (truth, guess, np.where(void, truth, guess)) if void.any() else (truth, guess)
    outlines = [_Outline.of(values, num_classes, ignore_index) for values in maps]
    height, width = truth.shape
    counts = _shared(outlines, _Frame(height, width, tolerance.squared_radius(height, width)))
    return counts if void.any() else np.concatenate([counts, counts[:, 1:]], axis=1)


def _shared(outlines: list[_Outline], frame: _Frame) -> NDArray[np.int64]:
    """int64 [K, 1 + 4 n]: sizes of the truth; for each prediction its sizes and what it shares with the truth."""
    truth, *predictions = outlines
    counts = np.zeros((truth.num_classes, 1 + 4 * len(predictions)), np.int64)
    counts[:, 0] = truth.sizes
    for index, prediction in enumerate(predictions):
        counts[:, 1 + 4 * index] = prediction.sizes
    present = np.flatnonzero(truth.sizes)
    for classes in np.split(present, range(_PLANE, present.size, _PLANE)):
        compared = _compared(*(_Plane(outline, frame, classes) for outline in outlines))
        for index, columns in enumerate(compared):
            counts[classes, 4 * index + 2 : 4 * index + 5] = columns
    return counts


def _compared(truth: _Plane, *predictions: _Plane) -> Iterator[NDArray[np.int64]]:
    """int64 [classes,3] for each prediction: matches, hits of the prediction, hits of the truth.

    A later prediction differs little from the one before, so its matching starts from that one's.
    """
    partners: Partners | None = None
    before = truth
    for predicted in predictions:
        start = None if partners is None else _carried(partners, before, predicted)
        partners, before = maximum_matching(_graph(truth, predicted), start), predicted
        matches = np.bincount(truth.entries[2][partners != FREE], minlength=truth.num_classes)
        yield np.stack([matches, predicted.hits(truth), truth.hits(predicted)], axis=1)
