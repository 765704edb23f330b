"""FCN: bilinear kernels against their formula, crops against receptive fields, sizes against Caffe's arithmetic."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from segbench.models import create_model
from segbench.models.bilinear import bilinear_weights, resample
from segbench.models.fcn import FCN, BilinearUpsampling, LearntUpsampling, bilinear_kernel

NETWORKS = {"fcn-32s": 32, "fcn-16s": 16, "fcn-8s": 8, "fcn": 8}


def release_filter(size: int) -> Any:
    """The kernel by the formula of the release: (1 - |i - centre| / factor) in both directions."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 == 1 else factor - 0.5
    grid = np.ogrid[:size, :size]
    return (1 - abs(grid[0] - centre) / factor) * (1 - abs(grid[1] - centre) / factor)


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_kernel_is_that_of_the_release(factor: int) -> None:
    np.testing.assert_allclose(bilinear_kernel(factor).numpy(), release_filter(2 * factor), atol=1e-6)


def test_kernel_worked_by_hand() -> None:
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.equal(bilinear_kernel(2), torch.outer(line, line))


@settings(deadline=None, max_examples=30)
@given(
    factor=st.sampled_from([2, 8, 16, 32]),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    offset=st.integers(0, 31),
)
def test_fixed_upsampling_is_the_transposed_convolution(factor: int, size: tuple[int, int], offset: int) -> None:
    maps = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    kernel = torch.from_numpy(release_filter(2 * factor)).float().expand(3, 1, -1, -1)
    whole = functional.conv_transpose2d(maps, kernel, stride=factor, groups=3)
    offset = min(offset, *(side - 1 for side in whole.shape[2:]))
    height, width = (side - offset for side in whole.shape[2:])
    ours = BilinearUpsampling(factor).cropped(maps, offset, (height, width))
    torch.testing.assert_close(ours, whole[:, :, offset:, offset:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 8])
def test_learnt_upsampling_starts_as_the_fixed_one(factor: int) -> None:
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    layer = LearntUpsampling(3, factor)
    assert layer.weight.requires_grad
    expected = BilinearUpsampling(factor).cropped(maps, 3, (9, 11) if factor > 2 else (6, 7))
    torch.testing.assert_close(layer.cropped(maps, 3, (expected.shape[2], expected.shape[3])), expected)


def test_weights_of_positions_worked_by_hand() -> None:
    positions = torch.tensor([-0.5, 0.0, 0.25, 2.0, 2.5])
    expected = [[0.5, 0, 0], [1, 0, 0], [0.75, 0.25, 0], [0, 0, 1], [0, 0, 0.5]]
    assert bilinear_weights(positions, 3).tolist() == expected
    maps = torch.tensor([[2.0, 4.0], [6.0, 8.0]])[None, None]
    assert resample(maps, torch.tensor([0.5]), torch.tensor([0.0, 0.5])).flatten().tolist() == [4, 5]


def test_resampling_stays_in_float32_under_autocast() -> None:
    maps = torch.rand(1, 2, 5, 5)
    places = torch.linspace(0, 4, 17)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = resample(maps, places, places)
    assert found.dtype == torch.float32
    assert torch.equal(found, resample(maps, places, places))


# --- crops -----------------------------------------------------------------------------------------------------------


class Place:
    """Where the centre of the value of index 0 lies in the image, and how far apart neighbours are."""

    def __init__(self) -> None:
        self.centre, self.step = 0.0, 1.0

    def window(self, kernel: int, padding: int, stride: int = 1) -> None:
        """A convolution or pooling."""
        self.centre += self.step * ((kernel - 1) / 2 - padding)
        self.step *= stride

    def enlarged(self, factor: int) -> Place:
        """A transposed convolution of kernel 2f and stride f: its first value lies (2f-1)/2 steps before index 0."""
        self.step /= factor
        self.centre -= self.step * (2 * factor - 1) / 2
        return self


def place_of_pool(level: int) -> Place:
    place = Place()
    for number, convolutions in enumerate((2, 2, 3, 3, 3)[:level]):
        for index in range(convolutions):
            place.window(3, 100 if number == index == 0 else 1)
        place.window(2, 0, stride=2)
    return place


def test_published_offsets_follow_from_receptive_fields() -> None:
    place = place_of_pool(5)
    place.window(7, 0)  # the first fully connected layer
    assert -copy(place).enlarged(32).centre == 19
    place.enlarged(2)
    pool4 = place_of_pool(4)
    assert (place.centre - pool4.centre) / pool4.step == 5
    assert -copy(place).enlarged(16).centre == 27
    place.enlarged(2)
    pool3 = place_of_pool(3)
    assert (place.centre - pool3.centre) / pool3.step == 9
    assert -copy(place).enlarged(8).centre == 31


def ramps(height: int, width: int, place: Place) -> Tensor:
    """Row and column of the centre of each value, and a one, [1, 3, H, W]."""
    sides = (place.centre + place.step * torch.arange(side) for side in (height, width))
    rows, columns = torch.meshgrid(*sides, indexing="ij")
    return torch.stack([rows, columns, torch.ones_like(rows)])[None]


@pytest.mark.parametrize(("stride", "margin"), [(32, 13), (16, 21), (8, 25)])
@pytest.mark.parametrize("size", [(64, 96), (57, 61), (53, 67)])
def test_constructed_network_gives_each_pixel_its_own_place(stride: Any, margin: int, size: tuple[int, int]) -> None:
    """Where every score carries the coordinates of its centre, upsampling has to give every pixel its own."""
    model = FCN(3, stride=stride, width=2).eval()
    deepest = place_of_pool(5)
    deepest.window(7, 0)
    for score, place in zip(model.scores, (deepest, place_of_pool(4), place_of_pool(3)), strict=False):

        def carries(module: nn.Module, inputs: Any, output: Tensor, place: Place = place) -> Tensor:
            # An equal share each: the sum over the skips is what counts.
            return ramps(output.shape[2], output.shape[3], place) / len(model.scores)

        score.register_forward_hook(carries)
    with torch.no_grad():
        found = model(torch.zeros(1, 3, *size))
    # The release has no scores beyond the image's edge: there the kernels do not sum to one.
    inside = found[:, 2] > 0.9999
    assert inside[:, margin : size[0] - margin, margin : size[1] - margin].all()
    expected = ramps(*size, Place())
    assert ((found - expected).abs().amax(1)[inside] < 1e-3).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_are_those_of_caffe(name: str) -> None:
    """At 500x375 (VOC) the release has scores of 16x12 after fc7."""
    with torch.device("meta"):
        model = create_model(name, 21, width=8)
    assert isinstance(model, FCN)
    heights = []
    for side in (500, 375):
        side += 2 * 99
        for _ in range(5):
            side = -(-side // 2)
        heights.append(side - 6)
    assert heights == [16, 12]
    model = create_model(name, 21, width=2).eval()
    assert isinstance(model, FCN)
    seen: list[torch.Size] = []
    model.scores[0].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    with torch.no_grad():
        model(torch.zeros(1, 3, 100, 75))
    assert seen[0][2:] == (-(-298 // 32) - 6, -(-273 // 32) - 6)


def test_the_original_form_starts_undecided() -> None:
    torch.manual_seed(0)
    model = create_model("fcn-8s", 5, width=4, batch_norm=False)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
    assert not model(torch.rand(1, 3, 40, 40) * 255).any()


def test_one_stage_training_scales_the_skips() -> None:
    model = create_model("fcn-8s", 5, width=4, at_once=True)
    assert isinstance(model, FCN)
    assert model.scales == [0.01, 0.0001]
    inputs: list[Tensor] = []
    plain = create_model("fcn-8s", 5, width=4)
    assert isinstance(plain, FCN)
    plain.load_state_dict(model.state_dict())
    for network in (model.eval(), plain.eval()):
        network.scores[2].register_forward_hook(lambda module, given, output: inputs.append(given[0]))
        with torch.no_grad():
            network(torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 255)
    torch.testing.assert_close(inputs[0], inputs[1] * 0.0001)
