"""Batch normalisation folded into the convolution before it: the same function in evaluation, with fewer passes."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of ``model`` for inference whose convolutions hold the batch normalisation that followed them.

    With running mean m and variance v, scale g and shift b, a convolution of weights W and bias c becomes one of
    weights W * g / sqrt(v + eps) and bias (c - m) * g / sqrt(v + eps) + b: equal but for rounding.

    Args:
        model: Its running statistics are taken as they are; it is left unchanged.

    Returns:
        The copy, in evaluation mode. Batch normalisation that follows no convolution stays.
    """
    folded = copy.deepcopy(model).eval()
    for part in folded.modules():
        if isinstance(part, nn.Sequential):
            _fold_chain(part)
    return folded


def _fold_chain(chain: nn.Sequential) -> None:
    names = list(chain._modules)
    for first, second in pairwise(names):
        convolution, normalisation = chain._modules[first], chain._modules[second]
        if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(normalisation, nn.BatchNorm2d):
            _take_over(convolution, normalisation)
            chain._modules[second] = nn.Identity()


def _take_over(convolution: nn.Conv2d | nn.ConvTranspose2d, normalisation: nn.BatchNorm2d) -> None:
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None and variance is not None
    weight, bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        mean,
        variance,
        normalisation.eps,
        normalisation.weight,
        normalisation.bias,
        transpose=isinstance(convolution, nn.ConvTranspose2d),
    )
    convolution.weight, convolution.bias = weight, bias
