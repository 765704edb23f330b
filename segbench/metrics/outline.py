"""Boundary pixels of label maps, of all classes at once.

A pixel is a boundary pixel of class c when the 2x2 block of the pixel and its right, lower and lower-right neighbours
holds both c and something else. So one look at the blocks that are not constant finds the boundaries of all classes,
and what follows costs by their length. Classes are bits of a word per pixel (64 at a time).

Source: seg2bdry(., 'imageSize') of the BSDS benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.metrics.confusion import integer_map
from segbench.metrics.histogram import true_positions
from segbench.metrics.numbering import Integers, class_ids

__all__ = ["BITS", "Bits", "Outline", "Positions", "boundary_map", "class_counts", "pixels_per_class"]

Bits = NDArray[np.unsignedinteger[Any]]
Positions = NDArray[np.intp]

BITS = 64
"""Classes that fit into one word."""


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
class Outline:
    """All boundary pixels of a label map.

    Attributes:
        positions: [n] in the flat map, of the pixels whose block is not constant, in raster order.
        blocks: Four [n], class ids of the block; K and above are no class.
        num_classes: K.
    """

    positions: Positions
    blocks: tuple[Positions, ...]
    num_classes: int

    @classmethod
    def of(cls, values: Integers, num_classes: int, ignore_index: int) -> Outline:
        """The outline of a map [H,W] of class ids."""
        height, width = values.shape
        flat = values.ravel()
        place = true_positions(_edges(values).ravel())
        right = (place % width < width - 1).astype(np.intp)
        below = np.where(place < (height - 1) * width, width, 0)
        corners = (place, place + right, place + below, place + right + below)
        blocks = tuple(class_ids(flat.take(corner), num_classes, ignore_index) for corner in corners)
        return cls(place, blocks, num_classes)

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

    def bits(self, classes: Positions) -> Bits:
        """[n], which of up to 64 classes each pixel is a boundary pixel of."""
        table: Bits = np.zeros(self.num_classes + 2, _word(classes.size))
        table[classes] = np.left_shift(table.dtype.type(1), np.arange(classes.size, dtype=table.dtype))
        first, second, third, fourth = (table.take(ids) for ids in self.blocks)
        bits: Bits = first | second | third | fourth
        return bits


def _word(num_bits: int) -> type[np.unsignedinteger[Any]]:
    for word, size in ((np.uint8, 8), (np.uint16, 16), (np.uint32, 32)):
        if num_bits <= size:
            return word
    return np.uint64


def pixels_per_class(bits: Bits, num_classes: int) -> NDArray[np.int64]:
    """int64 [num_classes], how many words have each bit."""
    little = bits.astype(bits.dtype.newbyteorder("<"), copy=False)
    table = np.unpackbits(little.view(np.uint8), bitorder="little").reshape(-1, bits.itemsize * 8)
    counts: NDArray[np.int64] = table.sum(axis=0, dtype=np.int64)
    return counts[:num_classes]


def class_counts(single: Bits, num_classes: int) -> NDArray[np.int64]:
    """int64 [num_classes], how often each class occurs among words of one bit each."""
    classes = np.bitwise_count(single - single.dtype.type(1))
    return np.bincount(classes, minlength=num_classes).astype(np.int64, copy=False)
