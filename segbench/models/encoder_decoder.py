"""Networks that pool level by level and then unpool in the opposite order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.models.blocks import SegmentationModel
from segbench.models.index_pooling import index_pool, index_unpool

__all__ = ["Encoded", "EncoderDecoder", "Upsampling", "repeat"]

Upsampling = Literal["indices", "replication"]


class Encoded(NamedTuple):
    """What an encoder hands on.

    Attributes:
        maps: [N, C, h, w], pooled.
        positions: Where the maxima were, one per level.
        sizes: Height and width before each pooling.
    """

    maps: Tensor
    positions: tuple[Tensor, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()


def repeat(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Each value of [N, C, h, w] four times, cut to ``size`` (h = ceil(H/2), w = ceil(W/2))."""
    repeated = functional.interpolate(maps, scale_factor=2, mode="nearest")
    if tuple(repeated.shape[2:]) == size:
        return repeated
    return repeated[:, :, : size[0], : size[1]].contiguous(memory_format=torch.channels_last)


class EncoderDecoder(SegmentationModel):
    """Levels with a 2x2 max pooling after each, a bottleneck, decoders with an upsampling before each, a classifier.

    Pooling rounds sizes up, as Caffe does, so that every size comes back.

    Args:
        num_classes: K.
        levels: From full size down.
        decoders: From the deepest level up; as many.
        classifier: Maps of the last decoder to K.
        bottleneck: Between the last pooling and the first upsampling; keeps the size.
        upsampling: ``indices`` puts values where the maxima were, ``replication`` repeats each value four times.
    """

    def __init__(
        self,
        num_classes: int,
        levels: Iterable[nn.Module],
        decoders: Iterable[nn.Module],
        classifier: nn.Module,
        *,
        bottleneck: nn.Module | None = None,
        upsampling: Upsampling = "indices",
        preprocess: nn.Module | None = None,
        min_size: int = 32,
    ) -> None:
        super().__init__(num_classes, min_size, preprocess)
        self.upsampling = upsampling
        self.levels = nn.ModuleList(levels)
        self.bottleneck = nn.Identity() if bottleneck is None else bottleneck
        self.decoders = nn.ModuleList(decoders)
        self.classifier = classifier
        self.finish()

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        return self.decode(self.encode(Encoded(images), self.levels))

    def encode(self, encoded: Encoded, levels: Iterable[nn.Module]) -> Encoded:
        """Goes down through ``levels``."""
        for level in levels:
            maps = level(encoded.maps)
            pooled, positions = index_pool(maps)
            sizes = (*encoded.sizes, (maps.shape[2], maps.shape[3]))
            encoded = Encoded(pooled, (*encoded.positions, positions), sizes)
        return encoded

    def decode(self, encoded: Encoded) -> Tensor:
        """From the last pooling to logits [N, K, H, W]."""
        maps = self.bottleneck(encoded.maps)
        pooled = zip(reversed(encoded.positions), reversed(encoded.sizes), strict=True)
        for decoder, (positions, size) in zip(self.decoders, pooled, strict=True):
            maps = decoder(self._upsampled(maps, positions, size))
        logits: Tensor = self.classifier(maps)
        return logits

    def _upsampled(self, maps: Tensor, positions: Tensor, size: tuple[int, int]) -> Tensor:
        return repeat(maps, size) if self.upsampling == "replication" else index_unpool(maps, positions, size)
