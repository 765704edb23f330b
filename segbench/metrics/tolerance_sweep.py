"""Boundary F1 for several tolerances in one call: the curve that shows how far boundaries are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from segbench.errors import DataError, UsageError
from segbench.metrics.boundary import sweep_counts
from segbench.metrics.confusion import VoidPredictions, check_classes
from segbench.metrics.disc import Tolerance
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import Tallies, tally_image
from segbench.record import Protocol

__all__ = ["ToleranceSweep"]


class ToleranceSweep:
    """Boundary F1 under several tolerances, of predictions that come one at a time; two of parts of a split add up.

    >>> sweep = ToleranceSweep(["road", "sky"], ["1px", "2px", "4px", "8px"])
    >>> sweep.update("frame-1", label, prediction)
    >>> sweep.boundary_f1()

    Args:
        classes: K class names, or K.
        tolerances: As ``--tolerance`` takes them: ``0.0075`` of the diagonal, or ``4.5px``.
        ignore_index: The value that counts nowhere.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an error or wrong.

    Attributes:
        tallies: One for each tolerance, as a ``Scorer`` with that tolerance makes them.
    """

    def __init__(
        self,
        classes: Sequence[str] | int,
        tolerances: Sequence[str | float | Tolerance],
        ignore_index: int = 255,
        *,
        void_predictions: VoidPredictions = "error",
    ) -> None:
        names = tuple(map(str, range(classes) if isinstance(classes, int) else classes))
        check_classes(len(names))
        self.tolerances = tuple(
            value if isinstance(value, Tolerance) else Tolerance.parse(str(value)) for value in tolerances
        )
        if not self.tolerances:
            raise UsageError("A sweep needs at least one tolerance.", "Give tolerances, as ['1px', '2px', '0.0075'].")
        self.ignore_index = ignore_index
        self.void_predictions: VoidPredictions = void_predictions
        self.tallies = [Tallies(names, ignore_index, tolerance) for tolerance in self.tolerances]

    def update(self, image_id: str, label: ArrayLike, prediction: ArrayLike) -> None:
        """Adds one image [H,W].

        Raises:
            DataError: The maps are not of one size, hold a value that is not allowed, or the name came before; names
                the image. Nothing is added then.
        """
        num_classes = self.tallies[0].num_classes
        try:
            image = tally_image(label, prediction, num_classes, self.ignore_index, None, self.void_predictions)
        except DataError as error:
            raise DataError(f"{image_id}: {error.message}", error.hint) from error
        counts = sweep_counts(label, prediction, num_classes, self.ignore_index, self.tolerances)
        for tallies, table in zip(self.tallies, counts, strict=True):
            classes = np.flatnonzero(table.any(axis=1))
            tallies.add(image_id, replace(image, boundary_classes=classes, boundary=table[classes]))

    def __add__(self, other: ToleranceSweep) -> ToleranceSweep:
        mine, theirs = self.tallies[0], other.tallies[0]
        if (mine.class_names, self.tolerances) != (theirs.class_names, other.tolerances):
            raise UsageError("Sweeps of different classes or tolerances cannot be added.")
        total = ToleranceSweep(
            mine.class_names, self.tolerances, self.ignore_index, void_predictions=self.void_predictions
        )
        total.tallies = [left + right for left, right in zip(self.tallies, other.tallies, strict=True)]
        return total

    def boundary_f1(self, protocol: Protocol | None = None) -> tuple[float | None, ...]:
        """Boundary F1 of the images so far, one value for each tolerance, 0..1 or ``None`` where no class counts.

        Args:
            protocol: Rule, void policy and averaging; its tolerance is replaced by each of this sweep.
        """
        under = protocol or Protocol(ignore_index=self.ignore_index)
        return tuple(
            scores_from_tallies(tallies, _with_tolerance(under, tolerance)).boundary_f1
            for tallies, tolerance in zip(self.tallies, self.tolerances, strict=True)
        )


def _with_tolerance(protocol: Protocol, tolerance: Tolerance) -> Protocol:
    update = {"tolerance": float(tolerance.value), "unit": tolerance.unit}
    return protocol.model_copy(update={"boundary": protocol.boundary.model_copy(update=update)})
