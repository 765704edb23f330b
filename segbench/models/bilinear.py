"""Bilinear resampling at any positions, as two products with small matrices.

Written so, it is deterministic on every device (the backward pass of torch's own is not on CUDA), and only the pixels
that are wanted are computed.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bilinear_weights", "resample"]


def bilinear_weights(positions: Tensor, count: int) -> Tensor:
    """Weights [P, count] of ``count`` samples at 0, 1, 2 ... for each of P positions.

    A sample's weight falls linearly to 0 at distance 1. Outside 0..count-1 the weights sum to less than 1: there are
    zeros beyond the samples.
    """
    samples = torch.arange(count, dtype=torch.float32, device=positions.device)
    return (1 - (positions.float()[:, None] - samples).abs()).clamp(min=0)


def resample(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] at rows [H] and columns [W] (in units of samples) to float32 [N, C, H, W]."""
    with torch.autocast(maps.device.type, enabled=False):
        vertical = bilinear_weights(rows, maps.shape[2])
        horizontal = bilinear_weights(columns, maps.shape[3])
        return vertical @ maps.float() @ horizontal.T
