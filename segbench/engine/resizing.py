"""Images and labels at another size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["resize_images", "resize_labels"]


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
