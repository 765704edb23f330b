"""The pooling of :mod:`~segbench.models.index_pooling` made of elementwise operations, for ``torch.export`` and ONNX.

Slower, and the same values and positions: a graph can hold neither what the fast forms write into place nor their own
rule for gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["traceable_pool", "traceable_unpool"]


def traceable_pool(maps: Tensor) -> tuple[Tensor, Tensor]:
    """As ``index_pool``: maps [N, C, H, W] to maxima [N, C, ceil(H/2), ceil(W/2)] and their positions 0..3, uint8."""
    below, right = maps.shape[2] % 2, maps.shape[3] % 2
    maps = functional.pad(maps, (0, right, 0, below), value=float("-inf"))
    corners = [maps[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    pooled = torch.maximum(torch.maximum(corners[0], corners[1]), torch.maximum(corners[2], corners[3]))
    positions = torch.full_like(pooled, 3, dtype=torch.uint8)
    # The first of equal values is the maximum, so it is asked for last.
    for position in (2, 1, 0):
        positions = torch.where(corners[position] == pooled, position, positions)
    return pooled, positions.to(torch.uint8)


def traceable_unpool(maps: Tensor, positions: Tensor, size: tuple[int, int]) -> Tensor:
    """As ``index_unpool``: maps [N, C, h, w] and their positions to [N, C, *size], zeros elsewhere."""
    corners = [torch.where(positions == position, maps, 0) for position in range(4)]
    rows = [torch.stack(corners[first : first + 2], dim=-1).flatten(-2) for first in (0, 2)]
    return torch.stack(rows, dim=-2).flatten(2, 3)[:, :, : size[0], : size[1]]
