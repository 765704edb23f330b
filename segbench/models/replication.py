"""SegNet without pooling indices: the adaptations through which many people met SegNet in Keras.

- ``segnet_replication`` after imlab-uiip/keras-segnet: upsampling repeats each value four times. That file also ends
  in a 1x1 convolution with BN; here the classifier stays SegNet's, so that upsampling is all that differs and the two
  can be compared.
- ``segnet_basic_replication``: the same change to SegNet-Basic.
- ``segnet_keras_basic`` after pradyu1993/segnet: 3x3 convolutions of 64, 128, 256 and 512 maps, three poolings,
  decoders of 512, 256, 128 and 64 maps with BN and no ReLU, a 1x1 classifier, input equalised channel by channel.

Keras pools with floor and takes only sizes that halve evenly; here pooling rounds up and every size comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from segbench.models.blocks import Convolution, ConvolutionBlock
from segbench.models.caffe_input import CaffeInput
from segbench.models.encoder_decoder import EncoderDecoder
from segbench.models.histogram_equalisation import HistogramEqualisation
from segbench.models.vgg import scaled, vgg16_decoders, vgg16_levels

__all__ = ["segnet_basic_replication", "segnet_keras_basic", "segnet_replication"]


def segnet_replication(
    num_classes: int, *, width: int = 64, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> nn.Module:
    """SegNet with repetition in place of indices; arguments as :func:`~segbench.models.segnet.segnet`."""
    return EncoderDecoder(
        num_classes,
        vgg16_levels(width),
        vgg16_decoders(width),
        Convolution(scaled(64, width), num_classes, 3),
        upsampling="replication",
        preprocess=CaffeInput(mean, std),
    )


def segnet_basic_replication(num_classes: int, *, width: int = 64) -> nn.Module:
    """SegNet-Basic with repetition in place of indices."""
    return EncoderDecoder(
        num_classes,
        [ConvolutionBlock(a, b, 7, relu=True) for a, b in pairwise([3, *[width] * 4])],
        [ConvolutionBlock(width, width, 7, relu=False) for _ in range(4)],
        Convolution(width, num_classes, 1),
        upsampling="replication",
    )


def segnet_keras_basic(num_classes: int, *, width: int = 64) -> nn.Module:
    """The network of pradyu1993/segnet."""
    narrow, medium, wide, widest = (scaled(maps, width) for maps in (64, 128, 256, 512))
    return EncoderDecoder(
        num_classes,
        [ConvolutionBlock(a, b, 3, relu=True) for a, b in pairwise([3, narrow, medium, wide])],
        [ConvolutionBlock(a, b, 3, relu=False) for a, b in pairwise([widest, wide, medium, narrow])],
        Convolution(narrow, num_classes, 1),
        bottleneck=nn.Sequential(
            ConvolutionBlock(wide, widest, 3, relu=True), ConvolutionBlock(widest, widest, 3, relu=False)
        ),
        upsampling="replication",
        preprocess=HistogramEqualisation(),
    )
