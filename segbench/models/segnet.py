"""SegNet on VGG16 (paper, section 3; SegNet-Tutorial Models/segnet_train.prototxt).

26 convolutions of 3x3: the 13 of VGG16, 12 in the decoder, and the classifier in the place of the thirteenth. BN and
ReLU follow all but the classifier.

Input: BGR in 0..255 without mean or local normalisation, as the released prototxt has it. Its scale does not matter:
batch normalisation follows the first convolution and takes it out again. With an encoder from ImageNet weights the
input is what those were trained on (see :mod:`~segbench.models.vgg_weights`).

What differs from the release: BN has epsilon 1e-5 (1e-9 there). The paper's section 4 adds dropout to deeper levels of
all networks that it compares; the released SegNet has none, and neither has this one (``bayesian-segnet`` has).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from segbench.models.blocks import Convolution
from segbench.models.caffe_input import CaffeInput
from segbench.models.encoder_decoder import EncoderDecoder
from segbench.models.vgg import scaled, vgg16_decoders, vgg16_levels

__all__ = ["segnet"]


def segnet(
    num_classes: int,
    *,
    width: int = 64,
    head: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> nn.Module:
    """SegNet: 29,449,355 parameters at 11 classes.

    Args:
        num_classes: K.
        width: Maps of the first level; 64 is VGG16.
        head: The decoder has all 13 convolutions, and the classifier is one more, as in some models of the release.
        mean: Blue, green and red that are subtracted from the input, nothing where left out.
        std: Blue, green and red that the input is divided by, nothing where left out.
    """
    return EncoderDecoder(
        num_classes,
        vgg16_levels(width),
        vgg16_decoders(width, last=(64, 64) if head else (64,)),
        Convolution(scaled(64, width), num_classes, 3),
        preprocess=CaffeInput(mean, std),
    )
