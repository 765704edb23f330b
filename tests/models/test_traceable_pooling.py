"""The pooling for exports against the pooling for training."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segbench.models.index_pooling import index_pool, index_unpool
from segbench.models.traceable_pooling import traceable_pool, traceable_unpool


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.integers(0, 10_000))
def test_values_and_positions_are_the_same(height: int, width: int, levels: int, seed: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    # Few different values: most windows have ties.
    maps = torch.randint(-levels, levels, (2, 3, height, width), generator=dice).float()
    pooled, positions = index_pool(maps)
    ours, ours_positions = traceable_pool(maps)
    assert torch.equal(ours, pooled)
    assert ours_positions.dtype == torch.uint8
    assert torch.equal(ours_positions, positions)
    size = (height, width)
    assert torch.equal(traceable_unpool(ours, positions, size), index_unpool(pooled, positions, size))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_types_are_kept(dtype: torch.dtype) -> None:
    maps = torch.randn(1, 2, 5, 6).to(dtype)
    pooled, positions = traceable_pool(maps)
    assert pooled.dtype == traceable_unpool(pooled, positions, (5, 6)).dtype == dtype
