"""Scoring a split image by image; memory grows by a few hundred numbers an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.errors import DataError, UsageError
from segbench.metrics.confusion import VoidPredictions, check_classes
from segbench.metrics.label_files import paired_files, read_label_map
from segbench.metrics.protocols import protocol_of
from segbench.metrics.scores import scores_from_tallies, tolerance_of
from segbench.metrics.tallies import Tallies, tally_image
from segbench.record import Protocol, Scores

__all__ = ["LabelMaps", "Scorer", "score"]

LabelMap: TypeAlias = "NDArray[np.integer[Any]] | str | PathLike[str]"
LabelMaps: TypeAlias = "LabelMap | Iterable[LabelMap]"
"""One label map or many: arrays [H,W] or [N,H,W], image files, or a folder of them."""


class Scorer:
    """Scores of predictions that come one at a time; two scorers of parts of a split add up.

    Args:
        classes: K class names, or K.
        protocol: What the scores mean; its ``ignore_index`` is left out of truth and prediction.
        void_predictions: Whether a labelled pixel predicted as the ignore index is an error or wrong.
        boundary: Whether boundary F1 is worked out, which takes most of the time.

    Attributes:
        tallies: Counts per image.
    """

    def __init__(
        self,
        classes: Sequence[str] | int,
        protocol: Protocol | None = None,
        *,
        void_predictions: VoidPredictions = "error",
        boundary: bool = True,
    ) -> None:
        self.protocol = protocol or Protocol()
        self.void_predictions: VoidPredictions = void_predictions
        tolerance = tolerance_of(self.protocol.boundary) if boundary else None
        self.tallies = Tallies(_names(classes), self.protocol.ignore_index, tolerance)

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
        tallies = self.tallies
        try:
            image = tally_image(
                label, prediction, tallies.num_classes, tallies.ignore_index, tallies.tolerance, self.void_predictions
            )
        except DataError as error:
            raise DataError(f"{image_id}: {error.message}", error.hint) from error
        tallies.add(image_id, image)

    def scores(self) -> Scores:
        """The scores of the images so far."""
        return scores_from_tallies(self.tallies, self.protocol)

    def __len__(self) -> int:
        return len(self.tallies)

    def __add__(self, other: Scorer) -> Scorer:
        if self.protocol != other.protocol:
            raise UsageError("Scorers of different protocols cannot be added.")
        total = Scorer(self.tallies.class_names, self.protocol, void_predictions=self.void_predictions)
        total.tallies = self.tallies + other.tallies
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
    void_predictions: VoidPredictions = "error",
    **options: Any,
) -> Scores:
    """Scores predicted label maps.

    Args:
        predictions: An array [H,W] or [N,H,W] of class ids, an image file, a folder of image files, or an iterable of
            arrays or files.
        labels: The same for the truth; files of two folders are matched by their names without ending.
        num_classes: K.
        ignore_index: The label that counts nowhere.
        class_names: K names, 0..K-1 where left out.
        protocol: A protocol or its name.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an ``error`` or ``wrong``.
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
    scorer = Scorer(list(map(str, names)), protocol, void_predictions=void_predictions)
    for image_id, prediction, label in _pairs(predictions, labels):
        scorer.update(image_id, label, prediction)
    return scorer.scores()


def _pairs(predictions: LabelMaps, labels: LabelMaps) -> Iterator[tuple[str, ArrayLike, ArrayLike]]:
    """Name, prediction and label of each image, read when its turn comes."""
    if _is_path(predictions) and _is_path(labels) and Path(labels).is_dir():
        for name, prediction, label in paired_files(Path(predictions), Path(labels)):
            yield name, read_label_map(prediction), read_label_map(label)
        return
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
