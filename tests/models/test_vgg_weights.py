"""ImageNet weights in an encoder: the same maps at every pixel as the network they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import CheckpointError
from segbench.models import create_model
from segbench.models.blocks import describe_preprocess
from segbench.models.vgg_weights import Naming, fill_encoder, find_encoder, input_of
from tests.models import vgg_reference

WIDTH = 4
NETWORKS = ["segnet", "bayesian-segnet", "segnet-replication", "deconvnet", "deeplab-largefov", "fcn", "fcn-32s"]


def filled(name: str, tensors: dict[str, Tensor], naming: Naming = "torchvision", **config: Any) -> tuple[Any, int]:
    """A network with these weights in its encoder, and how many layers got some."""
    torch.manual_seed(0)
    model = create_model(name, 5, width=WIDTH, **input_of(naming), **config).eval()
    return model, fill_encoder(find_encoder(model, name), tensors, naming, "file")


def encoder_maps(model: Any, images: Tensor) -> list[Tensor]:
    """Maps before each pooling that the encoder of a SegNet makes."""
    maps, found = model.normalised(images), []
    for level in model.levels:
        maps = level(maps)
        found.append(maps)
        maps = nn.functional.max_pool2d(maps, 2, 2, ceil_mode=True)
    return found


def test_the_encoder_computes_what_torchvisions_does_at_every_pixel() -> None:
    tensors = vgg_reference.state_dict(WIDTH, batch_norm=True)
    model, layers = filled("segnet", tensors)
    images = torch.rand(2, 3, 37, 46, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        found, expected = encoder_maps(model, images), vgg_reference.levels(tensors, images)
    assert layers == 13 and expected[-1].std() > 0.01
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_without_batch_normalisation_the_convolutions_are_those_of_vgg16() -> None:
    tensors = vgg_reference.state_dict(WIDTH)
    model, _ = filled("segnet", tensors)
    first, last = (find_encoder(model, "segnet").convolutions[place] for place in (0, -1))
    assert torch.equal(first.weight, tensors["features.0.weight"].flip(1))
    assert torch.equal(last.weight, tensors["features.28.weight"])
    assert torch.equal(last.bias, tensors["features.28.bias"])  # type: ignore[arg-type]
    norm = model.levels[0][0][1]
    assert torch.equal(norm.weight, torch.ones(WIDTH)) and torch.equal(norm.bias, torch.zeros(WIDTH))
    described = describe_preprocess(model)
    assert described["mean"] == [103.53, 116.28, 123.675] and described["std"] == [57.375, 57.12, 58.395]


def test_caffes_weights_read_bgr_less_their_mean() -> None:
    named = iter(vgg_reference.state_dict(WIDTH).items())
    levels = [(level, number) for level, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)]
    tensors = {
        f"conv{level}_{number}.{part}": next(named)[1] for level, number in levels for part in ("weight", "bias")
    }
    model, layers = filled("segnet", tensors, "caffe")
    first = find_encoder(model, "segnet").convolutions[0]
    assert layers == 13 and torch.equal(first.weight, tensors["conv1_1.weight"])
    assert describe_preprocess(model) == {"channels": "BGR", "range": [0, 255], "mean": [103.939, 116.779, 123.68]}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_on_vgg16_takes_them_and_keeps_the_rest(name: str) -> None:
    torch.manual_seed(0)
    before = create_model(name, 5, width=WIDTH).state_dict()
    tensors = vgg_reference.state_dict(WIDTH, batch_norm=True)
    model, _ = filled(name, tensors)
    encoder = "encoder." if hasattr(model, "encoder") else "levels."
    for key, value in model.state_dict().items():
        assert key.startswith(encoder) or torch.equal(value, before[key]), key
    assert torch.equal(find_encoder(model, name).convolutions[5].weight, tensors["features.17.weight"])


def test_fcn_takes_the_fully_connected_layers_as_convolutions() -> None:
    tensors = vgg_reference.state_dict(WIDTH, head=256)
    model, layers = filled("fcn-8s", tensors)
    maps = torch.randn(1, 32, 7, 7, generator=torch.Generator().manual_seed(2))
    convolution = model.fully_connected[0][0]
    expected = maps.flatten() @ tensors["classifier.0.weight"].T + tensors["classifier.0.bias"]
    assert layers == 15
    torch.testing.assert_close(convolution(maps).flatten(), expected, rtol=1e-4, atol=1e-4)
    timm = {
        key.replace("classifier.0", "pre_logits.fc1").replace("classifier.3", "pre_logits.fc2"): value
        for key, value in tensors.items()
    }
    assert torch.equal(filled("fcn-8s", timm)[0].fully_connected[0][0].weight, convolution.weight)


def test_a_network_without_memory_checks_and_copies_nothing() -> None:
    with torch.device("meta"):
        model = create_model("fcn-8s", 5, width=WIDTH)
    assert fill_encoder(find_encoder(model, "fcn-8s"), vgg_reference.state_dict(WIDTH), "torchvision", "file") == 13


@pytest.mark.parametrize("name", ["segnet-basic", "fcn-basic", "segnet-keras-basic", "bilinear-interpolation"])
def test_networks_without_a_vgg16_encoder_say_so(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"{name} has no VGG16 encoder"):
        find_encoder(create_model(name, 5, width=WIDTH), name)


Change = Callable[[dict[str, Tensor]], object]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t.pop("features.17.weight"), "file lacks features.17.weight: 13 convolutions"),
        (
            lambda t: [t.pop(name) for name in list(t)[4:]],
            "file lacks features.5.weight, features.5.bias, features.7.weight and",
        ),
        (lambda t: t.update({"features.5.weight": torch.zeros(2, 3)}), "features.5.weight has shape 2x3 where 8x4x3x3"),
        (lambda t: t.update({"features.5.bias": torch.zeros(9)}), "features.5.bias has shape 9 where 8 belongs"),
        (lambda t: t["features.2.weight"].fill_(torch.nan), "features.2.weight holds values that are no finite floats"),
        (lambda t: t.update({"features.0.bias": torch.zeros(4, dtype=torch.int64)}), "features.0.bias holds values"),
        (lambda t: t.update({"features.30.weight": torch.zeros(1)}), "file holds features.30.weight, for which"),
        (lambda t: t.clear(), "file lacks 0.weight, 0.bias, 2.weight and 23 more"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(change: Change, line: str) -> None:
    tensors = vgg_reference.state_dict(WIDTH)
    change(tensors)
    with pytest.raises(CheckpointError) as caught:
        filled("segnet", tensors)
    assert line in str(caught.value)


def test_batch_normalisation_has_to_be_complete() -> None:
    tensors = vgg_reference.state_dict(WIDTH, batch_norm=True)
    del tensors["features.1.running_var"]
    with pytest.raises(CheckpointError, match=r"lacks features\.1\.running_var"):
        filled("segnet", tensors)
    with pytest.raises(CheckpointError, match="for which the network's VGG16 has no place"):
        filled("fcn-8s", vgg_reference.state_dict(WIDTH, batch_norm=True), batch_norm=False)
