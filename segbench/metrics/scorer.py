"""Scoring a split image by image; memory grows by a few hundred numbers an image."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import DataError, UnknownNameError, UsageError
from segbench.metrics.confusion import VoidPredictions, check_classes, integer_map
from segbench.metrics.disc import Tolerance
from segbench.metrics.label_files import fitted, paired_files, read_label_map
from segbench.metrics.numbering import Integers, class_ids
from segbench.metrics.protocols import protocol_of
from segbench.metrics.scores import scores_from_tallies, tolerance_of
from segbench.metrics.tallies import ImageTally, Tallies, tally_image
from segbench.metrics.workers import worked, worker_count
from segbench.progress import SILENT, Progress
from segbench.record import Protocol, Scores

__all__ = ["Counting", "LabelMaps", "MapPair", "Resize", "Scorer", "file_pairs", "score"]

LabelMap: TypeAlias = "NDArray[np.integer[Any]] | str | PathLike[str]"
LabelMaps: TypeAlias = "LabelMap | Iterable[LabelMap]"
"""One label map or many: arrays [H,W] or [N,H,W], image files, or a folder or zip of them."""
Resize = Literal["nearest"]


@dataclass(frozen=True)
class MapPair:
    """A label and its prediction that are read where they are counted.

    Attributes:
        image_id: Name of the image.
        label: Returns class ids [H,W].
        prediction: Returns class ids [H,W].
    """

    image_id: str
    label: Callable[[], ArrayLike]
    prediction: Callable[[], ArrayLike]


@dataclass(frozen=True)
class Counting:
    """How an image is counted; a value, so that every process counts alike.

    Attributes:
        inside: Whether predictions that are no class become the ignore index first, which is then no error.
        resize: Whether a prediction of another size is fitted to its label.
    """

    num_classes: int
    ignore_index: int
    tolerance: Tolerance | None
    void_predictions: VoidPredictions
    inside: bool
    resize: Resize | None

    def pair(self, pair: MapPair) -> tuple[ImageTally, bool]:
        """The tally of a pair, and whether its prediction was resized."""
        return self.maps(pair.image_id, pair.label(), pair.prediction())

    def maps(self, image_id: str, label: ArrayLike, prediction: ArrayLike) -> tuple[ImageTally, bool]:
        """The tally of two maps, and whether the prediction was resized."""
        try:
            truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
            aligned = self._aligned(truth, guess)
            tally = tally_image(
                truth, aligned, self.num_classes, self.ignore_index, self.tolerance, self.void_predictions
            )
        except DataError as error:
            raise DataError(f"{image_id}: {error.message}", error.hint) from error
        return tally, aligned.shape != guess.shape

    def packed(self, pair: bytes) -> tuple[ImageTally, bool]:
        """The same of a pair that :meth:`pack` made, for processes that get their work through a pipe."""
        return self.maps(*pickle.loads(pair))

    @staticmethod
    def pack(image_id: str, label: ArrayLike, prediction: ArrayLike) -> bytes:
        """A pair for :meth:`packed`."""
        return pickle.dumps((image_id, label, prediction), protocol=pickle.HIGHEST_PROTOCOL)

    def _aligned(self, truth: Integers, guess: Integers) -> Integers:
        if self.resize is not None:
            guess = fitted(guess, truth.shape)
        elif truth.ndim == guess.ndim == 2 and truth.shape != guess.shape:
            sizes = [" x ".join(map(str, array.shape)) for array in (guess, truth)]
            raise DataError(
                f"The prediction is {sizes[0]} but its label is {sizes[1]} (height x width).",
                f"Give class ids of size {sizes[1]}, or let --resize nearest fit them.",
            )
        if not self.inside:
            return guess
        outside = class_ids(guess, self.num_classes, self.ignore_index) >= self.num_classes
        return np.where(outside, np.int64(self.ignore_index), guess) if outside.any() else guess


class Scorer:
    """Scores of predictions that come one at a time; two scorers of parts of a split add up.

    Args:
        classes: K class names, or K.
        protocol: What the scores mean; its ``ignore_index`` is left out of truth and prediction.
        void_predictions: Whether a labelled pixel predicted as the ignore index is an error or wrong; the protocol's
            rule if left out, which is an error for ``segbench``.
        boundary: Whether boundary F1 is worked out, which takes most of the time.
        resize: ``nearest``: a prediction of another size is fitted to its label (see ``label_files.fitted``); else it
            is an error.

    Attributes:
        tallies: Counts per image.
        resized: Number of predictions that were fitted.
    """

    def __init__(
        self,
        classes: Sequence[str] | int,
        protocol: Protocol | None = None,
        *,
        void_predictions: VoidPredictions | None = None,
        boundary: bool = True,
        resize: Resize | None = None,
    ) -> None:
        self.protocol = protocol or Protocol()
        outside = self.protocol.pixels.outside
        self.void_predictions: VoidPredictions = void_predictions or ("error" if outside == "refused" else "wrong")
        if resize not in (None, "nearest"):
            raise UnknownNameError(f"Unknown --resize '{resize}'. Known: nearest.")
        self.resize = resize
        self.resized = 0
        tolerance = tolerance_of(self.protocol.boundary) if boundary else None
        self.tallies = Tallies(_names(classes), self.protocol.ignore_index, tolerance)

    @property
    def counting(self) -> Counting:
        """How an image is counted, apart from the counts so far."""
        tallies = self.tallies
        inside = self.protocol.pixels.outside != "refused" and self.void_predictions == "wrong"
        return Counting(
            tallies.num_classes, tallies.ignore_index, tallies.tolerance, self.void_predictions, inside, self.resize
        )

    def update(self, image_id: str, label: ArrayLike, prediction: ArrayLike) -> None:
        """Adds one image.

        Args:
            image_id: Its name, once.
            label: [H,W] class ids of any integer type, 0..K-1 or the ignore index.
            prediction: [H,W] class ids.

        Raises:
            DataError: The maps are not of one size, hold a value that is not allowed, or the name came before; names
                the image. Nothing is added then.
        """
        self.add(image_id, *self.counting.maps(image_id, label, prediction))

    def update_all(self, pairs: Sequence[MapPair], jobs: int | None = 1, progress: Progress = SILENT) -> None:
        """Adds many images, counted in several processes; the result does not depend on how many.

        Args:
            pairs: The images, in the order they are added.
            jobs: Number of processes at most; ``None``: one a core.
            progress: Told of each image.

        Raises:
            DataError: As ``update`` does, for the first image that fails; nothing is added then.
            UsageError: ``jobs`` is below 1.
            SegbenchError: A process was killed.
        """
        workers = worker_count(jobs, len(pairs))
        counted = worked(self.counting.pair, pairs, workers, progress.task("Scoring", len(pairs), "images"))
        for pair, (tally, resized) in zip(pairs, counted, strict=True):
            self.add(pair.image_id, tally, resized)

    def add(self, image_id: str, tally: ImageTally, resized: bool = False) -> None:
        """Adds an image that ``counting`` has counted.

        Raises:
            DataError: The name came before.
        """
        self.tallies.add(image_id, tally)
        self.resized += resized

    def scores(self) -> Scores:
        """The scores of the images so far."""
        return scores_from_tallies(self.tallies, self.protocol)

    def __len__(self) -> int:
        return len(self.tallies)

    def __add__(self, other: Scorer) -> Scorer:
        if self.protocol != other.protocol:
            raise UsageError("Scorers of different protocols cannot be added.")
        total = Scorer(
            self.tallies.class_names, self.protocol, void_predictions=self.void_predictions, resize=self.resize
        )
        total.tallies = self.tallies + other.tallies
        total.resized = self.resized + other.resized
        return total


def _names(classes: Sequence[str] | int) -> tuple[str, ...]:
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    check_classes(len(names))
    if len(set(names)) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise UsageError(f"Two classes are called '{twice}'.", "Give each class a name of its own.")
    return names


def score(
    predictions: LabelMaps,
    labels: LabelMaps,
    num_classes: int,
    ignore_index: int = 255,
    *,
    class_names: Sequence[str] | None = None,
    protocol: str | Protocol = "segbench",
    void_predictions: VoidPredictions | None = None,
    resize: Resize | None = None,
    jobs: int | None = 1,
    **options: Any,
) -> Scores:
    """Scores predicted label maps.

    Args:
        predictions: An array [H,W] or [N,H,W] of class ids, an image file, a folder or zip of image files, or an
            iterable of arrays or files.
        labels: The same for the truth; files of two folders are matched by their names without ending.
        num_classes: K.
        ignore_index: The label that counts nowhere.
        class_names: K names, 0..K-1 where left out.
        protocol: A protocol or its name.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an ``error`` or ``wrong``; the
            protocol's rule if left out.
        resize: ``nearest`` fits predictions of another size to their labels.
        jobs: Processes that count the files of two folders; ``None``: one a core.
        **options: Options of ``segbench.metrics.protocols.protocol_of``: ``boundary_rule``, ``boundary_void``,
            ``boundary_average``, ``tolerance``.

    Raises:
        DataError: Maps are missing, do not fit each other, or hold values that are not allowed; names the image.
        UsageError: An option has a value that is not allowed.
    """
    if isinstance(protocol, str):
        protocol = protocol_of(protocol, ignore_index=ignore_index, **options)
    elif options or protocol.ignore_index != ignore_index:
        raise UsageError("A protocol object decides its options and the ignore index.", "Pass its name instead.")
    names = range(num_classes) if class_names is None else class_names
    if len(names) != num_classes:
        raise UsageError(f"{len(names)} class names were given for {num_classes} classes.")
    scorer = Scorer(list(map(str, names)), protocol, void_predictions=void_predictions, resize=resize)
    if _is_folder(predictions) or _is_folder(labels):
        scorer.update_all(file_pairs(_folder(predictions), _folder(labels)), jobs)
    else:
        for image_id, prediction, label in _pairs(predictions, labels):
            scorer.update(image_id, label, prediction)
    return scorer.scores()


def file_pairs(predictions: Path, labels: Path) -> list[MapPair]:
    """The label maps of two folders (or zips), matched by name.

    Raises:
        DataError: A folder is missing, or a prediction or label has no counterpart.
    """
    return [MapPair(name, label.read, guess.read) for name, guess, label in paired_files(predictions, labels)]


def _is_folder(value: object) -> bool:
    """Whether it names many label maps: a folder, or a zip."""
    return _is_path(value) and (Path(value).is_dir() or Path(value).suffix.lower() == ".zip")


def _folder(value: LabelMaps) -> Path:
    if not _is_path(value):
        raise UsageError("A folder of label maps is scored against another folder.", "Give two folders.")
    return Path(value)


def _pairs(predictions: LabelMaps, labels: LabelMaps) -> Iterator[tuple[str, ArrayLike, ArrayLike]]:
    """Name, prediction and label of each image, read when its turn comes."""
    for number, (guess, truth) in enumerate(zip_longest(_maps(predictions), _maps(labels))):
        if guess is None or truth is None:
            lacking = "predictions" if guess is None else "labels"
            raise DataError(f"There are only {number} {lacking}.", "Give one prediction for each label.")
        yield str(truth) if _is_path(truth) else f"image {number}", _read(guess), _read(truth)


def _is_path(value: object) -> TypeGuard[str | PathLike[str]]:
    return isinstance(value, str | PathLike)


def _maps(values: LabelMaps) -> Iterable[LabelMap]:
    if isinstance(values, str | PathLike):
        return [values]
    return [values] if isinstance(values, np.ndarray) and values.ndim == 2 else values


def _read(value: LabelMap) -> ArrayLike:
    return read_label_map(Path(value)) if isinstance(value, str | PathLike) else value
