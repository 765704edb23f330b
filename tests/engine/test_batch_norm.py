"""Statistics of batch normalisation over a split."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.engine.batch_norm import reestimate, reestimated
from tests.engine.tiny import CPU, Drawn


class First(nn.Module):
    """Batch normalisation of the images themselves, then dropout; notes what dropout let through."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, momentum=0.3)
        self.dropout = nn.Dropout(0.5)
        self.dropped = False

    def forward(self, images: Tensor) -> Tensor:
        normalised: Tensor = self.norm(images)
        kept: Tensor = self.dropout(normalised)
        self.dropped |= not torch.equal(kept, normalised)
        return kept


def pixels(split: Drawn, indices: range) -> Tensor:
    """float64 [3, all pixels of the images]."""
    images = torch.stack([torch.from_numpy(split.image(index)) for index in indices])
    return images.double().permute(3, 0, 1, 2).reshape(3, -1)


def test_averages_of_minibatch_means_and_unbiased_variances() -> None:
    split, model = Drawn(5), First()
    reestimate(model, split, None, 2, CPU)
    parts = [pixels(split, indices) for indices in (range(2), range(2, 4), range(4, 5))]
    mean = torch.stack([part.mean(1) for part in parts]).mean(0)
    variance = torch.stack([part.var(1, correction=1) for part in parts]).mean(0)
    assert model.norm.running_mean is not None
    assert model.norm.running_var is not None
    torch.testing.assert_close(model.norm.running_mean.double(), mean, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(model.norm.running_var.double(), variance, rtol=1e-4, atol=1e-4)


def test_what_was_there_before_does_not_matter() -> None:
    split, fresh, used = Drawn(4), First(), First()
    with torch.no_grad():
        used(torch.randn(2, 3, 8, 8) * 50)
    for model in (fresh, used):
        reestimate(model, split, (16, 24), 2, CPU)
    assert all(map(torch.equal, fresh.buffers(), used.buffers()))


def test_dropout_stays_off_and_the_model_ends_in_evaluation_mode() -> None:
    model = First().train()
    reestimate(model, Drawn(4), None, 2, CPU)
    assert not model.dropped
    assert not any(module.training for module in model.modules())
    assert model.norm.momentum == 0.3


def test_images_are_resized_as_the_network_sees_them() -> None:
    split, model = Drawn(2), First()
    reestimate(model, split, (1, 1), 2, CPU)
    means = torch.stack([pixels(split, range(index, index + 1)).mean(1) for index in range(2)])
    assert model.norm.running_var is not None
    torch.testing.assert_close(model.norm.running_var.double(), means.var(0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fails", [False, True])
def test_the_statistics_of_training_come_back(fails: bool) -> None:
    model = First()
    model(torch.randn(2, 3, 8, 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inside: Tensor | None = None
    try:
        with reestimated(model, Drawn(4), None, 2, CPU):
            assert model.norm.running_mean is not None
            inside = model.norm.running_mean.clone()
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert inside is not None
    assert not torch.equal(inside, before["norm.running_mean"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_they_come_back_from_a_failed_estimate_too() -> None:
    model = First()
    model(torch.randn(2, 3, 8, 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    broken = Drawn(4)
    broken.image = lambda index: [][index]  # type: ignore[method-assign]
    with pytest.raises(IndexError), reestimated(model, broken, None, 2, CPU):
        pass
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
