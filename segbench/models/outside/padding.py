"""Networks that demand sizes of some multiple, on images of any size."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PaddedToMultiple"]


class PaddedToMultiple(nn.Module):
    """Adds zeros at the right and the bottom, and takes them off the logits again.

    Args:
        network: Images [N, 3, H, W] to logits [N, K, H, W] where H and W are multiples of ``multiple``.
    """

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] of any size to logits [N, K, H, W]."""
        height, width = images.shape[2], images.shape[3]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        logits: Tensor = self.network(functional.pad(images, padding))
        return logits[:, :, :height, :width]
