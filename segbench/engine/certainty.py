"""Label maps with what the network thinks of them: confidence, entropy, and how far thinned networks disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.engine.batches import Images
from segbench.engine.environment import Compute
from segbench.engine.evaluation import equal_batches
from segbench.engine.resizing import resize_images
from segbench.metrics import Scorer
from segbench.metrics.uncertainty import UncertaintyScorer
from segbench.models.bayesian import Bayesian
from segbench.models.blocks import resize_logits

__all__ = ["Certainty", "certain_maps", "predict_certainty", "samples_of", "score_certainty"]

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Certainty:
    """One image as a network sees it, at the image's own size.

    Attributes:
        prediction: Class ids uint8 [H, W], the same as without all the rest.
        confidence: Probability of the predicted class, float32 [H, W].
        entropy: Of the probabilities, in nats, [H, W], 0 to ln K.
        variance: Of the probabilities over thinned networks, averaged over classes, [H, W], 0 to 0.25; ``None`` where
            one network spoke for itself.
    """

    prediction: NDArray[np.uint8]
    confidence: Map
    entropy: Map
    variance: Map | None

    @property
    def uncertainties(self) -> dict[str, Map]:
        """What pixels can be ranked by, by name; less is more certain."""
        ranked = {"confidence": 1 - self.confidence, "entropy": self.entropy}
        return ranked if self.variance is None else {**ranked, "variance": self.variance}


def samples_of(model: nn.Module) -> int | None:
    """Thinned networks that ``model`` averages, ``None`` where it speaks for itself."""
    return model.samples or None if isinstance(model, Bayesian) else None


def predict_certainty(
    model: nn.Module, images: Tensor, input_size: tuple[int, int] | None, size: tuple[int, int], compute: Compute
) -> list[Certainty]:
    """What a network in evaluation mode makes of images float32 [N, 3, h, w], at ``size``.

    Logits and variances are brought to ``size`` bilinearly, as logits are for label maps.
    """
    with torch.no_grad(), compute.autocast():
        logits, variance = _looked_at(model, resize_images(images, input_size))
    scores = resize_logits(logits.float(), size)
    # Of the logits themselves, as label maps are made: rounding could make two probabilities equal.
    prediction = scores.max(1)[1]
    logarithms = scores.log_softmax(1)
    confidence = logarithms.gather(1, prediction[:, None])[:, 0].exp()
    entropy = -(logarithms.exp() * logarithms).sum(1)
    spread = None if variance is None else resize_logits(variance[:, None].float(), size)[:, 0].clamp(min=0)
    return [
        Certainty(
            prediction[place].to(torch.uint8).cpu().numpy(),
            confidence[place].clamp(max=1).cpu().numpy(),
            entropy[place].clamp(min=0).cpu().numpy(),
            None if spread is None else spread[place].cpu().numpy(),
        )
        for place in range(len(prediction))
    ]


def _looked_at(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits [N, K, h, w], and variances [N, h, w] where there are samples."""
    if isinstance(model, Bayesian) and model.samples:
        sampled = model.sample(images)
        return sampled.logits, sampled.uncertainty
    logits: Tensor = model(images)
    return logits, None


def certain_maps(
    model: nn.Module, split: Images, input_size: tuple[int, int] | None, batch_size: int, compute: Compute
) -> Iterator[tuple[int, Certainty]]:
    """Yields index and certainty of every image of a split; memory does not depend on the number of images."""
    model.eval()
    for indices, images, size in equal_batches(split, batch_size, compute):
        yield from zip(indices, predict_certainty(model, images, input_size, size, compute), strict=True)


def score_certainty(
    model: nn.Module,
    split: Images,
    scorers: tuple[Scorer, UncertaintyScorer],
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    done: Callable[[], object] = lambda: None,
) -> None:
    """Hands every image of a split to both scorers; ``done`` is called after each."""
    scorer, uncertain = scorers
    for index, seen in certain_maps(model, split, input_size, batch_size, compute):
        label = split.label(index)
        scorer.update(split.ids[index], label, seen.prediction)
        uncertain.update(label, seen.prediction, seen.confidence, seen.uncertainties)
        done()
