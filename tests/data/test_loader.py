"""Order and conversion: laws, and values that must never change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.loader import epoch_order, to_float

SEEDS = st.integers(0, 2**32)
EPOCHS = st.integers(0, 10_000)


@given(st.integers(0, 300), SEEDS, EPOCHS)
def test_each_image_once(num_images: int, seed: int, epoch: int) -> None:
    order = epoch_order(num_images, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(num_images))


@given(SEEDS, EPOCHS)
def test_seed_and_epoch_decide(seed: int, epoch: int) -> None:
    order = epoch_order(50, seed, epoch).tolist()
    assert order == epoch_order(50, seed, epoch).tolist()
    assert order != epoch_order(50, seed, epoch + 1).tolist()
    assert order != epoch_order(50, seed + 1, epoch).tolist()


def test_seed_and_epoch_do_not_mix() -> None:
    assert epoch_order(50, 1, 2).tolist() != epoch_order(50, 2, 1).tolist()


def test_the_order_of_committed_records_stays() -> None:
    assert epoch_order(8, 0, 0).tolist() == [2, 1, 7, 3, 6, 5, 4, 0]
    assert epoch_order(8, 1, 7).tolist() == [6, 2, 5, 1, 4, 0, 7, 3]


def test_every_image_comes_first_about_equally_often() -> None:
    first = np.bincount([epoch_order(10, 0, epoch)[0] for epoch in range(3000)], minlength=10)
    # 300 each with a standard deviation of 16.
    assert first.min() > 220
    assert first.max() < 380


@pytest.mark.parametrize("channels_last", [False, True])
def test_to_float_moves_channels_and_keeps_values(channels_last: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    floats = to_float(images, channels_last=channels_last)
    assert floats.dtype == np.float32
    assert floats.shape == (2, 3, 3, 4)
    assert (floats.transpose(0, 2, 3, 1) if channels_last else floats).flags.c_contiguous
    for n, y, x, c in np.ndindex(2, 3, 4, 3):
        assert floats[n, c, y, x] == float(images[n, y, x, c])
