"""Kept bytes against those worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.engine.decoder_memory import decoder_memory
from segbench.models import create_model

HEIGHT, WIDTH = 32, 48
POSITIONS = 64 * (16 * 24 + 8 * 12 + 4 * 6 + 2 * 3)
"""Of all four levels of SegNet-Basic."""
FIRST = 64 * 16 * 24


def kept(name: str) -> tuple[int, int, int, int]:
    """All, the first level, the least of all, the least of the first level, in bytes."""
    torch.manual_seed(0)
    found = decoder_memory(create_model(name, 11).eval(), torch.rand(1, 3, HEIGHT, WIDTH) * 255)
    assert found is not None
    return found.kept_bytes, found.first_level_bytes, found.least_bytes, found.first_level_least_bytes


@pytest.mark.parametrize("name", ["segnet-basic", "segnet-basic-single-channel-decoder"])
def test_segnet_basic_keeps_a_byte_for_each_position_and_needs_two_bits(name: str) -> None:
    assert kept(name) == (POSITIONS, FIRST, POSITIONS // 4, FIRST // 4)


def test_eleven_and_64_float_maps_are_2_75_and_16_times_the_positions() -> None:
    maps = 64 * (16 * 24 + 8 * 12 + 4 * 6)  # the deepest ones are no storage
    reduced = maps * 11 // 64
    assert kept("fcn-basic") == (4 * maps, 4 * FIRST, 4 * reduced, 4 * FIRST * 11 // 64)
    assert kept("fcn-basic-no-dim-reduction") == (4 * maps, 4 * FIRST, 4 * maps, 4 * FIRST)
    assert kept("fcn-basic")[3] / kept("segnet-basic")[3] == 2.75
    assert kept("fcn-basic-no-dim-reduction")[3] / kept("segnet-basic")[3] == 16


def test_addition_keeps_maps_beside_the_positions() -> None:
    assert kept("segnet-basic-encoder-addition")[1] == FIRST + 4 * FIRST


@pytest.mark.parametrize(
    "name",
    [
        "bilinear-interpolation",
        "fcn-basic-no-addition",
        "fcn-basic-no-addition-no-dim-reduction",
        "segnet-basic-replication",
    ],
)
def test_what_is_not_read_again_is_not_kept(name: str) -> None:
    assert kept(name) == (0, 0, 0, 0)


class Skipping(nn.Module):
    """Two levels; the first one's maps are added as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1), nn.Conv2d(5, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 4, H, W]."""
        skip: Tensor = self.first(images)
        deep = functional.relu(self.second(functional.max_pool2d(skip, 2)))
        enlarged: Tensor = functional.interpolate(self.last(deep), scale_factor=2.0)
        return skip + enlarged


def test_a_skip_is_what_is_kept() -> None:
    found = decoder_memory(Skipping().eval(), torch.rand(2, 3, 8, 6))
    assert found is not None
    assert found.kept_bytes == found.first_level_bytes == found.least_bytes == 2 * 4 * 8 * 6 * 4


def test_half_precision_halves_what_is_kept_but_not_the_unit() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = decoder_memory(Skipping().eval(), torch.rand(2, 3, 8, 6))
    assert found is not None
    assert 2 * found.kept_bytes == found.least_bytes == 2 * 4 * 8 * 6 * 4


def test_a_network_of_one_size_has_no_encoder() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 5, 1))
    assert decoder_memory(chain, torch.rand(1, 3, 8, 8)) is None
