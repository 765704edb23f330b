"""The order in which images are seen, and their conversion to what a model takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["epoch_order", "to_float"]

# Keeps this stream apart from others that are seeded by the same (seed, epoch), such as augmentation.
_STREAM = 0x0EDE4


def epoch_order(num_images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of the images that depends on seed and epoch alone: the same on every machine and numpy.

    It sorts raw 64-bit draws of PCG64, whose stream numpy guarantees, instead of ``permutation``, whose result may
    change between versions.

    Args:
        num_images: N.
        seed: 0 or more.
        epoch: 0 or more.

    Returns:
        int64 [N]; each index once.
    """
    draws = np.random.PCG64(np.random.SeedSequence([_STREAM, seed, epoch])).random_raw(num_images)
    return np.argsort(np.asarray(draws, dtype=np.uint64), kind="stable").astype(np.int64)


def to_float(images: NDArray[np.uint8], *, channels_last: bool = False) -> NDArray[np.float32]:
    """Images as a model takes them: uint8 [N, H, W, 3] to float32 [N, 3, H, W], 0..255.

    Args:
        images: What the raw cache gives.
        channels_last: Keep the channels of a pixel beside each other in memory, as torch's ``channels_last`` has them;
            twice as fast. Otherwise the result is contiguous.
    """
    if channels_last:
        return images.astype(np.float32, order="C").transpose(0, 3, 1, 2)
    return images.transpose(0, 3, 1, 2).astype(np.float32, order="C")
