"""FCN-Basic and its three variants (paper, section 3.1, Figure 3 and Table 1).

What the paper leaves open, and what was taken:

- Stride 2 and padding 3 for the 8x8 transposed convolutions: the maps double, nothing else fits.
- "Bilinear initialisation" of an 8x8 kernel at stride 2: the 4x4 kernel that doubles bilinearly, in the middle, zeros
  around it, on the diagonal of the channel matrix. Filling 8x8 by FCN's formula would be the kernel of stride 4 and
  start four times too large.
- Transposed convolutions have no bias (as FCN's), 1x1 convolutions have.
- The added maps are the max-pooled ones, as Figure 3's caption says; the full-size output gets none.
- NoDimReduction adds the 64 maps as they are and classifies with a 1x1 convolution at full size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.blocks import Convolution, Encoder, SegmentationModel

__all__ = [
    "Doubling",
    "FCNBasic",
    "fcn_basic",
    "no_addition",
    "no_addition_no_dim_reduction",
    "no_dim_reduction",
]


class Doubling(nn.ConvTranspose2d):
    """A learnt 8x8 transposed convolution of stride 2 that starts as bilinear interpolation."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 8, stride=2, padding=3, bias=False)
        line = torch.tensor([0, 0, 0.25, 0.75, 0.75, 0.25, 0, 0])
        with torch.no_grad():
            self.weight.zero_()
            self.weight[range(channels), range(channels)] = torch.outer(line, line)

    def to_size(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """[N, C, h, w] to [N, C, H, W] with h = ceil(H/2) and w = ceil(W/2)."""
        doubled: Tensor = self(maps)
        return doubled[:, :, : size[0], : size[1]]


class FCNBasic(SegmentationModel):
    """The encoder of SegNet-Basic and a decoder of learnt doublings.

    Args:
        num_classes: K.
        width: Maps of every level.
        addition: Add the pooled encoder maps of each resolution.
        reduction: Reduce maps to K channels before they are upsampled or added.
    """

    def __init__(self, num_classes: int, *, width: int = 64, addition: bool = True, reduction: bool = True) -> None:
        super().__init__(num_classes)
        self.encoder = Encoder(width)
        self.addition = addition
        self.reducers = nn.ModuleList()
        if reduction:
            self.reducers.extend(Convolution(width, num_classes, 1) for _ in range(4 if addition else 1))
        self.doublings = nn.ModuleList(Doubling(num_classes if reduction else width) for _ in range(4))
        self.classifier = nn.Identity() if reduction else Convolution(width, num_classes, 1)
        self.finish()

    def _reduced(self, level: int, maps: Tensor) -> Tensor:
        return self.reducers[level](maps) if len(self.reducers) else maps

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] to logits [N, K, H, W]."""
        pooled, _, sizes = self.encoder(images)
        maps = self._reduced(0, pooled.pop())
        for level, doubling in enumerate(self.doublings, start=1):
            assert isinstance(doubling, Doubling)
            maps = doubling.to_size(maps, sizes.pop())
            if self.addition and pooled:
                maps = maps + self._reduced(level, pooled.pop())
        logits: Tensor = self.classifier(maps)
        return logits


def fcn_basic(num_classes: int, *, width: int = 64) -> nn.Module:
    """FCN-Basic."""
    return FCNBasic(num_classes, width=width)


def no_addition(num_classes: int, *, width: int = 64) -> nn.Module:
    """FCN-Basic-NoAddition."""
    return FCNBasic(num_classes, width=width, addition=False)


def no_dim_reduction(num_classes: int, *, width: int = 64) -> nn.Module:
    """FCN-Basic-NoDimReduction."""
    return FCNBasic(num_classes, width=width, reduction=False)


def no_addition_no_dim_reduction(num_classes: int, *, width: int = 64) -> nn.Module:
    """FCN-Basic-NoAddition-NoDimReduction."""
    return FCNBasic(num_classes, width=width, addition=False, reduction=False)
