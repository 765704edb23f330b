"""Mean and deviation as libraries of pretrained networks want them, part of the module."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["IMAGENET_DEVIATION", "IMAGENET_MEAN", "Normalisation"]

# torchvision's, which most pretrained encoders were trained with; of RGB in 0..1.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalisation(nn.Module):
    """(x * scale - mean) / deviation, channel by channel.

    Args:
        mean: Three values in the order of ``channels``.
        deviation: Three values, not 0.
        scale: What RGB in 0..255 is multiplied with first.
        channels: ``RGB`` or ``BGR``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, mean: Sequence[float], deviation: Sequence[float], scale: float = 1 / 255, channels: str = "RGB"
    ) -> None:
        super().__init__()
        self.scale, self.channels = scale, channels
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)
        self._described = {"mean": list(mean), "std": list(deviation)}

    def forward(self, images: Tensor) -> Tensor:
        """RGB [N, 3, H, W] in 0..255 to the same shape."""
        images = images.float() if self.channels == "RGB" else images.float().flip(1)
        return (images * self.scale - self.mean) / self.deviation

    def describe(self) -> dict[str, object]:
        """What is done to the input, as JSON values."""
        return {"channels": self.channels, "range": [0, 255], "scale": self.scale, **self._described}
