"""The input of networks that grew up in Caffe: channels in the order BGR, 0..255, less a mean per channel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["CaffeInput"]


class CaffeInput(nn.Module):
    """RGB to BGR, less the means, over the deviations; the scale stays 0..255 where there are none.

    Args:
        mean: Blue, green and red mean, or ``None`` where the network subtracts nothing.
        std: Blue, green and red deviation, or ``None`` where the network divides by nothing.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> None:
        super().__init__()
        self.described = {"mean": mean, "std": std}
        # Not persistent: both belong to the definition of the network, not to its weights.
        self.register_buffer("mean", _per_channel(mean or (0, 0, 0)), persistent=False)
        self.register_buffer("std", _per_channel(std or (1, 1, 1)), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..255 to the same shape, float32."""
        centred = images.float().flip(1) - self.mean
        return centred if self.described["std"] is None else centred / self.std

    def describe(self) -> dict[str, object]:
        """What is done to the input, as JSON values."""
        given = {name: list(values) for name, values in self.described.items() if values is not None}
        return {"channels": "BGR", "range": [0, 255], **given}


def _per_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).float()[:, None, None]
