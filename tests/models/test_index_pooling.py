"""Pooling with one-byte positions, against torch's own pooling with int64 indices."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from segbench.models.index_pooling import index_pool, index_unpool


class Case(NamedTuple):
    """Maps and a gradient for their unpooled version."""

    maps: Tensor
    gradient: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.maps.shape[2], self.maps.shape[3]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Maps with ties (few distinct values), constant ones, negative ones; odd sizes, both layouts, two types."""
    shape = tuple(draw(st.integers(1, top)) for top in (3, 5, 19, 19))
    dtype = draw(st.sampled_from([torch.float32, torch.bfloat16]))
    layout = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    levels = draw(st.sampled_from([1, 2, 3, 1000]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    maps = torch.randint(0, levels, shape, generator=generator).to(dtype) - draw(st.sampled_from([0, 2, 2000]))
    gradient = torch.randn(shape, generator=generator).to(dtype)
    return Case(maps.contiguous(memory_format=layout), gradient.contiguous(memory_format=layout))


def reference_pool(maps: Tensor) -> tuple[Tensor, Tensor]:
    pooled, indices = functional.max_pool2d(maps, 2, 2, ceil_mode=True, return_indices=True)
    return pooled, indices


def positions_of(indices: Tensor, width: int) -> Tensor:
    """Flat indices as row and column parity, read off one at a time."""
    return (indices // width % 2 * 2 + indices % width % 2).to(torch.uint8)


@settings(deadline=None, max_examples=80)
@given(cases())
def test_pooling_is_that_of_torch(case: Case) -> None:
    ours, theirs = case.maps.clone().requires_grad_(), case.maps.clone().requires_grad_()
    pooled, positions = index_pool(ours)
    expected, indices = reference_pool(theirs)
    assert positions.dtype == torch.uint8
    assert torch.equal(pooled, expected)
    assert torch.equal(positions, positions_of(indices, case.size[1]))
    upstream = case.gradient[:, :, : pooled.shape[2], : pooled.shape[3]]
    torch.autograd.backward(pooled, upstream)
    torch.autograd.backward(expected, upstream)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


@settings(deadline=None, max_examples=80)
@given(cases())
def test_unpooling_is_that_of_torch(case: Case) -> None:
    pooled, indices = reference_pool(case.maps)
    _, positions = index_pool(case.maps)
    ours, theirs = pooled.clone().requires_grad_(), pooled.clone().requires_grad_()
    result = index_unpool(ours, positions, case.size)
    expected = functional.max_unpool2d(theirs, indices, [2, 2], [2, 2], output_size=list(case.size))
    assert result.dtype == case.maps.dtype
    assert torch.equal(result, expected)
    torch.autograd.backward(result, case.gradient)
    torch.autograd.backward(expected, case.gradient)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (4, 7), (5, 5)])
def test_gradients_in_double_precision(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(3)
    # Distinct values, far enough apart for finite differences.
    maps = torch.randperm(2 * 3 * size[0] * size[1], generator=generator).double().view(2, 3, *size).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: index_pool(x)[0], (maps,))
    pooled, positions = index_pool(maps.detach())
    assert torch.autograd.gradcheck(lambda x: index_unpool(x, positions, size), (pooled.requires_grad_(),))


def test_worked_by_hand() -> None:
    maps = torch.tensor([[1.0, 5.0, 2.0], [3.0, 5.0, 7.0], [-4.0, -2.0, -9.0]])[None, None]
    pooled, positions = index_pool(maps)
    assert pooled[0, 0].tolist() == [[5, 7], [-2, -9]]
    assert positions[0, 0].tolist() == [[1, 2], [1, 0]]
    unpooled = index_unpool(pooled, positions, (3, 3))
    assert unpooled[0, 0].tolist() == [[0, 5, 0], [0, 0, 7], [0, -2, -9]]


def test_rounds_up_as_caffe_does() -> None:
    assert index_pool(torch.zeros(1, 1, 45, 60))[0].shape == (1, 1, 23, 30)


def test_positions_carry_no_gradient() -> None:
    assert not index_pool(torch.zeros(1, 1, 4, 4, requires_grad=True))[1].requires_grad


@pytest.mark.parametrize("size", [(4, 4), (7, 8), (6, 9), (8, 4)])
def test_unpooling_to_another_size_is_refused(size: tuple[int, int]) -> None:
    maps = torch.zeros(1, 1, 3, 4)
    with pytest.raises(ValueError, match=r"maps of \(3, 4\) do not unpool"):
        index_unpool(maps, maps.to(torch.uint8), size)
