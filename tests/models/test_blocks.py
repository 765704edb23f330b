"""Initialisation, local response normalisation and the doubling layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from segbench.models import create_model
from segbench.models.blocks import Encoder, LocalResponseNormalisation, SegmentationModel, resize_logits
from segbench.models.fcn_basic import Doubling


@pytest.mark.parametrize("name", ["segnet-basic", "segnet-basic-single-channel-decoder", "fcn-basic-no-dim-reduction"])
def test_he_initialisation(name: str) -> None:
    torch.manual_seed(0)
    for part in create_model(name, 11).modules():
        if isinstance(part, nn.Conv2d):
            assert part.bias is not None
            assert not part.bias.any()
            fan_in = part.weight[0].numel()
            spread = 5 * (2 / part.weight.numel()) ** 0.5  # five standard errors of a normal variance
            assert part.weight.var().item() * fan_in / 2 == pytest.approx(1, abs=spread)
        if isinstance(part, nn.BatchNorm2d):
            assert (part.weight == 1).all()
            assert (part.bias == 0).all()


@pytest.mark.parametrize("size", [(5, 7), (8, 6)])
def test_doubling_starts_as_bilinear_interpolation(size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    doubled = Doubling(3)(maps)
    expected = functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    assert doubled.shape == expected.shape
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # outside the maps are zeros, not their edge
    torch.testing.assert_close(doubled[inside], expected[inside])


def test_doubling_cuts_to_odd_sizes() -> None:
    maps = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    layer = Doubling(2)
    assert torch.equal(layer.to_size(maps, (7, 9)), layer(maps)[:, :, :7, :9])


def test_doubling_survives_the_initialisation_of_the_network() -> None:
    model = create_model("fcn-basic", 3, width=8)
    doublings = [part for part in model.modules() if isinstance(part, Doubling)]
    assert len(doublings) == 4
    assert all(torch.equal(part.weight, Doubling(3).weight) for part in doublings)


def test_local_response_normalisation_is_that_of_torch() -> None:
    images = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 255
    expected = nn.LocalResponseNorm(5, 1e-4, 0.75, k=1)(images)
    torch.testing.assert_close(LocalResponseNormalisation()(images), expected, rtol=1e-6, atol=1e-5)


def test_normalisation_stays_in_float32_under_autocast() -> None:
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
    model = create_model("segnet-basic", 2, width=8)
    assert isinstance(model, SegmentationModel)
    seen: list[torch.Tensor] = []
    model.preprocess.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(images)
    assert seen[0].dtype == torch.float32
    assert torch.equal(seen[0], LocalResponseNormalisation()(images))


def test_encoder_reports_sizes_that_round_up() -> None:
    pooled, positions, sizes = Encoder(8)(torch.zeros(1, 3, 45, 61))
    assert sizes == [(45, 61), (23, 31), (12, 16), (6, 8)]
    assert [tuple(maps.shape[2:]) for maps in pooled] == [(23, 31), (12, 16), (6, 8), (3, 4)]
    assert [values.shape for values in positions] == [maps.shape for maps in pooled]


def test_resizing_logits_to_their_own_size_is_free() -> None:
    logits = torch.zeros(1, 2, 4, 4)
    assert resize_logits(logits, (4, 4)) is logits
    assert resize_logits(logits, (7, 9)).shape == (1, 2, 7, 9)
