"""Folded networks compute what they did."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.models import MODELS, create_model
from segbench.models.blocks import SegmentationModel
from segbench.models.folding import fold_batch_norm


def measured(model: nn.Module) -> nn.Module:
    """The network in evaluation mode, with statistics, scales and shifts unlike the initial ones."""
    generator = torch.Generator().manual_seed(2)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(generator=generator).mul_(0.1)
            part.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(part.bias, std=0.1, generator=generator)
    return model.eval()


def pictures(side: int) -> Tensor:
    return torch.rand(2, 3, side, side + 13, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize("name", list(MODELS))
@torch.no_grad()
def test_every_network_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = measured(create_model(name, 5, width=8)).double()
    folded = fold_batch_norm(model)
    assert isinstance(model, SegmentationModel) and isinstance(folded, SegmentationModel)
    # In double precision nothing but the algebra is left to differ, and near-ties of the pooling stay apart.
    images = model.normalised(pictures(MODELS[name].min_size)).double()
    exact = model.logits(images)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    torch.testing.assert_close(folded.logits(images), exact, rtol=1e-4, atol=1e-4 * exact.std().item())


@torch.no_grad()
def test_single_precision_rounds_alone() -> None:
    torch.manual_seed(0)
    model, images = measured(create_model("segnet-basic", 5, width=8)), pictures(32)
    exact = model(images)
    difference = (fold_batch_norm(model)(images) - exact).abs() / exact.std()
    assert difference.median() < 1e-5


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@torch.no_grad()
def test_a_convolution_takes_over_by_hand(transposed: bool, bias: bool) -> None:
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    chain = nn.Sequential(kind(1, 1, 1, bias=bias), nn.BatchNorm2d(1, eps=0))
    convolution, normalisation = chain[0], chain[1]
    assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(normalisation, nn.BatchNorm2d)
    assert normalisation.running_mean is not None and normalisation.running_var is not None
    convolution.weight.fill_(3)
    if convolution.bias is not None:
        convolution.bias.fill_(1)
    normalisation.running_mean.fill_(2)
    normalisation.running_var.fill_(4)
    normalisation.weight.fill_(6)
    normalisation.bias.fill_(5)
    taken = fold_batch_norm(chain)[0]  # type: ignore[index]
    # (3x + c - 2) / 2 * 6 + 5 = 9x + 3c - 1
    assert isinstance(taken, nn.Conv2d | nn.ConvTranspose2d) and taken.bias is not None
    assert (taken.weight.item(), taken.bias.item()) == (9, 2 if bias else -1)


def test_the_network_itself_is_left_alone() -> None:
    model = create_model("segnet-basic", 5, width=8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fold_batch_norm(model)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_layout_stays_channels_last() -> None:
    folded = fold_batch_norm(create_model("segnet", 5, width=8))
    kernels = [value for value in folded.parameters() if value.ndim == 4]
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in kernels)
