"""Histogram equalisation of each channel, the input of the best known Keras adaptation of SegNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["HistogramEqualisation", "equalise"]


def equalise(images: Tensor) -> Tensor:
    """Equalises each channel of each image as OpenCV's ``equalizeHist`` does.

    With c(v) pixels of at most value v, of n, and m the smallest value that occurs, v becomes
    (c(v) - c(m)) * 255 / (n - c(m)), rounded half to even; a channel of one value stays as it is. Counting is done by
    sorting, which is deterministic on every device.

    Args:
        images: [N, C, H, W] in 0..255; rounded to whole numbers first.

    Returns:
        Whole numbers 0..255, float32 [N, C, H, W]. No gradient flows.
    """
    with torch.no_grad():
        values = images.float().round().clamp(0, 255).flatten(2).contiguous()
        ordered = values.sort(2)[0]
        levels = torch.arange(256, dtype=torch.float32, device=images.device).expand(*values.shape[:2], 256)
        below = _counted(values) if torch.compiler.is_exporting() else _searched(ordered, levels.contiguous())
        lowest = below.gather(2, ordered[:, :, :1].long())
        others = values.shape[2] - lowest
        table = ((below - lowest) * (255 / others)).round().clamp(min=0)
        table = torch.where(others > 0, table, levels)
        return table.gather(2, values.long()).view(images.shape)


def _searched(ordered: Tensor, levels: Tensor) -> Tensor:
    """How many of the ordered values [N, C, P] are at most each level [N, C, 256]."""
    return torch.searchsorted(ordered, levels, right=True).float()


def _counted(values: Tensor) -> Tensor:
    """The same for levels 0..255 by a histogram, which an ONNX graph can hold."""
    empty = torch.zeros(*values.shape[:2], 256, device=values.device)
    return empty.scatter_add(2, values.long(), torch.ones_like(values)).cumsum(2)


class HistogramEqualisation(nn.Module):
    """RGB to BGR, each channel of each image equalised; the scale stays 0..255."""

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..255 to the same shape, float32 whole numbers."""
        return equalise(images).flip(1)

    def describe(self) -> dict[str, object]:
        """What is done to the input, as JSON values."""
        return {"channels": "BGR", "range": [0, 255], "histogram_equalisation": "each channel of each image"}
