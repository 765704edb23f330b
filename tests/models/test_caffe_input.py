"""The input of the VGG networks: order of channels, means, scale."""

from __future__ import annotations

import pytest
import torch

from segbench.models import create_model
from segbench.models.blocks import SegmentationModel, describe_preprocess
from segbench.models.caffe_input import CaffeInput


def seen_by(name: str, images: torch.Tensor) -> torch.Tensor:
    """What the first layer of a network sees."""
    model = create_model(name, 5, width=4)
    assert isinstance(model, SegmentationModel)
    found: torch.Tensor = model.preprocess(images)
    return found


@pytest.mark.parametrize("name", ["segnet", "bayesian-segnet", "segnet-replication"])
def test_segnet_sees_bgr_without_a_mean(name: str) -> None:
    images = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 255
    assert torch.equal(seen_by(name, images), images.flip(1))
    assert describe_preprocess(create_model(name, 5, width=4)) == {"channels": "BGR", "range": [0, 255]}


@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("fcn", [104.00699, 116.66877, 122.67892]),
        ("fcn-8s", [104.00699, 116.66877, 122.67892]),
        ("deconvnet", [104.008, 116.669, 122.675]),
        ("deeplab-largefov", [104.008, 116.669, 122.675]),
    ],
)
def test_published_means_are_subtracted(name: str, mean: list[float]) -> None:
    red_green_blue = torch.tensor([10.0, 20.0, 30.0])[None, :, None, None].expand(1, 3, 2, 2)
    found = seen_by(name, red_green_blue)[0, :, 1, 1]
    torch.testing.assert_close(found, torch.tensor([30.0, 20.0, 10.0]) - torch.tensor(mean))
    described = describe_preprocess(create_model(name, 5, width=4))
    assert described == {"channels": "BGR", "range": [0, 255], "mean": mean}


def test_means_follow_the_device_and_are_no_weights() -> None:
    module = CaffeInput((1, 2, 3))
    assert not module.state_dict()
    assert module.to("meta").mean.device.type == "meta"
