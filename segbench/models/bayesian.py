"""Bayesian SegNet: dropout that stays on, so that several passes tell how sure the network is.

Kendall et al. 2015 (arXiv 1511.02680); SegNet-Tutorial Models/bayesian_segnet_train.prototxt and
bayesian_segnet_basic_train.prototxt. Dropout of 0.5

- in ``bayesian-segnet-basic`` after pool3, pool4 and the decoders 4 and 3;
- in ``bayesian-segnet`` after pool3, pool4, pool5 and the last convolution of the decoders 5, 4 and 3; or, as in the
  release's Example_Models/bayesian_segnet_pascal.prototxt (``dropout="everywhere"``), before all poolings, after pool5
  and after the decoders 5, 4, 3 and 2.

A sample is one thinned network: its masks follow from seed and number of the sample alone and are the same for every
image of a batch, so that neither batches nor devices change a result.

In evaluation the forward pass returns the logarithm of the mean probabilities of ``samples`` thinned networks (8, as
the release), whose maximum and softmax are those of the mean. ``samples=0`` averages weights instead: dropout is off.
While batch normalisation is measured, each batch passes through one thinned network, a new one for each batch:
the statistics are those of the networks that will be sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.models.blocks import Convolution, ConvolutionBlock, measures_statistics
from segbench.models.caffe_input import CaffeInput
from segbench.models.encoder_decoder import Encoded, EncoderDecoder
from segbench.models.vgg import scaled, vgg16_decoders, vgg16_levels

__all__ = [
    "Bayesian",
    "MonteCarlo",
    "ThinningDropout",
    "bayesian_segnet",
    "bayesian_segnet_basic",
    "masks_as_constants",
]

SAMPLES = 8
PROBABILITY = 0.5
SMALLEST = 1e-12


@dataclass(frozen=True)
class MonteCarlo:
    """What several thinned networks say of images.

    Attributes:
        probabilities: Mean class probabilities, float32 [N, K, H, W].
        variance: Variance of each class's probability over the samples (divided by their number), [N, K, H, W].
    """

    probabilities: Tensor
    variance: Tensor

    @property
    def logits(self) -> Tensor:
        """Logarithms of the mean probabilities, which are what evaluation returns, [N, K, H, W]."""
        return self.probabilities.clamp(min=SMALLEST).log()

    @property
    def uncertainty(self) -> Tensor:
        """The variance averaged over classes, [N, H, W], 0 to 0.25: the paper's model uncertainty."""
        return self.variance.mean(dim=1)

    @property
    def entropy(self) -> Tensor:
        """Predictive entropy of the mean probabilities in nats, [N, H, W], 0 to ln K."""
        entropy: Tensor = torch.special.entr(self.probabilities)
        return entropy.sum(1)


class ThinningDropout(nn.Module):
    """Dropout in training; in evaluation nothing, unless a generator draws one mask for all images of a batch.

    Attributes:
        generator: Draws the masks of a sample, on the CPU; ``None``: plain dropout.
        drawn: Keeps the masks that are drawn, in their order; ``None``: nothing is kept.
    """

    def __init__(self, probability: float = PROBABILITY) -> None:
        super().__init__()
        self.probability = probability
        self.generator: torch.Generator | None = None
        self.drawn: list[Tensor] | None = None
        self._taken = 0

    def forward(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        if self.generator is None:
            return functional.dropout(maps, self.probability, self.training)
        kept = self._mask(maps)
        layout = torch.channels_last
        return maps * kept.to(maps.device, maps.dtype).div_(1 - self.probability).contiguous(memory_format=layout)

    def _mask(self, maps: Tensor) -> Tensor:
        if torch.compiler.is_exporting() and self.drawn:
            self._taken += 1
            return self.drawn[(self._taken - 1) % len(self.drawn)]
        mask = torch.rand((1, *maps.shape[1:]), generator=self.generator) >= self.probability
        if self.drawn is not None:
            self.drawn.append(mask)
        return mask


@contextmanager
def masks_as_constants(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Draws the masks of all samples beforehand: a graph exported within the block holds them, and no generator.

    Args:
        model: In evaluation mode.
        images: [N, 3, H, W] of the size that is exported.
    """
    dropouts = [part for part in model.modules() if isinstance(part, ThinningDropout)]
    for dropout in dropouts:
        dropout.drawn = []
    try:
        if dropouts:
            model(images)
        yield
    finally:
        for dropout in dropouts:
            dropout.drawn, dropout._taken = None, 0


class Bayesian(EncoderDecoder):
    """An encoder-decoder with :class:`ThinningDropout` in its parts.

    Args:
        samples: Thinned networks that evaluation averages; 0 averages weights.
        seed: Decides the thinned networks.
    """

    def __init__(
        self,
        num_classes: int,
        levels: Iterable[nn.Module],
        decoders: Iterable[nn.Module],
        classifier: nn.Module,
        *,
        samples: int = SAMPLES,
        seed: int = 0,
        **parts: Any,
    ) -> None:
        super().__init__(num_classes, levels, decoders, classifier, **parts)
        self.samples, self.seed = samples, seed
        self.dropouts = [part for part in self.modules() if isinstance(part, ThinningDropout)]
        thinned = (number for number, level in enumerate(self.levels) if _drops(level))
        self.first_thinned = next(thinned, len(self.levels))

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]; in evaluation log probabilities, see the module."""
        if measures_statistics(self):
            with self._thinned(self.seed, self._batches_measured()):
                return super().logits(images)
        if self.training or not self.samples:
            return super().logits(images)
        return self._sampled(images, self.samples, self.seed).logits

    @torch.no_grad()
    def sample(self, images: Tensor, samples: int | None = None, seed: int | None = None) -> MonteCarlo:
        """Mean and spread of the class probabilities over thinned networks.

        Args:
            images: RGB [N, 3, H, W] in 0..255.
            samples: At least 1; the model's number where nothing is given (8 where that is 0).
            seed: The same seed gives the same result; the model's where nothing is given.

        Raises:
            ValueError: The shape does not fit, ``samples`` is below 1, or the model is in training mode.
        """
        number = (self.samples or SAMPLES) if samples is None else samples
        if number < 1:
            raise ValueError(f"samples is {number}; at least 1 is needed")
        if self.training:
            raise ValueError("the model is in training mode; call model.eval() before model.sample(images)")
        return self._sampled(self.normalised(images), number, self.seed if seed is None else seed)

    def _sampled(self, images: Tensor, samples: int, seed: int) -> MonteCarlo:
        # What comes before the first dropout is the same in every sample.
        trunk = self.encode(Encoded(images), self.levels[: self.first_thinned])
        mean = squares = torch.zeros(())
        for number in range(samples):
            with self._thinned(seed, number):
                logits = self.decode(self.encode(trunk, self.levels[self.first_thinned :]))
            probabilities = logits.float().softmax(1)
            # Welford's update: no difference of large sums.
            change = probabilities - mean.to(probabilities.device)
            mean = mean.to(change.device) + change / (number + 1)
            squares = squares.to(change.device) + change * (probabilities - mean)
        return MonteCarlo(mean, squares / samples)

    @contextmanager
    def _thinned(self, seed: int, number: int) -> Iterator[None]:
        """One thinned network: its dropouts draw one after the other from one generator."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        for dropout in self.dropouts:
            dropout.generator = generator
        try:
            yield
        finally:
            for dropout in self.dropouts:
                dropout.generator = None

    def _batches_measured(self) -> int:
        layer = next(part for part in self.modules() if isinstance(part, nn.BatchNorm2d))
        assert layer.num_batches_tracked is not None
        return int(layer.num_batches_tracked)


def _drops(part: nn.Module) -> bool:
    return any(isinstance(inner, ThinningDropout) for inner in part.modules())


def _dropped_first(level: nn.Module) -> nn.Sequential:
    """Dropout after a pooling is dropout before the level that follows."""
    return nn.Sequential(ThinningDropout(), level)


def _dropped_last(decoder: nn.Module) -> nn.Sequential:
    return nn.Sequential(decoder, ThinningDropout())


def bayesian_segnet(
    num_classes: int,
    *,
    width: int = 64,
    samples: int = SAMPLES,
    seed: int = 0,
    dropout: Literal["deep", "everywhere"] = "deep",
    head: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> nn.Module:
    """Bayesian SegNet on VGG16: 29,449,355 parameters at 11 classes.

    Args:
        num_classes: K.
        width: Maps of the first level; 64 is VGG16.
        samples: Thinned networks that evaluation averages; 0 averages weights.
        seed: Decides the thinned networks.
        dropout: Where maps are dropped, see the module.
        head: As :func:`~segbench.models.segnet.segnet`, and so are ``mean`` and ``std``.
    """
    plain, decoders = list(vgg16_levels(width)), vgg16_decoders(width, last=(64, 64) if head else (64,))
    levels: list[nn.Module] = [*plain[:3], *map(_dropped_first, plain[3:])]
    thinned = 3
    if dropout == "everywhere":
        levels, thinned = [*map(_dropped_last, plain)], 4
    return Bayesian(
        num_classes,
        levels,
        [*map(_dropped_last, decoders[:thinned]), *decoders[thinned:]],
        Convolution(scaled(64, width), num_classes, 3),
        bottleneck=ThinningDropout(),
        preprocess=CaffeInput(mean, std),
        samples=samples,
        seed=seed,
    )


def bayesian_segnet_basic(num_classes: int, *, width: int = 64, samples: int = SAMPLES, seed: int = 0) -> nn.Module:
    """Bayesian SegNet-Basic: 1,416,587 parameters at 11 classes.

    Args:
        num_classes: K.
        width: Maps of every level.
        samples: Thinned networks that evaluation averages; 0 averages weights.
        seed: Decides the thinned networks.
    """
    levels = [ConvolutionBlock(a, b, 7, relu=True) for a, b in pairwise([3, *[width] * 4])]
    decoders = [ConvolutionBlock(width, width, 7, relu=False) for _ in range(4)]
    return Bayesian(
        num_classes,
        [*levels[:3], _dropped_first(levels[3])],
        [*map(_dropped_last, decoders[:2]), *decoders[2:]],
        Convolution(width, num_classes, 1),
        bottleneck=ThinningDropout(),
        samples=samples,
        seed=seed,
    )
