"""2x2 max pooling that remembers in 8 bits where each maximum was, and its inverse.

``torch.nn.functional.max_pool2d`` keeps 64 bits a window for what 2 bits can say; here a window's position is one byte
(0 top left, 1 top right, 2 bottom left, 3 bottom right). Both directions are gathers and masked copies, so they are
deterministic on every device and need no scatter.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

__all__ = ["index_pool", "index_unpool"]


def index_pool(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Halves height and width, rounding up as Caffe does.

    Args:
        maps: [N, C, H, W], any float type; fastest in channels_last.

    Returns:
        The maxima [N, C, ceil(H/2), ceil(W/2)] and their positions, uint8 0..3 of the same shape. Values, positions
        and gradient equal those of ``max_pool2d(maps, 2, 2, ceil_mode=True, return_indices=True)``.
    """
    pooled, positions = _IndexPool.apply(maps)  # type: ignore[no-untyped-call]
    return pooled, positions


def index_unpool(maps: Tensor, positions: Tensor, size: tuple[int, int]) -> Tensor:
    """Puts each value where the maximum of its window was, zeros elsewhere.

    Args:
        maps: [N, C, h, w].
        positions: uint8 [N, C, h, w] from :func:`index_pool`.
        size: H, W of the result, with h = ceil(H/2) and w = ceil(W/2).

    Returns:
        [N, C, H, W]; equal to ``max_unpool2d`` with the matching int64 indices, forward and backward.

    Raises:
        ValueError: ``size`` does not belong to the shape of ``maps``.
    """
    expected = tuple(-(-side // 2) for side in size)
    if tuple(maps.shape[2:]) != expected:
        raise ValueError(f"maps of {tuple(maps.shape[2:])} do not unpool to {size}, only {expected} do")
    unpooled: Tensor = _IndexUnpool.apply(maps, positions, size)  # type: ignore[no-untyped-call]
    return unpooled


def _positions(indices: Tensor, width: int) -> Tensor:
    """Flat int64 indices of ``max_pool2d`` to positions 0..3 in their windows."""
    rows, columns = indices.shape[2:]
    grid = torch.arange(rows, device=indices.device)[:, None] * (2 * width)
    corner = grid + torch.arange(columns, device=indices.device) * 2
    offset = torch.empty_like(indices, dtype=torch.int16)
    torch.sub(indices, corner, out=offset)
    below = (offset >= width).to(torch.uint8)
    right = (offset & 1).to(torch.uint8)
    return (right ^ below if width % 2 else right) | (below << 1)


def _corners(maps: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The four interleaved sub-grids of maps [N, C, 2h, 2w], each with its position."""
    for position in range(4):
        yield position, maps[:, :, position // 2 :: 2, position % 2 :: 2]


def _spread(values: Tensor, positions: Tensor, size: tuple[int, int]) -> Tensor:
    batch, channels, rows, columns = values.shape
    shape = (batch, channels, 2 * rows, 2 * columns)
    full = torch.empty(shape, dtype=values.dtype, device=values.device, memory_format=torch.channels_last)
    zero = values.new_zeros(())
    for position, corner in _corners(full):
        torch.where(positions == position, values, zero, out=corner)
    if size == tuple(full.shape[2:]):
        return full
    return full[:, :, : size[0], : size[1]].contiguous(memory_format=torch.channels_last)


def _collect(maps: Tensor, positions: Tensor) -> Tensor:
    rows, columns = positions.shape[2:]
    missing = (2 * columns - maps.shape[3], 2 * rows - maps.shape[2])
    if any(missing):
        maps = functional.pad(maps, (0, missing[0], 0, missing[1]))
    collected = maps[:, :, ::2, ::2]
    for position, corner in _corners(maps):
        if position:
            collected = torch.where(positions == position, corner, collected)
    return collected


class _IndexPool(Function):
    @staticmethod
    def forward(ctx, maps: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
        pooled, indices = functional.max_pool2d(maps, 2, 2, ceil_mode=True, return_indices=True)
        positions = _positions(indices, maps.shape[3])
        ctx.mark_non_differentiable(positions)
        ctx.save_for_backward(positions)
        ctx.size = (maps.shape[2], maps.shape[3])
        return pooled, positions

    @staticmethod
    def backward(ctx, gradient: Tensor, _: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        (positions,) = ctx.saved_tensors
        return _spread(gradient, positions, ctx.size)


class _IndexUnpool(Function):
    @staticmethod
    def forward(ctx, maps: Tensor, positions: Tensor, size: tuple[int, int]) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(positions)
        return _spread(maps, positions, size)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
        (positions,) = ctx.saved_tensors
        return _collect(gradient, positions), None, None
