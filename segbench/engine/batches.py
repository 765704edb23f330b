"""From the raw cache to tensors: order of an epoch, resizing, augmentation. All of it follows from seed and step."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.data.loader import epoch_order
from segbench.engine import colour_jitter
from segbench.engine.draws import uniform_draws
from segbench.engine.random_window import random_window, scale_factor
from segbench.engine.resizing import resize_images, resize_labels
from segbench.errors import DataError
from segbench.recipe import Augmentation

__all__ = ["Images", "epoch_batches", "to_tensors", "training_batch"]

WINDOW_DRAWS = 3


class Images(Protocol):
    """A split: images uint8 [H, W, 3] and labels uint8 [H, W] by index."""

    @property
    def ids(self) -> list[str]: ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8]: ...

    def label(self, index: int) -> NDArray[np.uint8]: ...


def epoch_batches(num_images: int, batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """A shuffled split as batches: every image once, ceil(n / batch_size) batches whose sizes differ by one at most."""
    return np.array_split(epoch_order(num_images, seed, epoch), -(-num_images // batch_size))


def to_tensors(
    split: Images, indices: NDArray[np.int64], device: torch.device, size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Images float32 [N, 3, H, W] (channels_last) in 0..255 and labels uint8 [N, H, W], resized to ``size`` if given.

    Raises:
        DataError: The images differ in size and there is no ``size``.
    """
    images = [split.image(int(index)) for index in indices]
    labels = [split.label(int(index)) for index in indices]
    if len(shapes := {image.shape[:2] for image in images}) == 1:
        return _resized(images, labels, device, size)
    if size is None:
        raise _differ(shapes, "input_size")
    pairs = [_resized([image], [label], device, size) for image, label in zip(images, labels, strict=True)]
    return _stacked(pairs)


def _stacked(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images = torch.cat([image for image, _ in pairs]).contiguous(memory_format=torch.channels_last)
    return images, torch.cat([label for _, label in pairs])


def _differ(shapes: set[tuple[int, int]], key: str) -> DataError:
    listed = ", ".join(f"{height}x{width}" for height, width in sorted(shapes)[:3])
    return DataError(
        f"The images of a batch differ in size ({listed}).", f"Set {key} in the recipe, or train.batch_size = 1."
    )


def _resized(
    images: list[NDArray[np.uint8]], labels: list[NDArray[np.uint8]], device: torch.device, size: tuple[int, int] | None
) -> tuple[Tensor, Tensor]:
    """A batch of images of one size."""
    pixels = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()
    return resize_images(pixels, size), resize_labels(torch.from_numpy(np.stack(labels)).to(device), size)


def training_batch(
    split: Images,
    indices: NDArray[np.int64],
    size: tuple[int, int] | None,
    augment: Augmentation,
    seed: tuple[int, int],
    device: torch.device,
    part: slice = slice(None),
) -> tuple[Tensor, Tensor]:
    """One augmented batch: images float32 [N, 3, h, w], labels int64 [N, h, w].

    Args:
        indices: Of the whole batch.
        seed: Run seed and iteration; decides the augmentation.
        part: Which images of the batch; they are augmented as in the whole one.
    """
    mine, count = indices[part], WINDOW_DRAWS + colour_jitter.DRAWS
    draws = np.stack([uniform_draws(*seed, int(index), count) for index in mine])
    if augment.scale is None and augment.crop is None:
        images, labels = to_tensors(split, mine, device, size)
    else:
        images, labels = _windows(split, mine, size, augment, draws[:, :WINDOW_DRAWS], device)
    if augment.flip:
        # The third number keeps this stream apart from the one that shuffles epochs.
        flipped = np.random.default_rng([*seed, 1]).random(len(indices)) < 0.5
        chosen = torch.from_numpy(flipped[part]).to(device)
        images = torch.where(chosen[:, None, None, None], images.flip(3), images)
        labels = torch.where(chosen[:, None, None], labels.flip(2), labels)
    if colour_jitter.jitters(augment):
        images = colour_jitter.jitter_colours(images, augment, draws[:, WINDOW_DRAWS:])
    return images, labels.long()


def _windows(
    split: Images,
    indices: NDArray[np.int64],
    size: tuple[int, int] | None,
    augment: Augmentation,
    draws: NDArray[np.float64],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """A random window of each image, resized from the pixels as prepared in one go."""
    pairs = []
    for index, (zoom, *place) in zip(indices, draws, strict=True):
        image, label = to_tensors(split, index[None], device)
        height, width = size or label.shape[1:]
        factor = scale_factor(augment.scale, zoom)
        scaled = max(1, round(factor * height)), max(1, round(factor * width))
        pairs.append(random_window(image, label, scaled, augment.crop or (height, width), place))
    if augment.crop is None and len(shapes := {label.shape[1:] for _, label in pairs}) > 1:
        raise _differ({(height, width) for height, width in shapes}, "augment.crop")
    return _stacked(pairs)
