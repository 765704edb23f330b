"""The Fourier route, against a direct convolution in double precision."""

from __future__ import annotations

from typing import NamedTuple
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from segbench.models import dft_convolution as module
from segbench.models.blocks import Convolution, use_convolution
from segbench.models.dft_convolution import TILE, dft_convolution, suits_dft

TOLERANCE = 1e-5


class Case(NamedTuple):
    """A convolution and the gradient of its output."""

    images: Tensor
    weight: Tensor
    bias: Tensor | None
    gradient: Tensor


def case(shape: tuple[int, int, int, int], filters: int, kernel: int, bias: bool = True, seed: int = 0) -> Case:
    """Random values of the scale that networks have."""
    generator = torch.Generator().manual_seed(seed)
    batch, channels, height, width = shape
    weight = torch.randn(filters, channels, kernel, kernel, generator=generator) / (channels * kernel**2) ** 0.5
    return Case(
        torch.randn(shape, generator=generator),
        weight,
        torch.randn(filters, generator=generator) if bias else None,
        torch.randn(batch, filters, height, width, generator=generator),
    )


def computed(values: Case, double: bool) -> list[Tensor]:
    """Output and gradients of images, weight and bias; directly in float64, or by the Fourier route."""
    given_values = [value for value in values[:3] if value is not None]
    leaves = [(value.double() if double else value.clone()).requires_grad_() for value in given_values]
    images, weight, bias = leaves[0], leaves[1], leaves[2] if len(leaves) == 3 else None
    if double:
        output = functional.conv2d(images, weight, bias, padding=weight.shape[2] // 2)
    else:
        output = dft_convolution(images, weight, bias)
    torch.autograd.backward(output, values.gradient.to(output.dtype))
    return [output.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def assert_agrees(values: Case) -> None:
    """Output and all gradients agree to ``TOLERANCE`` of the largest value."""
    ours, exact = computed(values, double=False), computed(values, double=True)
    assert len(ours) == len(exact) == (3 if values.bias is None else 4)
    for mine, theirs in zip(ours, exact, strict=True):
        assert mine.shape == theirs.shape
        assert ((mine - theirs).abs().max() / theirs.abs().max()).item() < TOLERANCE


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    height, width = draw(st.integers(16, 70)), draw(st.integers(16, 70))
    return draw(st.integers(1, 4)), draw(st.sampled_from([16, 17, 24])), height, width


@settings(deadline=None, max_examples=12)
@given(
    shape=shapes(),
    filters=st.sampled_from([16, 19]),
    kernel=st.sampled_from([5, 7]),
    bias=st.booleans(),
    chunk=st.sampled_from([1, 2, 5, 9, 64]),
)
def test_agrees_with_double_precision(
    shape: tuple[int, int, int, int], filters: int, kernel: int, bias: bool, chunk: int
) -> None:
    # Small chunks split even a small batch, unevenly too.
    with mock.patch.object(module, "CHUNK", chunk):
        assert_agrees(case(shape, filters, kernel, bias))


@pytest.mark.parametrize("side", [16, TILE - 1, TILE, TILE + 1, 2 * TILE, 2 * TILE + 1])
def test_agrees_at_the_edges_of_tiles(side: int) -> None:
    assert_agrees(case((1, 16, side, 33), 16, 7))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layout_does_not_matter(layout: torch.memory_format) -> None:
    values = case((2, 16, 20, 37), 16, 7)
    laid_out = [value.contiguous(memory_format=layout) for value in (values.images, values.weight, values.gradient)]
    assert_agrees(Case(laid_out[0], laid_out[1], values.bias, laid_out[2]))
    assert dft_convolution(*values[:3]).is_contiguous(memory_format=torch.channels_last)


def test_only_the_wanted_gradients_are_computed() -> None:
    images, weight, bias, gradient = case((1, 16, 16, 16), 16, 5)
    weight.requires_grad_()
    torch.autograd.backward(dft_convolution(images, weight, bias), gradient)
    assert images.grad is None
    assert weight.grad is not None


def test_same_bits_each_time() -> None:
    values = case((2, 16, 31, 40), 16, 7)
    assert all(map(torch.equal, computed(values, double=False), computed(values, double=False)))


def test_matrices_made_in_inference_mode_serve_training() -> None:
    for made in (module._row_forward, module._column_forward, module._column_inverse, module._row_inverse):
        made.cache_clear()
    values = case((1, 16, 18, 19), 16, 5)
    with torch.inference_mode():
        dft_convolution(*values[:3])
    assert_agrees(values)


SUITS: dict[str, tuple[tuple[int, ...], tuple[int, ...], torch.dtype, bool]] = {
    "7x7": ((1, 16, 16, 16), (16, 16, 7, 7), torch.float32, True),
    "5x5": ((1, 16, 16, 16), (16, 16, 5, 5), torch.float32, True),
    "small kernel": ((1, 16, 16, 16), (16, 16, 3, 3), torch.float32, False),
    "even kernel": ((1, 16, 16, 16), (16, 16, 6, 6), torch.float32, False),
    "oblong kernel": ((1, 16, 16, 16), (16, 16, 7, 5), torch.float32, False),
    "few inputs": ((1, 15, 16, 16), (16, 15, 7, 7), torch.float32, False),
    "few outputs": ((1, 16, 16, 16), (15, 16, 7, 7), torch.float32, False),
    "low image": ((1, 16, 15, 16), (16, 16, 7, 7), torch.float32, False),
    "narrow image": ((1, 16, 16, 15), (16, 16, 7, 7), torch.float32, False),
    "bf16": ((1, 16, 16, 16), (16, 16, 7, 7), torch.bfloat16, False),
}


@pytest.mark.parametrize("name", SUITS)
def test_what_suits(name: str) -> None:
    images, weight, dtype, expected = SUITS[name]
    assert suits_dft(torch.zeros(images, dtype=dtype), torch.zeros(weight)) is expected
    assert not suits_dft(torch.zeros(images, device="meta"), torch.zeros(weight, device="meta"))


@pytest.mark.parametrize(("groups", "kernel", "calls"), [(1, 7, 1), (16, 7, 0), (1, 3, 0), (1, 1, 0)])
def test_convolution_takes_the_route_where_it_suits(groups: int, kernel: int, calls: int) -> None:
    layer = Convolution(16, 16, kernel, groups)
    images = torch.randn(1, 16, 20, 20, generator=torch.Generator().manual_seed(0))
    direct = layer(images)
    use_convolution(layer, "dft")
    with mock.patch("segbench.models.blocks.dft_convolution", wraps=dft_convolution) as route:
        torch.testing.assert_close(layer(images), direct, rtol=1e-4, atol=1e-5)
    assert route.call_count == calls
