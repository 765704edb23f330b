"""The 13 convolutions of VGG16, and their mirror image that SegNet and DeconvNet decode with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from segbench.models.blocks import ConvolutionBlock

__all__ = ["VGG16_CHANNELS", "convolution_chain", "scaled", "vgg16_convolutions", "vgg16_decoders", "vgg16_levels"]

VGG16_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Maps of each convolution, level by level; a 2x2 pooling follows each level."""


def scaled(channels: int, width: int) -> int:
    """``channels`` of the full network where its first level has ``width`` maps instead of 64."""
    return max(1, channels * width // 64)


def convolution_chain(
    in_channels: int,
    channels: Sequence[int],
    *,
    batch_norm: bool = True,
    dilation: int = 1,
    first_padding: int | None = None,
) -> nn.Sequential:
    """3x3 convolutions, each with BN (where asked for) and ReLU."""
    chain = nn.Sequential()
    for number, out_channels in enumerate(channels):
        padding = None if number else first_padding
        chain.append(
            ConvolutionBlock(
                in_channels, out_channels, 3, relu=True, batch_norm=batch_norm, dilation=dilation, padding=padding
            )
        )
        in_channels = out_channels
    return chain


def vgg16_levels(
    width: int = 64, *, batch_norm: bool = True, first_padding: int | None = None, last_dilation: int = 1
) -> nn.ModuleList:
    """The five levels without their pooling; 14,714,688 parameters at full width without BN.

    Args:
        width: Maps of the first level; 64 is VGG16.
        batch_norm: BN after every convolution.
        first_padding: Zeros around the image; one, or FCN's 100.
        last_dilation: Dilation of the fifth level; DeepLab's is 2.
    """
    levels, in_channels = nn.ModuleList(), 3
    for number, level in enumerate(VGG16_CHANNELS):
        channels = [scaled(maps, width) for maps in level]
        dilation = last_dilation if number == len(VGG16_CHANNELS) - 1 else 1
        padding = None if number else first_padding
        levels.append(
            convolution_chain(in_channels, channels, batch_norm=batch_norm, dilation=dilation, first_padding=padding)
        )
        in_channels = channels[-1]
    return levels


def vgg16_decoders(width: int = 64, *, last: Sequence[int] = (64,)) -> list[nn.Module]:
    """The mirror image, deepest level first: each level's last convolution takes over the next level's maps.

    Args:
        width: Maps of the first level of the encoder.
        last: Maps of the convolutions at full size; SegNet has its classifier in the place of a second one.
    """
    decoders: list[nn.Module] = []
    in_channels = scaled(VGG16_CHANNELS[-1][-1], width)
    for level in ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), last):
        channels = [scaled(maps, width) for maps in level]
        decoders.append(convolution_chain(in_channels, channels))
        in_channels = channels[-1]
    return decoders


def vgg16_convolutions(levels: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of :func:`vgg16_levels` in their order, conv1_1 to conv5_3."""
    return [part for part in levels.modules() if isinstance(part, nn.Conv2d)]
