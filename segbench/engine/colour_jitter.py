"""Random brightness, contrast, saturation and hue, as one linear map of the colours of each image."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.recipe import Augmentation

__all__ = ["DRAWS", "jitter_colours", "jitters"]

DRAWS = 4
LUMA = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue look (ITU-R BT.601)."""


def jitters(augment: Augmentation) -> bool:
    """Whether colours change at all."""
    return any((augment.brightness, augment.contrast, augment.saturation, augment.hue))


def jitter_colours(images: Tensor, augment: Augmentation, draws: NDArray[np.float64]) -> Tensor:
    """Each image with its own colours.

    Brightness multiplies, contrast moves pixels from or to the image's mean brightness, saturation from or to their own
    grey, each by a factor of 1 - x to 1 + x; hue turns colours about the grey axis. Each is linear, so they are applied
    at once, and values are cut to 0..255 at the end alone.

    Args:
        images: float32 [N, 3, H, W] in 0..255.
        augment: The strengths x.
        draws: [N, 4] in [0, 1): brightness, contrast, saturation, hue.
    """
    spread = 2 * draws - 1
    strengths = np.array([augment.brightness, augment.contrast, augment.saturation])
    factors = 1 + strengths * spread[:, :3]
    maps = np.stack([_colour_map(row, augment.hue * turn) for row, turn in zip(factors, spread[:, 3], strict=True)])
    pivots = (1 - factors[:, 1]) * factors[:, 0]
    matrices, shifts, luma = (torch.from_numpy(values).float().to(images.device) for values in (maps, pivots, LUMA))
    mean = (images.mean((2, 3)) * luma).sum(1)
    # As [N, H*W, 3], which is how channels_last lies in memory.
    colours, moved = images.permute(0, 2, 3, 1).flatten(1, 2), (shifts * mean)[:, None, None].expand(-1, 1, 3)
    changed = torch.baddbmm(moved, colours, matrices.transpose(1, 2).contiguous()).clamp_(0, 255)
    return changed.view(len(images), *images.shape[2:], 3).permute(0, 3, 1, 2)


def _colour_map(factors: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """[3, 3], applied to RGB columns; grey is left grey, for greys lie on the axis of hue and have no saturation."""
    brightness, contrast, saturation = factors
    saturated = saturation * np.eye(3) + (1 - saturation) * np.tile(LUMA, (3, 1))
    changed: NDArray[np.float64] = brightness * contrast * _hue_map(2 * math.pi * turn) @ saturated
    return changed


def _hue_map(angle: float) -> NDArray[np.float64]:
    """Rotation about (1, 1, 1) by Rodrigues' formula."""
    cosine, sine = math.cos(angle), math.sin(angle) / math.sqrt(3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    turned: NDArray[np.float64] = cosine * np.eye(3) + (1 - cosine) / 3 + sine * across
    return turned
