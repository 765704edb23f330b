"""SegNet-Basic and the two variants of its decoder, and the bilinear baseline (paper, section 3.1, Table 1).

What the paper and the released prototxt leave open, and what was taken:

- Batch normalisation: epsilon 1e-5 (the release uses 1e-9, the paper says nothing); momentum matters only where a
  recipe evaluates with running averages.
- Biases are kept, as in the released prototxt, though the paper says that there are none; they are redundant before
  BN.
- EncoderAddition adds the max-pooled maps, as the caption of Figure 3 says for FCN and as the storage column (64 maps
  of the pooled size) implies: pool3, pool2 and pool1 meet the outputs of decoders 4, 3 and 2 after their BN. The last
  decoder's output has no pooled map of its size and gets none.
- SingleChannelDecoder keeps the classifier over all 64 channels.
- Bilinear-Interpolation reduces to the classes at the bottleneck (the inference time equal to FCN-Basic's speaks for
  it) and then doubles the size four times, fixed.
"""

from __future__ import annotations

from torch import Tensor, nn

from segbench.models.blocks import Convolution, ConvolutionBlock, Encoder, SegmentationModel, resize_logits
from segbench.models.index_pooling import index_unpool

__all__ = [
    "BilinearInterpolation",
    "SegNetBasic",
    "bilinear_interpolation",
    "encoder_addition",
    "segnet_basic",
    "single_channel_decoder",
]


class SegNetBasic(SegmentationModel):
    """Four encoders, four decoders that unpool with the encoder's positions; decoders have BN and no ReLU.

    Args:
        num_classes: K.
        width: Maps of every level.
        addition: Add the pooled encoder maps to the decoders' outputs.
        single_channel: Decoder filters see one channel each.
    """

    def __init__(
        self, num_classes: int, *, width: int = 64, addition: bool = False, single_channel: bool = False
    ) -> None:
        super().__init__(num_classes)
        self.addition = addition
        self.encoder = Encoder(width)
        groups = width if single_channel else 1
        self.decoders = nn.ModuleList(ConvolutionBlock(width, width, 7, relu=False, groups=groups) for _ in range(4))
        self.classifier = Convolution(width, num_classes, 1)
        self.finish()

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        pooled, positions, sizes = self.encoder(images)
        maps = pooled.pop()
        for decoder in self.decoders:
            maps = decoder(index_unpool(maps, positions.pop(), sizes.pop()))
            if self.addition and pooled:
                maps = maps + pooled.pop()
        logits: Tensor = self.classifier(maps)
        return logits


class BilinearInterpolation(SegmentationModel):
    """The encoder, a 1x1 classifier at the bottleneck and four fixed bilinear doublings.

    Args:
        num_classes: K.
        width: Maps of every level.
    """

    def __init__(self, num_classes: int, *, width: int = 64) -> None:
        super().__init__(num_classes)
        self.encoder = Encoder(width)
        self.classifier = Convolution(width, num_classes, 1)
        self.finish()

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        pooled, _, sizes = self.encoder(images)
        logits: Tensor = self.classifier(pooled[-1])
        for size in reversed(sizes):
            logits = resize_logits(logits, size)
        return logits


def segnet_basic(num_classes: int, *, width: int = 64) -> nn.Module:
    """SegNet-Basic: 1,416,587 parameters at 11 classes."""
    return SegNetBasic(num_classes, width=width)


def encoder_addition(num_classes: int, *, width: int = 64) -> nn.Module:
    """SegNet-Basic-EncoderAddition."""
    return SegNetBasic(num_classes, width=width, addition=True)


def single_channel_decoder(num_classes: int, *, width: int = 64) -> nn.Module:
    """SegNet-Basic-SingleChannelDecoder."""
    return SegNetBasic(num_classes, width=width, single_channel=True)


def bilinear_interpolation(num_classes: int, *, width: int = 64) -> nn.Module:
    """Bilinear-Interpolation."""
    return BilinearInterpolation(num_classes, width=width)
