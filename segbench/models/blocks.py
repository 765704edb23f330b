"""The parts that several networks share."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.models.dft_convolution import dft_convolution, suits_dft
from segbench.models.index_pooling import index_pool

__all__ = [
    "Convolution",
    "ConvolutionBlock",
    "Encoder",
    "LocalResponseNormalisation",
    "SegmentationModel",
    "describe_config",
    "describe_preprocess",
    "he_initialise",
    "measures_statistics",
    "resize_logits",
    "use_convolution",
]

Implementation = Literal["direct", "dft"]


class Convolution(nn.Conv2d):
    """A convolution of odd kernel and stride 1, computed directly or by :mod:`~segbench.models.dft_convolution`.

    Args:
        padding: Zeros on each side; without it as many as keep the size.

    Attributes:
        implementation: ``direct``, or ``dft``: wherever that is faster.
    """

    implementation: Implementation = "direct"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        groups: int = 1,
        *,
        dilation: int = 1,
        padding: int | None = None,
    ) -> None:
        zeros = dilation * (kernel // 2) if padding is None else padding
        super().__init__(in_channels, out_channels, kernel, padding=zeros, dilation=dilation, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] to [N, K, H, W]; H and W differ where ``padding`` says so."""
        if self.implementation == "dft" and self._plain() and suits_dft(input, self.weight):
            return dft_convolution(input, self.weight, self.bias)
        return super().forward(input)

    def _plain(self) -> bool:
        return (self.groups, *self.dilation) == (1, 1, 1) and self.padding[0] == self.kernel_size[0] // 2


def use_convolution(model: nn.Module, implementation: Implementation) -> None:
    """Sets how every :class:`Convolution` of ``model`` is computed."""
    for module in model.modules():
        if isinstance(module, Convolution):
            module.implementation = implementation


class ConvolutionBlock(nn.Sequential):
    """Convolution, batch normalisation and ReLU; the last two where asked for."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        relu: bool,
        groups: int = 1,
        batch_norm: bool = True,
        dilation: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__(Convolution(in_channels, out_channels, kernel, groups, dilation=dilation, padding=padding))
        if batch_norm:
            self.append(nn.BatchNorm2d(out_channels))
        if relu:
            self.append(nn.ReLU(inplace=True))


class LocalResponseNormalisation(nn.Module):
    """x / (1 + alpha/size * sum of x^2 over channels)^beta on RGB, in float32.

    SegNet-Tutorial's prototxt has LRN with size 5, alpha 1e-4, beta 0.75 (its paper says local contrast normalisation).
    A window of 5 spans all three channels at each of them, so one sum serves all.
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..255 to the same shape."""
        images = images.float()
        energy = images.square().sum(1, keepdim=True)
        return images * (1 + self.alpha / self.size * energy).pow(-self.beta)

    def describe(self) -> dict[str, object]:
        """What is done to the input, as JSON values."""
        return {"channels": "RGB", "range": [0, 255], "lrn": [self.size, self.alpha, self.beta]}


class SegmentationModel(nn.Module):
    """Checks the input, normalises it and calls :meth:`logits`.

    Args:
        num_classes: K.
        min_size: Smallest height and width.
        preprocess: What is done to RGB in 0..255; SegNet-Basic's local response normalisation where nothing is given.
    """

    def __init__(self, num_classes: int, min_size: int = 32, preprocess: nn.Module | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.min_size = min_size
        self.preprocess = LocalResponseNormalisation() if preprocess is None else preprocess

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        raise TypeError(f"{type(self).__name__} defines no logits")

    def forward(self, images: Tensor) -> Tensor:
        """RGB images [N, 3, H, W] in 0..255 to logits [N, K, H, W].

        Raises:
            ValueError: The shape does not fit; says which would.
        """
        return self.logits(self.normalised(images))

    def normalised(self, images: Tensor) -> Tensor:
        """RGB images as the first layer sees them, float32 in channels_last.

        Raises:
            ValueError: The shape does not fit; says which would.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < self.min_size:
            side = self.min_size
            raise ValueError(f"images have shape {tuple(images.shape)}; [N, 3, H, W] with H, W >= {side} fits")
        with nullcontext() if torch.compiler.is_exporting() else torch.autocast(images.device.type, enabled=False):
            normalised: Tensor = self.preprocess(images)
        return normalised.contiguous(memory_format=torch.channels_last)

    def finish(self) -> None:
        """Initialises the weights and lays them out; the last line of every constructor."""
        he_initialise(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def describe_preprocess(model: nn.Module) -> dict[str, object]:
    """What ``model`` does to RGB input in 0..255 before its first layer, as JSON values; empty where unknown."""
    describe = getattr(getattr(model, "preprocess", None), "describe", dict)
    described: dict[str, object] = describe()
    return described


def describe_config(model: nn.Module) -> dict[str, Any]:
    """Arguments of the factory that make ``model`` again without what it was first made of, as JSON values."""
    config = getattr(model, "config", None)
    return dict(config) if isinstance(config, dict) else {}


def measures_statistics(model: nn.Module) -> bool:
    """Whether ``model`` is evaluated only to measure its batch normalisation (see ``segbench.engine.batch_norm``)."""
    return not model.training and any(part.training for part in model.modules() if isinstance(part, nn.BatchNorm2d))


class Encoder(nn.Module):
    """Four times 7x7 convolution, batch normalisation, ReLU and 2x2 max pooling, shared by all of Table 1.

    Pooling rounds sizes up, as Caffe does: 45x60 becomes 23x30.
    """

    def __init__(self, width: int = 64, levels: int = 4) -> None:
        super().__init__()
        channels = [3, *[width] * levels]
        self.blocks = nn.ModuleList(ConvolutionBlock(a, b, 7, relu=True) for a, b in pairwise(channels))

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor], list[tuple[int, int]]]:
        """Images [N, 3, H, W] to the pooled maps of each level, their positions and the sizes before pooling."""
        maps, pooled, positions, sizes = images, [], [], []
        for block in self.blocks:
            maps = block(maps)
            sizes.append((maps.shape[2], maps.shape[3]))
            maps, position = index_pool(maps)
            pooled.append(maps)
            positions.append(position)
        return pooled, positions, sizes


def he_initialise(model: nn.Module) -> None:
    """He et al. 2015: zero mean, variance 2 / fan_in for convolutions; zero biases; scale 1 and shift 0 for BN.

    Transposed convolutions are left as their module made them (bilinear).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def resize_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, without aligned corners; the identity where the size is right."""
    if tuple(logits.shape[2:]) == size:
        return logits
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
