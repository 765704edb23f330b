"""Confidence, entropy and variance against the definitions, and their pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segbench.engine.certainty import Certainty, certain_maps, predict_certainty, samples_of, score_certainty
from segbench.engine.evaluation import label_maps, score_split
from segbench.engine.prediction import predict_split
from segbench.engine.uncertainty_pictures import save_uncertainty
from segbench.metrics import Scorer
from segbench.metrics.uncertainty import UncertaintyScorer
from segbench.models import create_model
from segbench.models.blocks import resize_logits
from tests.engine.tiny import CLASSES, CPU, Drawn, header

NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("segnet-basic", {"width": 4}),
    ("bayesian-segnet-basic", {"width": 4, "samples": 3}),
    ("bayesian-segnet-basic", {"width": 4, "samples": 0}),
]
networks = pytest.mark.parametrize(("name", "options"), NETWORKS)


def network(name: str, options: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return create_model(name, 3, **options).eval()


@networks
@pytest.mark.parametrize("input_size", [None, (32, 40)])
def test_is_the_softmax_of_the_logits_and_the_label_maps_stay(
    name: str, options: dict[str, Any], input_size: tuple[int, int] | None
) -> None:
    model, split = network(name, options), Drawn(3, (33, 47))
    expected = dict(label_maps(model, split, input_size, 2, CPU))
    for index, seen in certain_maps(model, split, input_size, 2, CPU):
        image = torch.from_numpy(split.image(index))[None].permute(0, 3, 1, 2).float()
        small = nn.functional.interpolate(image, input_size, mode="area") if input_size else image
        with torch.no_grad():
            probabilities = resize_logits(model(small), (33, 47)).softmax(1)[0].double().numpy()
        assert np.array_equal(seen.prediction, expected[index])
        np.testing.assert_allclose(seen.confidence, probabilities.max(0), atol=1e-5)
        np.testing.assert_allclose(seen.entropy, -(probabilities * np.log(probabilities)).sum(0), atol=1e-5)


def test_variance_is_that_of_the_samples() -> None:
    model: Any = network(*NETWORKS[1])
    images = torch.from_numpy(Drawn().image(0))[None].permute(0, 3, 1, 2).float()
    (seen,) = predict_certainty(model, images, None, (32, 48), CPU)
    each = torch.cat([probabilities_of(model, images, number) for number in range(3)]).numpy()
    assert seen.variance is not None
    np.testing.assert_allclose(seen.variance, each.var(0).mean(0), atol=1e-6)
    np.testing.assert_allclose(seen.confidence, each.mean(0).max(0), atol=1e-5)


def probabilities_of(model: Any, images: torch.Tensor, number: int) -> torch.Tensor:
    """[1, K, H, W] of one thinned network, by its number."""
    with torch.no_grad(), model._thinned(model.seed, number):
        found: torch.Tensor = model.decode(model.encode(encoded(model, images), model.levels)).softmax(1)
    return found


def encoded(model: Any, images: torch.Tensor) -> Any:
    from segbench.models.encoder_decoder import Encoded

    return Encoded(model.normalised(images))


@pytest.mark.parametrize(("place", "samples"), [(0, None), (1, 3), (2, None)])
def test_only_sampled_networks_have_a_variance(place: int, samples: int | None) -> None:
    model = network(*NETWORKS[place])
    images = torch.zeros(2, 3, 32, 32)
    assert samples_of(model) == samples
    for seen in predict_certainty(model, images, None, (32, 32), CPU):
        assert (seen.variance is None) == (samples is None)
        assert list(seen.uncertainties) == ["confidence", "entropy", *(["variance"] if samples else [])]


def test_scores_are_those_without_it_and_the_numbers_are_of_the_same_pixels() -> None:
    model, split = network(*NETWORKS[1]), Drawn(4)
    plain = score_split(model, split, Scorer(CLASSES), None, 2, CPU)
    scorers = Scorer(CLASSES), UncertaintyScorer(samples_of(model))
    score_certainty(model, split, scorers, None, 2, CPU)
    found = scorers[1].scores()
    assert scorers[0].scores() == plain
    assert (found.samples, found.num_pixels) == (3, plain.num_pixels)
    everything = found.accuracy_at_confidence[-1].accuracy
    assert everything == pytest.approx(dict.fromkeys(("confidence", "entropy", "variance"), plain.global_accuracy))


def test_pictures_have_one_scale(tmp_path: Path) -> None:
    halves = np.array([[0.0, math.log(4) / 2, math.log(4)]], np.float32)
    seen = Certainty(np.zeros((1, 3), np.uint8), np.ones((1, 3), np.float32), halves, halves * 0 + 0.0625)
    first, second = save_uncertainty(tmp_path, "street", seen, 4)
    assert first == tmp_path / "uncertainty" / "street.png"
    assert second == tmp_path / "uncertainty" / "deviation" / "street.png"
    with Image.open(first) as entropy, Image.open(second) as deviation:
        assert (entropy.mode, np.asarray(entropy).tolist()) == ("L", [[0, 128, 255]])
        assert np.asarray(deviation).tolist() == [[128, 128, 128]]


def test_a_split_is_drawn_where_asked(tmp_path: Path) -> None:
    model, split = network(*NETWORKS[1]), Drawn(2)
    predict_split(model, header(), split, tmp_path / "without", CPU)
    paths = predict_split(model, header(), split, tmp_path / "with", CPU, uncertainty=True)
    assert not (tmp_path / "without" / "uncertainty").exists()
    drawn = sorted(
        path.relative_to(tmp_path / "with").as_posix() for path in tmp_path.glob("with/uncertainty/**/*.png")
    )
    assert drawn == [f"uncertainty/{part}drawn_{number}.png" for part in ("deviation/", "") for number in (0, 1)]
    for path in paths:
        assert path.read_bytes() == (tmp_path / "without" / path.name).read_bytes()
