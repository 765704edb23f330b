"""The Keras adaptations: repetition, and what is the same as in the networks they adapt."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.models import create_model
from segbench.models.encoder_decoder import EncoderDecoder, repeat
from segbench.models.histogram_equalisation import HistogramEqualisation


def test_repetition_worked_by_hand() -> None:
    maps = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert repeat(maps, (3, 4))[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]]
    assert repeat(maps, (4, 3))[0, 0].tolist() == [[1, 1, 2], [1, 1, 2], [3, 3, 4], [3, 3, 4]]


def test_upsampling_is_all_that_differs_from_segnet() -> None:
    torch.manual_seed(0)
    indices = create_model("segnet", 5, width=8)
    torch.manual_seed(0)
    replication = create_model("segnet-replication", 5, width=8)
    assert isinstance(indices, EncoderDecoder)
    images = torch.rand(2, 3, 45, 61) * 255
    first, second = indices(images), replication(images)
    assert not torch.allclose(first, second)
    indices.upsampling = "replication"
    assert torch.equal(indices(images), second)


def test_shapes_are_those_of_segnet_basic() -> None:
    ours, theirs = (create_model(name, 5, width=8) for name in ("segnet-basic-replication", "segnet-basic"))
    assert [tuple(value.shape) for value in ours.parameters()] == [tuple(value.shape) for value in theirs.parameters()]


@pytest.mark.parametrize(("name", "relus"), [("segnet-basic-replication", 4), ("segnet-keras-basic", 4)])
def test_decoders_have_no_relu(name: str, relus: int) -> None:
    assert sum(isinstance(part, nn.ReLU) for part in create_model(name, 5, width=8).modules()) == relus


def test_keras_basic_pools_three_times_and_equalises() -> None:
    model = create_model("segnet-keras-basic", 5, width=8).eval()
    assert isinstance(model, EncoderDecoder)
    seen: list[torch.Size] = []
    model.bottleneck.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    with torch.no_grad():
        model(torch.zeros(1, 3, 48, 64))
    assert seen == [(1, 64, 6, 8)]
    assert isinstance(model.preprocess, HistogramEqualisation)
