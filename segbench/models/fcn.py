"""FCN on VGG16 (Long et al. 2015; shelhamer/fcn.berkeleyvision.org, voc-fcn32s, voc-fcn16s and voc-fcn8s net.py).

100 zeros around the image, fully connected layers as a 7x7 convolution without padding and a 1x1 one, dropout 0.5
after both, a 1x1 score, upsampling by kernels of twice the stride, cropped at the published offsets.

- ``fcn-32s``, ``fcn-16s``, ``fcn-8s``: upsampling is fixed and bilinear, as in the release.
- ``fcn``: FCN-8s whose three upsamplings are learnt from a bilinear start, K to K channels; the SegNet paper's
  "FCN (learnt deconv)".

BN follows every convolution but the scores, as in the SegNet paper's comparison. ``batch_norm=False`` is the original;
its scores start at zero, as in the release, and ``at_once=True`` scales the two skips as the release's one-stage
training does (0.01 and 0.0001), where they cannot be trained in stages.

Input: BGR in 0..255 less the means of the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack

import torch
from torch import Tensor, nn

from segbench.models.bilinear import bilinear_weights, resample
from segbench.models.blocks import Convolution, ConvolutionBlock, SegmentationModel
from segbench.models.caffe_input import CaffeInput
from segbench.models.index_pooling import index_pool
from segbench.models.vgg import scaled, vgg16_levels

__all__ = [
    "FCN",
    "BilinearUpsampling",
    "LearntUpsampling",
    "bilinear_kernel",
    "fcn_8s",
    "fcn_16s",
    "fcn_32s",
    "fcn_learnt",
]

MEAN = (104.00699, 116.66877, 122.67892)
"""Blue, green, red."""
PADDING = 100
SKIPS = ((5, 0.01), (9, 0.0001))
"""Crop offset and one-stage scale of pool4 and pool3."""
LAST_OFFSET = {32: 19, 16: 27, 8: 31}
"""Crop offset of the last upsampling by its factor."""

Stride = Literal[32, 16, 8]


def bilinear_kernel(factor: int) -> Tensor:
    """The [2f, 2f] kernel with which a transposed convolution of stride f interpolates bilinearly."""
    line = bilinear_weights((torch.arange(2 * factor) + 0.5) / factor - 1, 1)[:, 0]
    return torch.outer(line, line)


class BilinearUpsampling(nn.Module):
    """The fixed transposed convolution with :func:`bilinear_kernel`, one channel at a time, cropped.

    Computed as two matrix products, which give the same numbers and only those that survive the crop.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def cropped(self, maps: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
        """[N, C, h, w] to [N, C, H, W]: rows and columns ``offset`` to ``offset + size`` of the (h+1)f by (w+1)f."""
        rows, columns = (self._positions(offset, side, maps.device) for side in size)
        return resample(maps, rows, columns)

    def _positions(self, offset: int, side: int, device: torch.device) -> Tensor:
        return (torch.arange(side, device=device) + offset + 0.5) / self.factor - 1


class LearntUpsampling(nn.ConvTranspose2d):
    """A transposed convolution of kernel 2f and stride f, K to K channels, that starts bilinear on the diagonal."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__(channels, channels, 2 * factor, stride=factor, bias=False)
        self.factor = factor
        diagonal = torch.eye(channels)[:, :, None, None] * bilinear_kernel(factor)
        self.weight = nn.Parameter(diagonal)

    def cropped(self, maps: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
        """As :meth:`BilinearUpsampling.cropped`."""
        upsampled: Tensor = self(maps)
        return _crop(upsampled, offset, size)


def _crop(maps: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
    return maps[:, :, offset : offset + size[0], offset : offset + size[1]]


class FCN(SegmentationModel):
    """FCN of one of three strides.

    Args:
        num_classes: K.
        stride: 32 without skips, 16 with pool4, 8 with pool4 and pool3.
        learnt: Upsampling is learnt from a bilinear start; else fixed.
        width: Maps of the first level; 64 is VGG16.
        batch_norm: BN after every convolution but the scores.
        at_once: Scale the skips as the release's one-stage training does.
        mean: Blue, green and red that are subtracted from the input.
        std: Blue, green and red that the input is divided by, nothing where left out.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        stride: Stride,
        learnt: bool = False,
        width: int = 64,
        batch_norm: bool = True,
        at_once: bool = False,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, preprocess=CaffeInput(mean, std))
        skips = {32: 0, 16: 1, 8: 2}[stride]
        deep, fc = scaled(512, width), scaled(4096, width)
        self.encoder = vgg16_levels(width, batch_norm=batch_norm, first_padding=PADDING)
        self.fully_connected = nn.Sequential(
            ConvolutionBlock(deep, fc, 7, relu=True, batch_norm=batch_norm, padding=0),
            nn.Dropout(0.5),
            ConvolutionBlock(fc, fc, 1, relu=True, batch_norm=batch_norm),
            nn.Dropout(0.5),
        )
        sources = (fc, deep, scaled(256, width))
        self.scores = nn.ModuleList(Convolution(maps, num_classes, 1) for maps in sources[: 1 + skips])
        factors = [2] * skips + [stride]
        self.upsamplings = nn.ModuleList(
            LearntUpsampling(num_classes, factor) if learnt else BilinearUpsampling(factor) for factor in factors
        )
        self.scales = [scale if at_once else 1.0 for _, scale in SKIPS[:skips]]
        self.last_offset = LAST_OFFSET[stride]
        self.finish()
        if not batch_norm:
            self._zero_scores()

    def _zero_scores(self) -> None:
        for score in self.scores:
            nn.init.zeros_(score.weight)  # type: ignore[arg-type]

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        pooled = self._pooled(images)
        maps = self.scores[0](self.fully_connected(pooled[4]))
        for number, scale in enumerate(self.scales):
            skip = self.scores[1 + number](pooled[3 - number] * scale if scale != 1 else pooled[3 - number])
            maps = self._enlarged_onto(skip, number, maps)
        return self._upsampled(-1, maps, self.last_offset, (images.shape[2], images.shape[3]))

    def _pooled(self, images: Tensor) -> list[Tensor]:
        maps, pooled = images, []
        for level in self.encoder:
            maps, _ = index_pool(level(maps))
            pooled.append(maps)
        return pooled

    def _enlarged_onto(self, skip: Tensor, number: int, maps: Tensor) -> Tensor:
        """The sum of doubled ``maps`` and the skip, cropped to them."""
        size = (2 * maps.shape[2] + 2, 2 * maps.shape[3] + 2)
        return self._upsampled(number, maps, 0, size) + _crop(skip, SKIPS[number][0], size)

    def _upsampled(self, number: int, maps: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
        upsampling = self.upsamplings[number]
        assert isinstance(upsampling, BilinearUpsampling | LearntUpsampling)
        return upsampling.cropped(maps, offset, size)


class FCNOptions(TypedDict, total=False):
    """Arguments of :class:`FCN` beside the number of classes and what sets its forms apart."""

    width: int
    batch_norm: bool
    at_once: bool
    mean: Sequence[float]
    std: Sequence[float] | None


def fcn_32s(num_classes: int, **arguments: Unpack[FCNOptions]) -> nn.Module:
    """FCN-32s; arguments as :class:`FCN`."""
    return FCN(num_classes, stride=32, **arguments)


def fcn_16s(num_classes: int, **arguments: Unpack[FCNOptions]) -> nn.Module:
    """FCN-16s; arguments as :class:`FCN`."""
    return FCN(num_classes, stride=16, **arguments)


def fcn_8s(num_classes: int, **arguments: Unpack[FCNOptions]) -> nn.Module:
    """FCN-8s; arguments as :class:`FCN`."""
    return FCN(num_classes, stride=8, **arguments)


def fcn_learnt(num_classes: int, **arguments: Unpack[FCNOptions]) -> nn.Module:
    """FCN-8s with learnt upsampling; arguments as :class:`FCN`."""
    return FCN(num_classes, stride=8, learnt=True, **arguments)
