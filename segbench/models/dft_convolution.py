"""Large-kernel convolution through the discrete Fourier transform, for CPUs without matrix instructions.

A 7x7 convolution costs 49 multiplications a pixel and pair of channels. Cut into tiles and multiplied in the frequency
domain it costs about 3, exact to float32 rounding. Every transform is written as a matrix product on a layout with
channels innermost, so that the work is matrix products from end to end, and tiles are processed in chunks that stay in
the cache.

Method: overlap-save forward, overlap-add for the gradient of the input (Mathieu, Henaff, LeCun, arXiv 1312.5851, use
the same identities with a transform of the whole image).

Shapes in this file: a spectrum is [F, 2, T, M, C]: F = T//2 + 1 row frequencies (the rest is conjugate), real and
imaginary part, T column frequencies, M tiles, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

__all__ = ["dft_convolution", "suits_dft"]

TILE = 30
"""Largest side of the valid part of a tile; with a 7x7 kernel the transform has 36 = 4 x 9 points."""
CHUNK = 64
"""Tiles processed at once: about 20 MiB of spectra at 64 channels."""


def suits_dft(images: Tensor, weight: Tensor) -> bool:
    """Whether the Fourier route computes this same-size convolution faster than the direct one does."""
    kernel = weight.shape[2]
    return (
        images.device.type == "cpu"
        and images.dtype == torch.float32
        and weight.dtype == torch.float32
        and weight.shape[3] == kernel
        and kernel >= 5
        and kernel % 2 == 1
        and min(weight.shape[:2]) >= 16
        and min(images.shape[2:]) >= 16
    )


def dft_convolution(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Stride 1, zero padding k//2.

    Args:
        images: float32 [N, C, H, W].
        weight: float32 [K, C, k, k], k odd.
        bias: [K] or ``None``.

    Returns:
        [N, K, H, W] in channels_last; equal to ``conv2d`` to float32 rounding, gradients too.
    """
    output: Tensor = _DftConvolution.apply(images, weight, bias)  # type: ignore[no-untyped-call]
    return output


@dataclass(frozen=True)
class _Axis:
    """How one side of length ``n`` is cut: ``count`` tiles of ``valid`` pixels, transforms of ``points``."""

    n: int
    count: int
    valid: int
    points: int

    @classmethod
    def of(cls, n: int, kernel: int) -> _Axis:
        count = -(-n // TILE)
        valid = -(-n // count)
        return cls(n, count, valid, valid + kernel - 1)

    @property
    def missing(self) -> int:
        """Pixels beyond the image that the last tile covers."""
        return self.count * self.valid - self.n


@dataclass(frozen=True)
class _Plan:
    """The tiling of an image for one kernel size."""

    rows: _Axis
    columns: _Axis
    kernel: int

    @property
    def tiles(self) -> int:
        return self.rows.count * self.columns.count

    @property
    def images_at_once(self) -> int:
        return max(1, CHUNK // self.tiles)


def _angles(points: int, length: int, frequencies: int) -> Tensor:
    grid = torch.outer(torch.arange(frequencies, dtype=torch.float64), torch.arange(length, dtype=torch.float64))
    return 2 * math.pi / points * grid


@cache
def _row_forward(points: int, length: int) -> Tensor:
    """[2F, length]: real signal to its half spectrum, real and imaginary rows interleaved."""
    angles = _angles(points, length, points // 2 + 1)
    return torch.stack([angles.cos(), -angles.sin()], 1).reshape(-1, length).float()


@cache
def _column_forward(points: int, length: int) -> Tensor:
    """[2T, 2 length]: complex signal to its spectrum, all real parts before all imaginary ones."""
    angles = _angles(points, length, points)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([torch.cat([cosine, sine], 1), torch.cat([-sine, cosine], 1)]).float()


@cache
def _column_inverse(points: int, length: int) -> Tensor:
    """[2 length, 2T]: the first ``length`` values of the inverse of :func:`_column_forward`."""
    angles = _angles(points, length, points).T
    cosine, sine = angles.cos() / points, angles.sin() / points
    return torch.cat([torch.cat([cosine, -sine], 1), torch.cat([sine, cosine], 1)]).float()


@cache
def _row_inverse(points: int, length: int) -> Tensor:
    """[length, 2F]: the first ``length`` values of the inverse of :func:`_row_forward`."""
    frequencies = points // 2 + 1
    angles = _angles(points, length, frequencies).T
    share = torch.full((frequencies,), 2.0, dtype=torch.float64)
    share[0] = 1.0
    if points % 2 == 0:
        share[-1] = 1.0
    return (torch.stack([angles.cos() * share, -angles.sin() * share], 2).reshape(length, -1) / points).float()


def _transform(tiles: Tensor, plan: _Plan) -> Tensor:
    """[h, w, M, C] of at most the plan's points to a spectrum [F, 2, T, M, C]."""
    height, width, count, channels = tiles.shape
    rows = _row_forward(plan.rows.points, height) @ tiles.reshape(height, -1)
    folded = rows.view(-1, 2 * width, count * channels)
    spectrum = torch.matmul(_column_forward(plan.columns.points, width), folded)
    return spectrum.view(-1, 2, plan.columns.points, count, channels)


def _inverse(spectrum: Tensor, plan: _Plan, height: int, width: int) -> Tensor:
    """The first ``height`` x ``width`` values of each tile, [height, width, M, C]."""
    frequencies, _, points, count, channels = spectrum.shape
    folded = spectrum.view(frequencies, 2 * points, count * channels)
    columns = torch.matmul(_column_inverse(points, width), folded)
    rows = _row_inverse(plan.rows.points, height) @ columns.view(2 * frequencies, -1)
    return rows.view(height, width, count, channels)


def _product(left: Tensor, right: Tensor, *, conjugate: bool) -> Tensor:
    """Complex matrix product of spectra at each frequency, ``right`` conjugated or not."""
    shape = (*left.shape[:-1], right.shape[-1])
    product = left.new_empty(shape)
    sign = -1 if conjugate else 1
    for a, b, out in zip(left, right, product, strict=True):
        torch.bmm(a[0], b[0], out=out[0])
        torch.bmm(a[1], b[0], out=out[1])
        out[0].baddbmm_(a[1], b[1], alpha=-sign)
        out[1].baddbmm_(a[0], b[1], alpha=sign)
    return product


def _cut(images: Tensor, plan: _Plan, halo: int) -> Tensor:
    """Images [N, H, W, C] to tiles [T, T, M, C] that overlap by twice ``halo``."""
    rows, columns = plan.rows, plan.columns
    padded = functional.pad(images, (0, 0, halo, halo + columns.missing, halo, halo + rows.missing))
    stride = padded.stride()
    shape = (rows.valid + 2 * halo, columns.valid + 2 * halo, images.shape[0], rows.count, columns.count)
    strides = (stride[1], stride[2], stride[0], stride[1] * rows.valid, stride[2] * columns.valid, 1)
    windows = padded.as_strided((*shape, images.shape[3]), strides)
    return windows.reshape(shape[0], shape[1], -1, images.shape[3])


def _join(tiles: Tensor, plan: _Plan, output: Tensor) -> None:
    """Disjoint tiles [valid, valid, M, C] to images [N, H, W, C]."""
    rows, columns = plan.rows, plan.columns
    parts = tiles.view(rows.valid, columns.valid, -1, rows.count, columns.count, tiles.shape[3])
    ordered = parts.permute(2, 3, 0, 4, 1, 5)
    if rows.missing or columns.missing:
        whole = ordered.reshape(-1, rows.count * rows.valid, columns.count * columns.valid, tiles.shape[3])
        output.copy_(whole[:, : rows.n, : columns.n])
    else:
        output.view(ordered.shape).copy_(ordered)


def _overlap_add(tiles: Tensor, plan: _Plan, output: Tensor) -> None:
    """Sums overlapping tiles [T, T, M, C] into images [N, H, W, C]; every other tile is disjoint, hence four rounds."""
    rows, columns, channels = plan.rows, plan.columns, tiles.shape[3]
    halo = plan.kernel // 2
    parts = tiles.view(rows.points, columns.points, -1, rows.count, columns.count, channels)
    height, width = (rows.count + 1) * rows.valid + 2 * halo, (columns.count + 1) * columns.valid + 2 * halo
    total = tiles.new_zeros(parts.shape[2], height, width, channels)
    stride = total.stride()
    for first in range(min(2, rows.count)):
        for second in range(min(2, columns.count)):
            part = parts[:, :, :, first::2, second::2]
            strides = (stride[1], stride[2], stride[0], 2 * rows.valid * stride[1], 2 * columns.valid * stride[2], 1)
            offset = first * rows.valid * stride[1] + second * columns.valid * stride[2]
            total.as_strided(part.shape, strides, offset).add_(part)
    output.copy_(total[:, halo : halo + rows.n, halo : halo + columns.n])


class _DftConvolution(Function):
    @staticmethod
    def forward(ctx, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[no-untyped-def]
        kernel_size = weight.shape[2]
        plan = _Plan(_Axis.of(images.shape[2], kernel_size), _Axis.of(images.shape[3], kernel_size), kernel_size)
        source = images.permute(0, 2, 3, 1).contiguous()
        kernel = _transform(weight.permute(2, 3, 1, 0).contiguous(), plan)
        output = source.new_empty(*source.shape[:3], weight.shape[0])
        spectra = []
        parts, targets = (torch.split(tensor, plan.images_at_once) for tensor in (source, output))
        for part, target in zip(parts, targets, strict=True):
            spectrum = _transform(_cut(part, plan, plan.kernel // 2), plan)
            product = _product(spectrum, kernel, conjugate=True)
            _join(_inverse(product, plan, plan.rows.valid, plan.columns.valid), plan, target)
            spectra.append(spectrum)
            if bias is not None:
                target.add_(bias)
        ctx.save_for_backward(kernel, *(spectra if ctx.needs_input_grad[1] else ()))
        ctx.plan = plan
        return output.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        kernel, *spectra = ctx.saved_tensors
        plan: _Plan = ctx.plan
        wants_images, wants_weight, wants_bias = ctx.needs_input_grad
        source = gradient.permute(0, 2, 3, 1).contiguous()
        images = source.new_empty(*source.shape[:3], kernel.shape[3]) if wants_images else None
        weight: Tensor | None = None
        for start, part in zip(
            range(0, len(source), plan.images_at_once), torch.split(source, plan.images_at_once), strict=True
        ):
            spectrum = _transform(_cut(part, plan, 0), plan)
            if wants_weight:
                share = _product(spectra[start // plan.images_at_once].transpose(-1, -2), spectrum, conjugate=True)
                weight = share if weight is None else weight.add_(share)
            if images is not None:
                product = _product(spectrum, kernel.transpose(-1, -2), conjugate=False)
                tiles = _inverse(product, plan, plan.rows.points, plan.columns.points)
                _overlap_add(tiles, plan, images[start : start + len(part)])
        return (
            None if images is None else images.permute(0, 3, 1, 2),
            None if weight is None else _inverse(weight, plan, plan.kernel, plan.kernel).permute(3, 2, 0, 1),
            source.sum((0, 1, 2)) if wants_bias else None,
        )
