"""Monte-Carlo dropout: where it acts, that it follows from its seed, and the numbers it makes of samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from segbench.models import create_model
from segbench.models.bayesian import Bayesian, MonteCarlo, ThinningDropout

NAMES = ["bayesian-segnet", "bayesian-segnet-basic"]
both = pytest.mark.parametrize("name", NAMES)


def small(name: str, **config: int) -> Bayesian:
    torch.manual_seed(0)
    model = create_model(name, 4, width=8, **config)
    assert isinstance(model, Bayesian)
    return model


def pictures(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 45, 61, generator=torch.Generator().manual_seed(1)) * 255


def kinds(part: nn.Module) -> str:
    """The leaves of a part as letters: c(onvolution), b(n), r(elu), d(ropout)."""
    letters = {nn.Conv2d: "c", nn.BatchNorm2d: "b", nn.ReLU: "r", ThinningDropout: "d"}
    return "".join(letter for leaf in part.modules() for kind, letter in letters.items() if isinstance(leaf, kind))


def test_places_of_dropout_in_bayesian_segnet() -> None:
    model = small("bayesian-segnet")
    # After pool3 and pool4 is before the levels 4 and 5; after pool5 is before the decoder 5.
    three = "cbr" * 3
    assert [kinds(level) for level in model.levels] == ["cbr" * 2, "cbr" * 2, three, "d" + three, "d" + three]
    assert kinds(model.bottleneck) == "d"
    assert [kinds(decoder) for decoder in model.decoders] == [*[three + "d"] * 3, "cbr" * 2, "cbr"]


def test_places_of_dropout_in_bayesian_segnet_basic() -> None:
    model = small("bayesian-segnet-basic")
    assert [kinds(level) for level in model.levels] == ["cbr", "cbr", "cbr", "dcbr"]
    assert kinds(model.bottleneck) == "d"
    assert [kinds(decoder) for decoder in model.decoders] == ["cbd", "cbd", "cb", "cb"]


@both
def test_all_dropouts_are_halves(name: str) -> None:
    assert {dropout.probability for dropout in small(name).dropouts} == {0.5}


def test_a_mask_is_one_for_all_images_and_keeps_the_mean() -> None:
    dropout = ThinningDropout().eval()
    maps = torch.ones(3, 8, 40, 50)
    assert dropout(maps) is maps
    dropout.generator = torch.Generator().manual_seed(0)
    thinned = dropout(maps)
    assert set(thinned.unique().tolist()) == {0, 2}
    assert torch.equal(thinned[0], thinned[1])
    assert torch.equal(thinned[0], thinned[2])
    # 16,000 fair coins: five standard deviations of their mean, doubled
    assert thinned[0].mean().item() == pytest.approx(1, abs=5 / math.sqrt(16_000))
    assert not torch.equal(dropout(maps), thinned)


@both
def test_samples_follow_from_the_seed(name: str) -> None:
    model = small(name).eval()
    images = pictures()
    first, second, other = model.sample(images), model.sample(images), model.sample(images, seed=1)
    assert torch.equal(first.probabilities, second.probabilities)
    assert torch.equal(first.variance, second.variance)
    assert not torch.equal(first.probabilities, other.probabilities)
    state = torch.get_rng_state()
    model.sample(images)
    assert torch.equal(torch.get_rng_state(), state)  # training's own stream is left alone


@both
def test_mean_and_variance_are_those_of_the_single_samples(name: str) -> None:
    model = small(name).eval()
    images = model.normalised(pictures())
    singles = []
    with torch.no_grad():
        for number in range(5):
            with model._thinned(3, number):
                singles.append(super(Bayesian, model).logits(images).softmax(1).double())
    stacked = torch.stack(singles)
    found = model.sample(pictures(), samples=5, seed=3)
    torch.testing.assert_close(found.probabilities.double(), stacked.mean(0), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.variance.double(), stacked.var(0, correction=0), rtol=0, atol=1e-5)
    assert found.variance.max() > 1e-4


@both
def test_evaluation_is_the_mean_of_eight_samples(name: str) -> None:
    model = small(name).eval()
    images = pictures()
    with torch.no_grad():
        logits = model(images)
    expected = model.sample(images, samples=8, seed=0).probabilities
    torch.testing.assert_close(logits.softmax(1), expected, rtol=1e-4, atol=1e-6)
    chosen = expected.gather(1, logits.max(1, keepdim=True)[1])
    assert (chosen >= expected.max(1, keepdim=True)[0] - 1e-6).all()


@both
def test_averaging_weights_is_dropout_off(name: str) -> None:
    model = small(name, samples=0).eval()
    images = pictures()
    sampled = model.sample(images).probabilities
    with torch.no_grad():
        averaged = model(images)
        assert not torch.allclose(averaged.softmax(1), sampled, atol=1e-3)
        for dropout in model.dropouts:
            dropout.probability = 0.0
        torch.testing.assert_close(model.sample(images).probabilities, averaged.softmax(1))


@both
def test_a_result_does_not_depend_on_the_batch(name: str) -> None:
    model = small(name).eval()
    images = pictures(3)
    together, alone = model.sample(images), model.sample(images[1:2])
    torch.testing.assert_close(together.probabilities[1:2], alone.probabilities, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(together.variance[1:2], alone.variance, rtol=1e-3, atol=1e-4)


def test_uncertainty_worked_by_hand() -> None:
    # Two samples of one pixel and two classes: (1, 0) and (0.5, 0.5).
    probabilities = torch.tensor([0.75, 0.25]).view(1, 2, 1, 1)
    variance = torch.tensor([0.0625, 0.0625]).view(1, 2, 1, 1)
    found = MonteCarlo(probabilities, variance)
    assert found.uncertainty.item() == 0.0625
    assert found.entropy.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    certain = MonteCarlo(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.zeros(1, 2, 1, 1))
    assert certain.entropy.item() == 0


@both
def test_training_draws_from_torchs_seed(name: str) -> None:
    model, images = small(name), pictures()
    torch.manual_seed(5)
    first = model(images).detach()
    torch.manual_seed(5)
    assert torch.equal(model(images).detach(), first)
    assert not torch.equal(model(images).detach(), first)


@pytest.mark.parametrize(("name", "first"), [("bayesian-segnet", 7), ("bayesian-segnet-basic", 3)])
def test_measured_statistics_are_those_of_thinned_networks(name: str, first: int) -> None:
    """Dropout of a half doubles the second moment of what the ``first`` layer behind it sees."""
    model, images = small(name), pictures()
    layers = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]

    def measured() -> list[float]:
        model.eval()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        with torch.no_grad():
            for _ in range(3):
                model(images)
        assert all(int(layer.num_batches_tracked or 0) == 3 for layer in layers)
        return [layer.running_var.mean().item() for layer in layers if layer.running_var is not None]

    thinned = measured()
    assert measured() == thinned
    for dropout in model.dropouts:
        dropout.probability = 0.0
    plain = measured()
    assert thinned[:first] == plain[:first]
    assert thinned[first] > 1.2 * plain[first]


@both
def test_a_sample_in_training_mode_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"call model\.eval\(\)"):
        small(name).sample(pictures())


@both
def test_fewer_than_one_sample_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="samples is 0; at least 1"):
        small(name).eval().sample(pictures(), samples=0)
