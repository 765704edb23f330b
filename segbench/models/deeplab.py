"""DeepLab-LargeFOV (Chen et al. 2015, as the SegNet paper compared it).

VGG16 with 3x3 pooling around every second pixel three times and around every pixel twice, the fifth level dilated by
2, a 3x3 average pooling, a 3x3 convolution dilated by 12 to 1,024 maps, a 1x1 one, dropout 0.5 after both, a 1x1
score: one for every eighth pixel, 45x60 at 360x480. Scores are interpolated bilinearly at their own places (the n-th
score belongs to pixel 8n, as at the 321x321 of the original); beyond the last one its value holds.

Pooling takes ceil(H/2) rows, which is what Caffe's gives at the odd sizes of the original; Caffe would make 46x61 of
360x480, the SegNet paper prints 45x60.

BN follows every convolution but the score, as in the SegNet paper; ``batch_norm=False`` is the original form, whose
score starts with standard deviation 0.01. ``crf=True`` refines what evaluation returns by
:class:`~segbench.models.dense_crf.DenseCRF` on the image's colours (on the CPU); training is not changed by it, and a
``DenseCRF`` of other parameters may be put on ``model.crf``.

Input: BGR in 0..255 less the means of the released training file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.models.bilinear import resample
from segbench.models.blocks import Convolution, ConvolutionBlock, SegmentationModel, measures_statistics
from segbench.models.caffe_input import CaffeInput
from segbench.models.dense_crf import DenseCRF
from segbench.models.max_pooling import max_pool_3x3
from segbench.models.vgg import scaled, vgg16_levels

__all__ = ["MEAN", "DeepLab", "deeplab_largefov"]

MEAN = (104.008, 116.669, 122.675)
"""Blue, green, red."""
POOLING_STRIDES = (2, 2, 2, 1, 1)
OUTPUT_STRIDE = 8


class DeepLab(SegmentationModel):
    """DeepLab-LargeFOV.

    Args:
        num_classes: K.
        width: Maps of the first level; 64 is VGG16.
        batch_norm: BN after every convolution but the score.
        crf: Refine what evaluation returns.
        mean: Blue, green and red that are subtracted from the input.
        std: Blue, green and red that the input is divided by, nothing where left out.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        width: int = 64,
        batch_norm: bool = True,
        crf: bool = False,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, preprocess=CaffeInput(mean, std))
        deep, fc = scaled(512, width), scaled(1024, width)
        self.encoder = vgg16_levels(width, batch_norm=batch_norm, last_dilation=2)
        self.head = nn.Sequential(
            ConvolutionBlock(deep, fc, 3, relu=True, batch_norm=batch_norm, dilation=12),
            nn.Dropout(0.5),
            ConvolutionBlock(fc, fc, 1, relu=True, batch_norm=batch_norm),
            nn.Dropout(0.5),
        )
        self.score = Convolution(fc, num_classes, 1)
        self.crf = DenseCRF() if crf else None
        self.finish()
        if not batch_norm:
            nn.init.normal_(self.score.weight, std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images [N, 3, H, W] in 0..255 to logits [N, K, H, W]; to log probabilities where ``crf`` refined them.

        Raises:
            ValueError: The shape does not fit; says which would.
        """
        logits: Tensor = super().forward(images)
        if self.crf is None or self.training or measures_statistics(self):
            return logits
        return self.crf(logits, images)

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        scores = self.scores(images)
        rows, columns = (_places(side, images.device) for side in images.shape[2:])
        return resample(scores, rows, columns)

    def scores(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to scores [N, K, ceil(H/8), ceil(W/8)]."""
        maps = images
        for level, stride in zip(self.encoder, POOLING_STRIDES, strict=True):
            maps = max_pool_3x3(level(maps), stride)
        maps = functional.avg_pool2d(maps, 3, 1, 1)
        scores: Tensor = self.score(self.head(maps))
        return scores


def _places(side: int, device: torch.device) -> Tensor:
    """Where the pixels lie among the scores."""
    last = -(-side // OUTPUT_STRIDE) - 1
    return (torch.arange(side, device=device) / OUTPUT_STRIDE).clamp(max=last)


class DeepLabOptions(TypedDict, total=False):
    """Arguments of :class:`DeepLab` beside the number of classes."""

    width: int
    batch_norm: bool
    crf: bool
    mean: Sequence[float]
    std: Sequence[float] | None


def deeplab_largefov(num_classes: int, **arguments: Unpack[DeepLabOptions]) -> nn.Module:
    """DeepLab-LargeFOV; arguments as :class:`DeepLab`."""
    return DeepLab(num_classes, **arguments)
