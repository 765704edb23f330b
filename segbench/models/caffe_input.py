"""The input of networks that grew up in Caffe: channels in the order BGR, 0..255, less a mean per channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CaffeInput"]


class CaffeInput(nn.Module):
    """RGB to BGR, less the means; the scale stays 0..255.

    Args:
        mean: Blue, green and red mean, or ``None`` where the network subtracts nothing.
    """

    mean: Tensor

    def __init__(self, mean: tuple[float, float, float] | None = None) -> None:
        super().__init__()
        self.described_mean = mean
        # Not persistent: the means belong to the definition of the network, not to its weights.
        self.register_buffer("mean", torch.tensor(mean or (0, 0, 0)).float()[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..255 to the same shape, float32."""
        return images.float().flip(1) - self.mean

    def describe(self) -> dict[str, object]:
        """What is done to the input, as JSON values."""
        described: dict[str, object] = {"channels": "BGR", "range": [0, 255]}
        return described if self.described_mean is None else {**described, "mean": list(self.described_mean)}
