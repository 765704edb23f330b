"""From the raw cache to tensors: order of an epoch, resizing, flips. All of it follows from seed and step."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segbench.data.loader import epoch_order
from segbench.errors import DataError
from segbench.recipe import Augmentation

__all__ = ["Images", "epoch_batches", "resize_images", "resize_labels", "to_tensors", "training_batch"]


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


def resize_images(images: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Area average of float images [N, 3, H, W]; the identity without ``size``."""
    if size is None or tuple(images.shape[2:]) == size:
        return images
    return functional.interpolate(images, size=size, mode="area")


def resize_labels(labels: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Nearest label of integer maps [N, H, W] at pixel centres; the identity without ``size``."""
    if size is None or tuple(labels.shape[1:]) == size:
        return labels
    rows, columns = (_centres(have, want, labels.device) for have, want in zip(labels.shape[1:], size, strict=True))
    return labels[:, rows][:, :, columns]


def _centres(have: int, want: int, device: torch.device) -> Tensor:
    return (torch.arange(want, device=device) * 2 + 1) * have // (2 * want)


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
        listed = ", ".join(f"{height}x{width}" for height, width in sorted(shapes)[:3])
        raise DataError(
            f"The images of a batch differ in size ({listed}).",
            "Set input_size in the recipe, or train.batch_size = 1.",
        )
    pairs = [_resized([image], [label], device, size) for image, label in zip(images, labels, strict=True)]
    stacked = torch.cat([image for image, _ in pairs]).contiguous(memory_format=torch.channels_last)
    return stacked, torch.cat([label for _, label in pairs])


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
    images, labels = to_tensors(split, indices[part], device, size)
    if augment.flip:
        # The third number keeps this stream apart from the one that shuffles epochs.
        flipped = np.random.default_rng([*seed, 1]).random(len(indices)) < 0.5
        chosen = torch.from_numpy(flipped[part]).to(device)
        images = torch.where(chosen[:, None, None, None], images.flip(3), images)
        labels = torch.where(chosen[:, None, None], labels.flip(2), labels)
    return images, labels.long()
