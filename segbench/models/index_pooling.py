"""2x2 max pooling that remembers in 8 bits where each maximum was, and its inverse.

``torch.nn.functional.max_pool2d`` keeps 64 bits a window for what 2 bits can say; here a window's position is one byte
(0 top left, 1 top right, 2 bottom left, 3 bottom right). Both directions are masked copies, so they are deterministic
on every device and need no scatter. Masks act on the bits of the values: on CPUs that takes a tenth of the time that
``torch.where`` takes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from segbench.models.traceable_pooling import traceable_pool, traceable_unpool

__all__ = ["index_pool", "index_unpool"]

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By the bytes of a float."""


def index_pool(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Halves height and width, rounding up as Caffe does.

    Args:
        maps: [N, C, H, W], any float type; fastest in channels_last.

    Returns:
        The maxima [N, C, ceil(H/2), ceil(W/2)] and their positions, uint8 0..3 of the same shape. Values, positions
        and gradient equal those of ``max_pool2d(maps, 2, 2, ceil_mode=True, return_indices=True)``.
    """
    if torch.compiler.is_exporting():
        return traceable_pool(maps)
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
    if torch.compiler.is_exporting():
        return traceable_unpool(maps, positions, size)
    unpooled: Tensor = _IndexUnpool.apply(maps, positions, size)  # type: ignore[no-untyped-call]
    return unpooled


def _positions(indices: Tensor, width: int) -> Tensor:
    """Flat int64 indices of ``max_pool2d`` to positions 0..3 in their windows."""
    rows, columns = (torch.arange(side, dtype=torch.int32, device=indices.device) for side in indices.shape[2:])
    offset = indices.to(torch.int32).sub_(rows[:, None] * (2 * width) + columns * 2)
    below = (offset >= width).view(torch.uint8)
    odd = offset.to(torch.uint8).bitwise_and_(1)
    right = odd.bitwise_xor_(below) if width % 2 else odd
    return right.bitwise_or_(below << 1)


def _corners(maps: Tensor) -> list[Tensor]:
    """The four interleaved sub-grids of maps [N, C, 2h, 2w], by position."""
    return [maps[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]


def _masks(positions: Tensor, integers: torch.dtype) -> tuple[Tensor, Tensor]:
    """All bits set where the maximum was on the right, and where it was below."""
    return (positions & 1).to(integers).neg_(), (positions >> 1).to(integers).neg_()


def _spread(values: Tensor, positions: Tensor, size: tuple[int, int]) -> Tensor:
    batch, channels, rows, columns = values.shape
    integers = INTEGERS[values.element_size()]
    bits = values.view(integers)
    shape = (batch, channels, 2 * rows, 2 * columns)
    full = torch.empty(shape, dtype=integers, device=values.device, memory_format=torch.channels_last)
    above_left, above_right, below_left, below_right = _corners(full)
    right, below = _masks(positions, integers)
    on_right = bits & right
    on_left = bits ^ on_right
    torch.bitwise_and(on_right, below, out=below_right)
    torch.bitwise_xor(on_right, below_right, out=above_right)
    torch.bitwise_and(on_left, below, out=below_left)
    torch.bitwise_xor(on_left, below_left, out=above_left)
    maps = full.view(values.dtype)
    if size == tuple(maps.shape[2:]):
        return maps
    return maps[:, :, : size[0], : size[1]].contiguous(memory_format=torch.channels_last)


def _collect(maps: Tensor, positions: Tensor) -> Tensor:
    rows, columns = positions.shape[2:]
    missing = (2 * columns - maps.shape[3], 2 * rows - maps.shape[2])
    if any(missing):
        maps = functional.pad(maps, (0, missing[0], 0, missing[1]))
    integers = INTEGERS[maps.element_size()]
    above_left, above_right, below_left, below_right = _corners(maps.view(integers))
    right, below = _masks(positions, integers)
    above = _chosen(right, above_right, above_left)
    return _chosen(below, _chosen(right, below_right, below_left), above).view(maps.dtype)


def _chosen(mask: Tensor, there: Tensor, here: Tensor) -> Tensor:
    """``there`` where the mask's bits are set, ``here`` elsewhere."""
    return (there ^ here).bitwise_and_(mask).bitwise_xor_(here)


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
