"""The confusion matrix: exact counts of (truth, prediction) pairs.

Each pixel becomes one small number for its pair, and the numbers are counted. Maps are looked at a part at a time, so
memory beside them stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import DataError, UsageError
from segbench.metrics.histogram import Counted, add_counts, distinct_counts, runs
from segbench.metrics.numbering import Integers, Numbering, class_ids

__all__ = [
    "MAX_CLASSES",
    "ConfusionMatrix",
    "PairCounts",
    "VoidPredictions",
    "check_classes",
    "check_image",
    "check_same_shape",
    "count_pairs",
    "integer_map",
]

VoidPredictions = Literal["error", "wrong"]

MAX_CLASSES = 4096
# Runs shorter than this on average cost more than counting every pixel (measured): with one byte a pair, with more.
_SHORTEST_RUN_OF_BYTES, _SHORTEST_RUN = 7, 3
# A table of pairs up to this size is kept whole, of a larger one the pairs that occur.
_LARGEST_TABLE = 1 << 17
# Pixels looked at in one go.
_PART = 1 << 18


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
        maps = _JointMap.of(label, prediction, self.num_classes, self.ignore_index)
        if not maps.fits_table:
            self.add(maps.pairs(self.void_predictions))
            return
        counts, missed = maps.table(self.void_predictions)
        self.counts += counts
        self.missed += missed

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
    return _JointMap.of(label, prediction, num_classes, ignore_index).pairs(void_predictions)


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


@dataclass(frozen=True)
class _JointMap:
    """Truth and prediction as one number a pixel: ``width`` times the truth's number and the prediction's."""

    truth: Integers
    guess: Integers
    numbering: Numbering

    @classmethod
    def of(cls, label: ArrayLike, prediction: ArrayLike, num_classes: int, ignore_index: int) -> _JointMap:
        truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
        check_same_shape(truth, guess)
        return cls(truth, guess, Numbering.of((truth, guess), num_classes, ignore_index))

    @property
    def width(self) -> int:
        return self.numbering.num_classes + 2

    @property
    def fits_table(self) -> bool:
        return self.width**2 <= _LARGEST_TABLE

    def parts(self) -> Iterator[Counted]:
        """The numbers, a part of the map at a time: of runs of equal pixels, or of each pixel where they are short."""
        truth, guess = self.truth.reshape(-1), self.guess.reshape(-1)
        for begin in range(0, truth.size, _PART):
            true, predicted = (self.numbering.narrow(values[begin : begin + _PART]) for values in (truth, guess))
            shortest = _SHORTEST_RUN_OF_BYTES if self.kind == true.dtype == np.uint8 else _SHORTEST_RUN
            found = runs(true, predicted, shortest)
            if found is None:
                yield self._joint(true, predicted), None
            else:
                starts, lengths = found
                yield self._joint(true.take(starts), predicted.take(starts)), lengths

    @property
    def kind(self) -> np.dtype[Any]:
        """The smallest type of the numbers."""
        return np.min_scalar_type(self.width**2 - 1)

    def _joint(self, truth: Integers, guess: Integers) -> Integers:
        true, predicted = self.numbering.numbers(truth), self.numbering.numbers(guess)
        joint: Integers = np.multiply(true, self.width, dtype=np.result_type(true.dtype, self.kind))
        return np.add(joint, predicted, out=joint)

    def table(self, void_predictions: VoidPredictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64 [K,K] and [K]: pixels of each pair of classes, and those predicted as void.

        Raises:
            DataError: A value is not allowed.
        """
        counts = np.zeros(self.width**2, np.int64)
        for part in self.parts():
            add_counts(counts, *part)
        table = counts.reshape(self.width, self.width)
        first, void, beyond = self.numbering.first, self.numbering.void, self.numbering.beyond
        classes = slice(first, first + self.numbering.num_classes)
        strange = table[beyond:].any()
        # Void may be the number of a class, which then has no pixels.
        table[void] = 0
        missed = table[classes, void].copy()
        table[:, void] = 0
        if strange or table[:, beyond:].any() or (void_predictions == "error" and missed.any()):
            raise self.refused(void_predictions)
        return table[classes, classes], missed

    def pairs(self, void_predictions: VoidPredictions) -> PairCounts:
        """The pairs of classes that occur.

        Raises:
            DataError: A value is not allowed.
        """
        if not self.fits_table:
            return self._sparse_pairs(void_predictions)
        counts, missed = self.table(void_predictions)
        true, predicted = np.nonzero(counts)
        unseen = np.flatnonzero(missed)
        return PairCounts(true, predicted, counts[true, predicted], unseen, missed[unseen])

    def _sparse_pairs(self, void_predictions: VoidPredictions) -> PairCounts:
        joint, count = distinct_counts(self.parts())
        true, predicted = np.divmod(joint, self.width)
        first, void, beyond = self.numbering.first, self.numbering.void, self.numbering.beyond
        labelled = true != void
        hit, missed = labelled & (predicted != void), labelled & (predicted == void)
        strange = (true >= beyond) | (hit & (predicted >= beyond))
        if strange.any() or (void_predictions == "error" and missed.any()):
            raise self.refused(void_predictions)
        return PairCounts(true[hit] - first, predicted[hit] - first, count[hit], true[missed] - first, count[missed])

    def refused(self, void_predictions: VoidPredictions) -> DataError:
        """The error that names the first value that is not allowed."""
        numbering = self.numbering
        return _first_refused(self.truth, self.guess, numbering.num_classes, numbering.ignore_index, void_predictions)


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
