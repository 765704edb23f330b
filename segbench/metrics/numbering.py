"""Small numbers for the values of a label map: the classes, the ignore index, and all that is neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Integers", "Numbering", "class_ids"]

Integers = NDArray[np.integer[Any]]


def class_ids(values: Integers, num_classes: int, ignore_index: int) -> NDArray[np.intp]:
    """Class ids with K for the ignore index and K + 1 for everything that is no class."""
    if values.dtype == np.uint8:
        return _byte_table(num_classes, ignore_index).take(values)
    classes = (values >= 0) & (values < num_classes)
    # Widened first: K + 1 may be more than the type of the values holds.
    ids = np.where(classes, values.astype(np.intp), num_classes + 1)
    ids[values == ignore_index] = num_classes
    return ids


@lru_cache(maxsize=32)
def _byte_table(num_classes: int, ignore_index: int) -> NDArray[np.intp]:
    table = class_ids(np.arange(256, dtype=np.int64), num_classes, ignore_index)
    table.setflags(write=False)
    return table


@dataclass(frozen=True)
class Numbering:
    """A number 0..K+1 for each value of some maps, found with as little work as their types allow.

    Values are taken as they are, or plus one (then a void of the largest value, or of -1, wraps to 0). Looking each of
    them up would cost more than all the rest of counting; it is left for other ignore indices.

    Attributes:
        kind: An unsigned type of one or two bytes that holds all values (-1 as its largest, if that is void), or int64.
        num_classes: K.
        ignore_index: Void.
    """

    kind: np.dtype[Any]
    num_classes: int
    ignore_index: int

    @classmethod
    def of(cls, maps: Sequence[Integers], num_classes: int, ignore_index: int) -> Numbering:
        """For these maps."""
        return cls(_kind(maps, ignore_index), num_classes, ignore_index)

    @property
    def first(self) -> int:
        """The number of class 0; the others follow."""
        return int(self._one_more)

    @property
    def void(self) -> int:
        """The number of the ignore index; if it is that of a class, no pixel is of that class."""
        if self._one_more:
            return 0
        return self.ignore_index if self._as_they_are else self.num_classes

    @property
    def beyond(self) -> int:
        """The least number of what is neither."""
        return max(self.first + self.num_classes, self.void + 1)

    @property
    def _as_they_are(self) -> bool:
        return self.kind.kind == "u" and 0 <= self.ignore_index <= self.num_classes

    @property
    def _one_more(self) -> bool:
        largest = self.kind.kind == "u" and self.ignore_index in (-1, np.iinfo(self.kind).max)
        return largest and not self._as_they_are

    def narrow(self, values: Integers) -> Integers:
        """The values as ``kind``."""
        return values.astype(self.kind, copy=False)

    def numbers(self, narrow: Integers) -> Integers:
        """The number of each value."""
        if not (self._one_more or self._as_they_are):
            return self._looked_up(narrow)
        numbers: Integers = narrow + self.kind.type(1) if self._one_more else narrow
        if numbers.max(initial=0) <= self.num_classes:
            return numbers
        cut: Integers = np.minimum(numbers, self.kind.type(self.num_classes + 1))
        return cut

    def _looked_up(self, narrow: Integers) -> Integers:
        small = np.min_scalar_type(self.num_classes + 1)
        if narrow.dtype == np.uint8:
            return _byte_table(self.num_classes, self.ignore_index).astype(small).take(narrow)
        return class_ids(narrow, self.num_classes, self.ignore_index).astype(small)


def _kind(maps: Sequence[Integers], ignore_index: int) -> np.dtype[Any]:
    wraps = ignore_index == -1
    if all(values.dtype == np.uint8 for values in maps) and not wraps:
        return np.dtype(np.uint8)
    lowest = min(int(values.min(initial=0)) for values in maps)
    highest = max(int(values.max(initial=0)) for values in maps)
    for kind in (np.uint8, np.uint16):
        if -wraps <= lowest and highest + wraps <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)
