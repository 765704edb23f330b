"""Scale jitter and random crops: an image is resized by a factor, and a window of it is cut at some place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from segbench.engine.resizing import resize_images, resize_labels
from segbench.specs import IGNORE_INDEX

__all__ = ["FILL", "random_window", "scale_factor"]

FILL = (122.675, 116.669, 104.008)
"""Red, green and blue beyond the image: the mean of ImageNet, zero to the networks that subtract it."""


def scale_factor(limits: tuple[float, float] | None, draw: float) -> float:
    """The factor at ``draw`` in [0, 1), uniform in its logarithm: halving is as likely as doubling."""
    return 1.0 if limits is None else limits[0] * (limits[1] / limits[0]) ** draw


def random_window(
    image: Tensor, label: Tensor, scaled: tuple[int, int], window: tuple[int, int], draws: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """A window of an image resized to ``scaled``.

    Where an axis of the resized image is longer than the window, a part is cut out; where it is shorter, the image lies
    somewhere in the window, surrounded by :data:`FILL` and void.

    Args:
        image: float32 [1, 3, H, W] in 0..255.
        label: Integers [1, H, W].
        scaled: Height and width the image is resized to.
        window: Height and width of the result.
        draws: Where the window lies, a number in [0, 1) for each axis.

    Returns:
        Image [1, 3, *window] and label [1, *window].
    """
    pixels, ids = _resized(image, scaled), resize_labels(label, scaled)
    (from_row, to_row), (from_column, to_column) = map(_overlap, scaled, window, draws)
    fill = torch.tensor(FILL, dtype=pixels.dtype, device=pixels.device).view(1, 3, 1, 1)
    image = fill.expand(1, 3, *window).contiguous(memory_format=torch.channels_last)
    label = ids.new_full((1, *window), IGNORE_INDEX)
    image[:, :, to_row, to_column] = pixels[:, :, from_row, from_column]
    label[:, to_row, to_column] = ids[:, from_row, from_column]
    return image, label


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """By area where no side grows, as everywhere else; otherwise bilinearly, smoothed along a side that shrinks."""
    shrinks = [want < have for want, have in zip(size, image.shape[2:], strict=True)]
    grows = [want > have for want, have in zip(size, image.shape[2:], strict=True)]
    if not any(grows):
        return resize_images(image, size)
    # Where nothing shrinks smoothing changes nothing, and takes five times as long.
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=any(shrinks))


def _overlap(length: int, window: int, draw: float) -> tuple[slice, slice]:
    """Which part of an axis of ``length`` is seen, and where in the window it lies."""
    shift = int(draw * (abs(length - window) + 1))
    seen = min(length, window)
    start, place = (shift, 0) if length >= window else (0, shift)
    return slice(start, start + seen), slice(place, place + seen)
