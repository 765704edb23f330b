"""Synchronised batch normalisation of one process is torch's; ``test_distributed`` has several."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.engine.distributed import ALONE
from segbench.engine.synchronised_batch_norm import SynchronisedBatchNorm2d, synchronise


def pair(**values: Any) -> tuple[nn.BatchNorm2d, nn.BatchNorm2d]:
    """torch's layer, and the same one made to see other processes."""
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(4, **values)
    if plain.affine:
        nn.init.normal_(plain.weight)
        nn.init.normal_(plain.bias)
    ours = copy.deepcopy(plain)
    synchronise(ours, ALONE)
    assert isinstance(ours, SynchronisedBatchNorm2d)
    return plain, ours


def passed(layer: nn.BatchNorm2d, maps: Tensor, outer: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What comes out, and the gradients of maps and parameters."""
    inputs = maps.clone().requires_grad_()
    found: Tensor = layer(inputs)
    found.backward(outer)  # type: ignore[no-untyped-call]
    return found.detach(), [value.grad for value in (inputs, *layer.parameters()) if value.grad is not None]


@pytest.mark.parametrize(
    "values", [{}, {"momentum": 0.3}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]
)
def test_values_gradients_and_averages_are_those_of_torch(values: dict[str, Any]) -> None:
    plain, ours = pair(**values)
    for _ in range(3):
        maps, outer = torch.randn(3, 4, 5, 6) * 3 + 20, torch.randn(3, 4, 5, 6)
        (expected, gradients), (found, others) = (passed(layer, maps, outer) for layer in (plain, ours))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        for one, other in zip(gradients, others, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
            one.zero_()
            other.zero_()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-5)


def test_half_precision_is_normalised_in_full() -> None:
    plain, ours = pair()
    maps = (torch.randn(2, 4, 8, 8) + 100).bfloat16()
    outer = torch.randn(2, 4, 8, 8)
    found, gradients = passed(ours, maps, outer.bfloat16())
    expected, references = passed(plain, maps.float(), outer.bfloat16().float())
    assert found.dtype == gradients[0].dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(gradients[0].float(), references[0], rtol=2e-2, atol=2e-2)


def test_where_nothing_is_learnt_it_is_the_plain_layer() -> None:
    plain, ours = pair()
    maps = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(plain(maps), ours(maps))
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in plain.state_dict().items())
    assert torch.equal(plain.eval()(maps), ours.eval()(maps))


def test_the_layers_of_a_network_stay_the_objects_they_are() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    layers, names = [*network.modules()], [*network.state_dict()]
    synchronise(network, ALONE)
    assert [*network.modules()] == layers
    assert [*network.state_dict()] == names
    assert sum(isinstance(layer, SynchronisedBatchNorm2d) for layer in layers) == 2
