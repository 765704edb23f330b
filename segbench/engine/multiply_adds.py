"""How many multiplications with an addition a forward pass takes, counted while it runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["multiply_adds"]


def multiply_adds(model: nn.Module, images: Tensor) -> int:
    """Multiply-adds of the convolutions, transposed convolutions and matrix products of one forward pass.

    A convolution costs (output pixels) x (weights of its kernel) and a transposed one (input pixels) x (weights),
    whether or not a weight lies over the padding; biases, normalisation, pooling and element-wise work are not counted.
    Convolutions have to be computed directly: a Fourier transform would be counted as what it does instead.

    Args:
        model: In the mode that is to be counted.
        images: [N, 3, H, W]; the count is that of the whole batch.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    # It counts a multiplication and an addition as two.
    return int(counter.get_total_flops()) // 2
