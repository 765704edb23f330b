"""3x3 max pooling with overlapping windows that remembers positions in 8 bits, deterministic on every device.

torch's own keeps 64 bits a window and adds its gradients atomically on CUDA.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

__all__ = ["max_pool_3x3"]


def max_pool_3x3(maps: Tensor, stride: int) -> Tensor:
    """Maxima of 3x3 windows around every ``stride``-th pixel; nothing beyond the edges counts.

    Args:
        maps: [N, C, H, W], any float type; fastest in channels_last.
        stride: 1 or more.

    Returns:
        [N, C, ceil(H/stride), ceil(W/stride)]; values and gradient are those of ``max_pool2d(maps, 3, stride, 1)``.
    """
    pooled: Tensor = _MaxPool3x3.apply(maps, stride)  # type: ignore[no-untyped-call]
    return pooled


def _positions(indices: Tensor, width: int, stride: int) -> Tensor:
    """Flat int64 indices of ``max_pool2d`` to positions 0..8 in their windows, row by row."""
    rows = torch.arange(indices.shape[2], device=indices.device)[:, None] * stride - 1
    columns = torch.arange(indices.shape[3], device=indices.device) * stride - 1
    return ((indices // width - rows) * 3 + indices % width - columns).to(torch.uint8)


class _MaxPool3x3(Function):
    @staticmethod
    def forward(ctx, maps: Tensor, stride: int) -> Tensor:  # type: ignore[no-untyped-def]
        pooled, indices = functional.max_pool2d(maps, 3, stride, 1, return_indices=True)
        ctx.save_for_backward(_positions(indices, maps.shape[3], stride))
        ctx.size, ctx.stride = (maps.shape[2], maps.shape[3]), stride
        return pooled

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (positions,) = ctx.saved_tensors
        (height, width), stride = ctx.size, ctx.stride
        rows, columns = (stride * (side - 1) + 1 for side in gradient.shape[2:])
        # One row and column more on each side, so that every corner of a window has its place.
        shape = (*gradient.shape[:2], max(height, rows) + 2, max(width, columns) + 2)
        full = torch.zeros(shape, dtype=gradient.dtype, device=gradient.device)
        full = full.contiguous(memory_format=torch.channels_last)
        zero = gradient.new_zeros(())
        for position in range(9):
            top, left = divmod(position, 3)
            place = full[:, :, top : top + rows : stride, left : left + columns : stride]
            place += torch.where(positions == position, gradient, zero)
        return full[:, :, 1 : height + 1, 1 : width + 1], None
