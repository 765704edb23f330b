"""DeconvNet (Noh et al. 2015; HyeonwooNoh/DeconvNet training/002_stage_2/stage_2_train.prototxt).

VGG16 with its fully connected layers as a 7x7 and a 1x1 convolution, a 7x7 deconvolution back, then unpooling with
indices and 3x3 deconvolutions mirrored, BN and ReLU after each, a 1x1 classifier. SegNet's paper cuts the fully
connected layers to 1,024 maps to train it at 360x480; so does the default here, ``fc=4096`` is the original.

A deconvolution of stride 1 is a convolution with the kernel turned about and the channels swapped: the 3x3 ones are
kept as convolutions. The 7x7 one gets no padding in either form and is a transposed convolution.

Input: BGR in 0..255 less the means that its data layer subtracts.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from segbench.models.blocks import Convolution, ConvolutionBlock
from segbench.models.caffe_input import CaffeInput
from segbench.models.encoder_decoder import EncoderDecoder
from segbench.models.vgg import scaled, vgg16_decoders, vgg16_levels

__all__ = ["MEAN", "deconvnet"]

MEAN = (104.008, 116.669, 122.675)
"""Blue, green, red."""
MIN_SIZE = 224


def _bottleneck(maps: int, fc: int) -> nn.Sequential:
    """[N, 512, h, w] to the same shape by way of [N, fc, h-6, w-6]."""
    deconvolution = nn.ConvTranspose2d(fc, maps, 7)
    # At 224x224 the bottleneck is one pixel: each pixel of the result is made of ``fc`` values.
    nn.init.normal_(deconvolution.weight, std=(2 / fc) ** 0.5)
    assert deconvolution.bias is not None
    nn.init.zeros_(deconvolution.bias)
    return nn.Sequential(
        ConvolutionBlock(maps, fc, 7, relu=True, padding=0),
        ConvolutionBlock(fc, fc, 1, relu=True),
        nn.Sequential(deconvolution, nn.BatchNorm2d(maps), nn.ReLU(inplace=True)),
    )


def deconvnet(
    num_classes: int,
    *,
    width: int = 64,
    fc: int = 1024,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] | None = None,
) -> nn.Module:
    """DeconvNet for images from 224x224.

    Training batches of one image need more than 224x224: BN cannot normalise a single pixel.

    Args:
        num_classes: K.
        width: Maps of the first level; 64 is VGG16.
        fc: Maps of the bottleneck at full width: 1024 as in SegNet's comparison, 4096 as in the original.
        mean: Blue, green and red that are subtracted from the input.
        std: Blue, green and red that the input is divided by, nothing where left out.
    """
    return EncoderDecoder(
        num_classes,
        vgg16_levels(width),
        vgg16_decoders(width, last=(64, 64)),
        Convolution(scaled(64, width), num_classes, 1),
        bottleneck=_bottleneck(scaled(512, width), scaled(fc, width)),
        preprocess=CaffeInput(mean, std),
        min_size=MIN_SIZE,
    )
