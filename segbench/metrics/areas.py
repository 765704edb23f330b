"""Pixels of each class in the truth, in the prediction and in both: what accuracy and IoU are ratios of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.metrics.tallies import ImageTally
from segbench.record import PixelProtocol

__all__ = ["Areas", "areas_of"]

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Areas:
    """Pixels of each class over some images: int64 [K], or [K+1] with void last where it is a class.

    Attributes:
        right: In truth and prediction.
        truth: In the truth, as far as the protocol's matrix goes.
        predicted: In the prediction, as far as the protocol's matrix goes.
        labelled: int64 [K], in the truth, all of them.
    """

    right: Counts
    truth: Counts
    predicted: Counts
    labelled: Counts

    @property
    def union(self) -> Counts:
        """In truth or prediction."""
        return self.truth + self.predicted - self.right


def areas_of(images: Sequence[ImageTally], num_classes: int, rules: PixelProtocol) -> Areas:
    """The areas of some images together.

    Args:
        images: With their predictions on void pixels unless ``rules`` ignore them or no pixel is void.
        num_classes: K.
        rules: What predictions on void, and predictions that are no class, count as.
    """
    true, guess, count = (_joined(images, name) for name in ("true", "predicted", "count"))
    lost, lost_count = (_joined(images, name) for name in ("missed_class", "missed_count"))
    right = _sums(true[true == guess], count[true == guess], num_classes + 1)
    predicted = _sums(guess, count, num_classes + 1)
    missed = _sums(lost, lost_count, num_classes + 1)
    labelled = _sums(true, count, num_classes + 1) + missed
    truth = labelled - missed if rules.outside == "dropped" else labelled.copy()
    if rules.void != "ignored":
        on_void = _on_void(images, num_classes)
        predicted += on_void
        predicted[-1] += missed.sum()
        right[-1], truth[-1] = on_void[-1], on_void.sum()
    size = num_classes + (rules.void == "class")
    return Areas(right[:size], truth[:size], predicted[:size], labelled[:num_classes])


def _joined(images: Sequence[ImageTally], name: str) -> Counts:
    return np.concatenate([getattr(image.pairs, name) for image in images]) if images else np.empty(0, np.int64)


def _sums(classes: Counts, count: Counts, size: int) -> Counts:
    # Weights are float64, exact below 2**53 pixels.
    return np.bincount(classes, weights=count, minlength=size).astype(np.int64)


def _on_void(images: Sequence[ImageTally], num_classes: int) -> Counts:
    """int64 [K+1], what is predicted on void pixels; no class comes last."""
    known = [image.on_void for image in images if image.on_void is not None]
    table = np.concatenate(known) if known else np.empty((0, 2), np.int64)
    return _sums(table[:, 0], table[:, 1], num_classes + 1)
