"""Tallies made for the statistics: from small label maps, or straight from counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from segbench.metrics.confusion import PairCounts
from segbench.metrics.tallies import ImageTally, Tallies, tally_image

NAMES = ("a", "b", "c", "d")
VOID = 255


def noisy(seed: int, images: int = 9, wrong: float = 0.3, truth_seed: int = 0) -> Tallies:
    """Tallies of blocky maps with void; most images lack a class, and one has no boundary at all."""
    truths, rng = np.random.default_rng(truth_seed), np.random.default_rng(seed)
    tallies = Tallies(NAMES)
    for number in range(images):
        classes = truths.choice([0, 1, 2, 3, VOID], 3, replace=False)
        truth = truths.choice(classes, (3, 4)).repeat(4, axis=0).repeat(5, axis=1).astype(np.uint8)
        if number == 4:
            truth[:] = 1
        guess = np.where(rng.random(truth.shape) < wrong, rng.integers(0, 4, truth.shape), truth).astype(np.uint8)
        guess[guess == VOID] = 0
        if number == 4:
            guess[:] = 1
        tallies.add(f"image-{number}", tally_image(truth, guess, len(NAMES)))
    return tallies


def again(tallies: Tallies, weights: Iterable[float]) -> Tallies:
    """Tallies in which each image occurs as often as its weight says."""
    drawn = Tallies(tallies.class_names, tallies.ignore_index, tallies.tolerance)
    for (name, image), weight in zip(tallies, weights, strict=True):
        for copy in range(int(weight)):
            drawn.add(f"{name}, {copy}", image)
    return drawn


def from_shares(shares: NDArray[np.float64], ids: Sequence[str] | None = None, pixels: int = 1000) -> Tallies:
    """Two classes of ``pixels`` each in every image; a share of them, [n,2], is right, the rest taken for the other.

    Global accuracy is the mean share; where both classes' mean is m, so is class accuracy, and mean IoU is m / (2 - m).
    """
    tallies = Tallies(("a", "b"), tolerance=None)
    nothing = np.empty(0, np.int64)
    for number, right in enumerate(np.rint(shares * pixels).astype(np.int64)):
        count = np.array([right[0], pixels - right[0], pixels - right[1], right[1]])
        pairs = PairCounts(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), count, nothing, nothing)
        tallies.add(ids[number] if ids else f"x{number}y", ImageTally(20, 100, pairs, nothing, None))
    return tallies
