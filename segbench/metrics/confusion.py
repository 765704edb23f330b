"""The confusion matrix: exact counts of (truth, prediction) pairs, from runs of equal pixels.

Label maps are piecewise constant, so most of a map is told by where a run of one (truth, prediction) pair begins and
how long it is. Noisy maps have no runs worth the name; there every pixel is counted. Maps are looked at a part at a
time, so memory beside them stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import DataError, UsageError

__all__ = [
    "MAX_CLASSES",
    "ConfusionMatrix",
    "PairCounts",
    "VoidPredictions",
    "check_classes",
    "check_image",
    "check_same_shape",
    "class_ids",
    "count_pairs",
    "integer_map",
    "true_positions",
]

VoidPredictions = Literal["error", "wrong"]
Integers = NDArray[np.integer[Any]]

MAX_CLASSES = 4096
# Runs shorter than this on average cost more than counting every pixel (measured): with one byte a pixel, with more.
_SHORTEST_RUN_OF_BYTES, _SHORTEST_RUN = 8, 2
# A table of pairs up to this size is counted directly, a larger one by sorting.
_LARGEST_TABLE = 1 << 16
# Pixels looked at in one go, and counted one by one in one go (eight bytes each on the way).
_PART = 1 << 18
_SINGLE_PIXELS = 1 << 16
_VOID_BYTE = 255


@dataclass(frozen=True)
class PairCounts:
    """How often each (truth, prediction) pair of classes occurs in one image; pairs that do not occur are left out.

    Attributes:
        true: int64 [n], classes in the truth, 0..K-1.
        predicted: int64 [n], classes in the prediction.
        count: int64 [n], pixels, at least 1.
        missed_class: int64 [m], classes of labelled pixels that were predicted as the ignore index.
        missed_count: int64 [m], pixels.
    """

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    count: NDArray[np.int64]
    missed_class: NDArray[np.int64]
    missed_count: NDArray[np.int64]


class ConfusionMatrix:
    """Counts of (truth, prediction) pairs over many images; two matrices add up.

    Args:
        num_classes: K, 1..4096.
        ignore_index: Truth of this value counts nowhere, whatever is predicted there.
        void_predictions: Whether a labelled pixel that is predicted as ``ignore_index`` is an error, or wrong (and
            counted in ``missed``).

    Attributes:
        counts: int64 [K,K], rows are the truth.
        missed: int64 [K], labelled pixels predicted as nothing.
    """

    def __init__(
        self, num_classes: int, ignore_index: int = 255, *, void_predictions: VoidPredictions = "error"
    ) -> None:
        check_classes(num_classes)
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.void_predictions: VoidPredictions = void_predictions
        self.counts = np.zeros((num_classes, num_classes), np.int64)
        self.missed = np.zeros(num_classes, np.int64)

    def update(self, label: ArrayLike, prediction: ArrayLike) -> None:
        """Counts one image (or a stack of images) of integer class ids, both of one shape.

        Raises:
            DataError: The shapes differ, or a value is neither a class nor ``ignore_index``; nothing is counted then.
        """
        self.add(count_pairs(label, prediction, self.num_classes, self.ignore_index, self.void_predictions))

    def add(self, pairs: PairCounts) -> None:
        """Adds the counts of an image that was counted before."""
        self.counts[pairs.true, pairs.predicted] += pairs.count
        self.missed[pairs.missed_class] += pairs.missed_count

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        if (self.num_classes, self.ignore_index) != (other.num_classes, other.ignore_index):
            raise UsageError(
                f"Cannot add a confusion matrix of {other.num_classes} classes (ignore index {other.ignore_index}) "
                f"to one of {self.num_classes} (ignore index {self.ignore_index})."
            )
        total = ConfusionMatrix(self.num_classes, self.ignore_index, void_predictions=self.void_predictions)
        total.counts = self.counts + other.counts
        total.missed = self.missed + other.missed
        return total

    def __repr__(self) -> str:
        return f"ConfusionMatrix({self.num_classes} classes, {self.num_pixels} pixels)"

    @property
    def num_pixels(self) -> int:
        """Labelled pixels."""
        return int(self.counts.sum() + self.missed.sum())


def check_classes(num_classes: int) -> None:
    """Refuses a number of classes that no matrix is made for.

    Raises:
        UsageError: ``num_classes`` is outside 1..4096.
    """
    if not 1 <= num_classes <= MAX_CLASSES:
        raise UsageError(f"{num_classes} classes cannot be scored: 1 to {MAX_CLASSES} are allowed.")


def count_pairs(
    label: ArrayLike,
    prediction: ArrayLike,
    num_classes: int,
    ignore_index: int = 255,
    void_predictions: VoidPredictions = "error",
) -> PairCounts:
    """Counts the (truth, prediction) pairs of one image.

    Args:
        label: Integer class ids of any integer type, 0..K-1 or ``ignore_index``, any shape.
        prediction: The same shape; its values matter only where the truth is labelled.
        num_classes: K.
        ignore_index: The value that counts nowhere.
        void_predictions: See ``ConfusionMatrix``.

    Raises:
        DataError: The shapes differ, or a value is not allowed; names the value and where it stands first.
    """
    truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
    check_same_shape(truth, guess)
    width = num_classes + 2
    code, count = _counted(truth.ravel(), guess.ravel(), num_classes, ignore_index)
    true, predicted = np.divmod(code, width)
    void, invalid = num_classes, num_classes + 1
    labelled = true != void
    refused = (true == invalid) | (labelled & (predicted == invalid))
    if void_predictions == "error":
        refused |= labelled & (predicted == void)
    if refused.any():
        raise _first_refused(truth, guess, num_classes, ignore_index, void_predictions)
    hit, missed = labelled & (predicted != void), labelled & (predicted == void)
    return PairCounts(true[hit], predicted[hit], count[hit], true[missed], count[missed])


def integer_map(values: ArrayLike, name: str) -> Integers:
    """``values`` as a contiguous array of integers; booleans are 0 and 1.

    Raises:
        DataError: They are not integers.
    """
    array = np.asarray(values)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"The {name} holds {array.dtype} values; class ids must be integers.")
    return np.ascontiguousarray(array)


def check_same_shape(label: Integers, prediction: Integers) -> None:
    """Refuses a prediction that does not lie on its label.

    Raises:
        DataError: The shapes differ; says both and which would fit.
    """
    if label.shape != prediction.shape:
        raise DataError(
            f"The prediction is {_times(prediction)} but its label is {_times(label)} (height x width).",
            f"Give class ids of size {_times(label)}: upsample the scores before the maximum is taken.",
        )


def check_image(label: Integers) -> None:
    """Refuses a label that is no image.

    Raises:
        DataError: It is not of two dimensions, or empty.
    """
    if label.ndim != 2 or not label.size:
        raise DataError(f"A label of shape {label.shape} is not an image: give height x width class ids.")


def _times(array: Integers) -> str:
    return " x ".join(map(str, array.shape)) or "a single number"


def class_ids(values: Integers, num_classes: int, ignore_index: int) -> NDArray[np.intp]:
    """Class ids with K for the ignore index and K + 1 for everything that is no class."""
    if values.dtype == np.uint8:
        return _byte_table(num_classes, ignore_index).take(values)
    ids = np.where((values >= 0) & (values < num_classes), values, num_classes + 1).astype(np.intp)
    ids[values == ignore_index] = num_classes
    return ids


@lru_cache(maxsize=32)
def _byte_table(num_classes: int, ignore_index: int) -> NDArray[np.intp]:
    table = class_ids(np.arange(256, dtype=np.int64), num_classes, ignore_index)
    table.setflags(write=False)
    return table


Counted = tuple[NDArray[np.intp], NDArray[np.int64]]


def _counted(truth: Integers, guess: Integers, num_classes: int, ignore_index: int) -> Counted:
    """Pairs of class ids as ``true * (K + 2) + predicted``, each once and rising, with counts."""
    parts = [
        _part(truth[begin : begin + _PART], guess[begin : begin + _PART], num_classes, ignore_index)
        for begin in range(0, truth.size, _PART)
    ]
    if len(parts) == 1:
        return parts[0]
    nothing: Counted = (np.empty(0, np.intp), np.empty(0, np.int64))
    code, count = (np.concatenate(arrays) for arrays in zip(nothing, *parts, strict=True))
    return _merged(code, count, num_classes + 2)


def _part(truth: Integers, guess: Integers, num_classes: int, ignore_index: int) -> Counted:
    """The same of a part of the maps."""
    if truth.dtype == guess.dtype == np.uint8:
        return _part_of_bytes(truth, guess, num_classes, ignore_index)
    (truth, true_codes), (guess, ids) = (_narrow(values, num_classes, ignore_index) for values in (truth, guess))
    width = num_classes + 2
    starts, lengths = _runs(truth, guess, _SHORTEST_RUN)
    if lengths is None:
        return np.unique(true_codes.take(truth) * width + ids.take(guess), return_counts=True)
    return _merged(true_codes.take(truth.take(starts)) * width + ids.take(guess.take(starts)), lengths, width)


def _part_of_bytes(truth: Integers, guess: Integers, num_classes: int, ignore_index: int) -> Counted:
    starts, lengths = _runs(truth, guess, _SHORTEST_RUN_OF_BYTES)
    if lengths is not None:
        truth, guess = truth.take(starts), guess.take(starts)
    if ignore_index == _VOID_BYTE > num_classes and truth.size:
        # Adding 1 makes classes 1..K and void 0, since bytes wrap: no table is needed for what is prepared.
        true, predicted = truth + np.uint8(1), guess + np.uint8(1)
        if max(true.max(), predicted.max()) <= num_classes:
            return _counted_wrapped(true, predicted, lengths, num_classes)
    table, width = _byte_table(num_classes, ignore_index), num_classes + 2
    if lengths is not None:
        return _merged(table.take(truth) * width + table.take(guess), lengths, width)
    seen, count = _counted_bytes(truth, guess)
    return _merged(table.take(seen & 255) * width + table.take(seen >> 8), count, width)


def _runs(truth: Integers, guess: Integers, shortest: int) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Where runs of equal pairs start and how long they are; no lengths where they are too short to be worth it."""
    changes = _changes(truth, guess)
    if truth.size < shortest * np.count_nonzero(changes):
        return np.empty(0, np.intp), None
    starts = true_positions(changes)
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1:] = truth.size - starts[-1:]
    return starts, lengths


def _counted_wrapped(
    true: Integers, predicted: Integers, lengths: NDArray[np.intp] | None, num_classes: int
) -> Counted:
    """Pairs of bytes that are 1 more than the class, 0 for void, with counts."""
    side = num_classes + 1
    kind = np.uint8 if side * side <= 256 else np.uint16
    counts = np.zeros(side * side, np.int64 if lengths is None else np.float64)
    for begin in range(0, true.size, _SINGLE_PIXELS):
        part = slice(begin, begin + _SINGLE_PIXELS)
        code = np.multiply(true[part], side, dtype=kind)
        np.add(code, predicted[part], out=code)
        # Weights are float64, exact below 2**53 pixels.
        found = np.bincount(code, None if lengths is None else lengths[part])
        counts[: found.size] += found
    counts = counts.take(_unwrapped(side))
    seen = np.flatnonzero(counts)
    # true * (K + 1) + predicted becomes true * (K + 2) + predicted.
    return seen + seen // side, counts.take(seen).astype(np.int64)


@lru_cache(maxsize=32)
def _unwrapped(side: int) -> NDArray[np.intp]:
    """Where the pairs of wrapped bytes lie in the order of class ids with void behind them."""
    order = np.roll(np.arange(side * side).reshape(side, side), -1, axis=(0, 1)).ravel()
    order.setflags(write=False)
    return order


def _narrow(values: Integers, num_classes: int, ignore_index: int) -> tuple[Integers, NDArray[np.intp]]:
    """Values of one or two bytes, and the class id of each value as ``class_ids`` has it."""
    if values.dtype == np.uint8:
        return values, _byte_table(num_classes, ignore_index)
    wide = values.astype(np.int16) if values.itemsize == 1 else values
    # Negative values are beyond all classes when they are read as unsigned ones.
    unsigned = wide.view(wide.dtype.str.replace("i", "u"))
    ids = np.minimum(unsigned, num_classes + 1).astype(np.uint8 if num_classes < 255 else np.uint16)
    np.copyto(ids, num_classes, where=values == ignore_index)
    return ids, np.arange(num_classes + 2)


def _changes(truth: Integers, guess: Integers) -> NDArray[np.bool_]:
    """Whether a run begins at each pixel of the flat maps."""
    changes = np.ones(truth.size, np.bool_)
    np.not_equal(truth[1:], truth[:-1], out=changes[1:])
    changes[1:] |= guess[1:] != guess[:-1]
    return changes


def true_positions(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The positions of the few that are true in a flat array: words of eight flags are looked at first."""
    words = flags[: flags.size & ~7].view(np.uint64)
    tail = flags.size & ~7
    occupied = np.flatnonzero(words != 0)
    inside = np.flatnonzero(words.take(occupied).view(np.bool_))
    found = (occupied << 3).take(inside >> 3) + (inside & 7)
    return np.concatenate([found, np.flatnonzero(flags[tail:]) + tail])


def _counted_bytes(truth: Integers, guess: Integers) -> Counted:
    """Pairs of values as ``guess * 256 + truth`` with counts; the table ends at the largest, so guesses lead."""
    counts = np.zeros((int(guess.max()) + 1) << 8, np.int64)
    for begin in range(0, truth.size, _SINGLE_PIXELS):
        code = guess[begin : begin + _SINGLE_PIXELS].astype(np.uint16)
        code <<= 8
        code |= truth[begin : begin + _SINGLE_PIXELS]
        found = np.bincount(code)
        counts[: found.size] += found
    seen = np.flatnonzero(counts != 0)
    return seen, counts.take(seen)


def _merged(code: Integers, count: NDArray[np.int64], width: int) -> Counted:
    """Counts of equal codes, below ``width ** 2``, put together."""
    if width * width <= _LARGEST_TABLE:
        # Weights are float64, exact below 2**53 pixels.
        table = np.bincount(code, weights=count, minlength=width * width)
        pairs = np.flatnonzero(table)
        return pairs, table[pairs].astype(np.int64)
    order = np.argsort(code, kind="stable")
    pairs, first = np.unique(code[order], return_index=True)
    return pairs, np.add.reduceat(count[order], first)


def _first_refused(
    truth: Integers, guess: Integers, num_classes: int, ignore_index: int, void_predictions: VoidPredictions
) -> DataError:
    """The error that names the first value that is not allowed."""
    true, predicted = class_ids(truth, num_classes, ignore_index), class_ids(guess, num_classes, ignore_index)
    allowed = f"allowed are 0 to {num_classes - 1} and {ignore_index} (ignored)"
    if (true > num_classes).any():
        return DataError(f"The label holds {_where(truth, true > num_classes)}; {allowed}.")
    wrong = (true < num_classes) & (predicted > num_classes)
    if wrong.any():
        return DataError(f"The prediction holds {_where(guess, wrong)}; {allowed}.")
    void = (true < num_classes) & (predicted == num_classes)
    return DataError(
        f"The prediction holds the ignore index {_where(guess, void)}, where the label is a class.",
        "Predict a class for each pixel, or count such pixels as wrong with --void-predictions wrong.",
    )


def _where(values: Integers, wrong: NDArray[np.bool_]) -> str:
    position = tuple(int(index) for index in np.argwhere(wrong)[0])
    names = ("row", "column") if len(position) == 2 else tuple(f"axis {axis}" for axis in range(len(position)))
    place = ", ".join(f"{name} {index}" for name, index in zip(names, position, strict=True))
    return f"{int(values[position])} at {place}"
