"""Random numbers of the augmentation of one image in one step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["uniform_draws"]

# Keeps this stream apart from the one that shuffles epochs and the one that flips.
_STREAM = 0xA06


def uniform_draws(seed: int, iteration: int, image: int, count: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that follow from seed, iteration and image alone.

    They depend neither on the image's place in its batch nor on what else is in it, and are made of raw draws of PCG64,
    whose stream numpy guarantees.

    Args:
        seed: Of the run.
        iteration: Step of the training, from 0.
        image: Index of the image in its split.
        count: How many.

    Returns:
        float64 [count]; the first ones do not depend on ``count``.
    """
    raw = np.random.PCG64(np.random.SeedSequence([_STREAM, seed, iteration, image])).random_raw(count)
    # 53 bits are what a double holds exactly.
    return (np.asarray(raw, dtype=np.uint64) >> np.uint64(11)).astype(np.float64) * 2.0**-53
