"""Activation checkpointing: the same step, bit for bit, in less memory."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from segbench.engine.checkpointing import checkpoint_chains, convolution_chains
from segbench.engine.loss import PixelCrossEntropy
from segbench.engine.peak_memory import allocated_peak
from segbench.engine.training import train
from segbench.models import MODELS, create_model
from tests.engine import tiny

CPU = torch.device("cpu")


def batch(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, side, side + 8, generator=generator) * 255
    return images, torch.randint(0, 3, (2, side, side + 8), generator=generator)


def pair(name: str, **options: Any) -> tuple[nn.Module, nn.Module]:
    """A network and its copy that forgets."""
    torch.manual_seed(0)
    plain = create_model(name, 3, **options)
    forgetting = copy.deepcopy(plain)
    checkpoint_chains(forgetting)
    return plain, forgetting


def step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(1)
    loss: torch.Tensor = PixelCrossEntropy()(model(images), labels)
    torch.autograd.backward(loss)
    return loss.detach()


@pytest.mark.parametrize("name", ["bayesian-segnet", "fcn-basic", "fcn-8s", "deeplab-largefov", "deconvnet"])
def test_loss_gradients_and_statistics_are_the_same_bits(name: str) -> None:
    plain, forgetting = pair(name, width=4)
    images, labels = batch(MODELS[name].min_size + 8)
    for _ in range(2):
        assert torch.equal(step(forgetting, images, labels), step(plain, images, labels))
    for ours, theirs in zip(forgetting.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None and theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad)
    ours_state, theirs_state = forgetting.state_dict(), plain.state_dict()
    assert ours_state.keys() == theirs_state.keys()
    assert all(torch.equal(value, theirs_state[key]) for key, value in ours_state.items())


@pytest.mark.parametrize("name", list(MODELS))
def test_every_network_has_chains_and_no_convolution_is_in_two(name: str) -> None:
    model = create_model(name, 3, width=1)
    chained = [
        id(part) for chain in convolution_chains(model) for part in chain.modules() if isinstance(part, nn.Conv2d)
    ]
    assert len(chained) >= 4
    assert len(chained) == len(set(chained))


def test_a_step_takes_less_memory() -> None:
    plain, forgetting = pair("segnet", width=8)
    images, labels = batch(96)
    peaks = [allocated_peak(lambda model=model: step(model, images, labels), CPU) for model in (plain, forgetting)]  # type: ignore[misc]
    assert peaks[1] < 0.75 * peaks[0]


def test_evaluation_computes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*arguments: object, **options: object) -> None:
        raise AssertionError

    plain, forgetting = pair("segnet-basic", width=4)
    monkeypatch.setattr("segbench.engine.checkpointing.checkpoint", unexpected)
    images, _ = batch(32)
    with torch.no_grad():
        assert torch.equal(forgetting(images), plain(images))
    assert torch.equal(forgetting.eval()(images), plain.eval()(images))


def test_a_training_has_the_same_weights(tmp_path: Path) -> None:
    train(tiny.job(tmp_path / "plain"))
    job = tiny.job(tmp_path / "forgetting")
    checkpoint_chains(job.model)
    train(job)
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("plain", "forgetting")]
    assert files[0] == files[1]
