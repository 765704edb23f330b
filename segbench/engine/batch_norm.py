"""Batch normalisation statistics measured over the training split, as the SegNet authors do before evaluating."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from segbench.engine.batches import Images, to_tensors
from segbench.engine.environment import Compute

__all__ = ["reestimate", "reestimated"]


def _layers(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def reestimate(
    model: nn.Module, split: Images, size: tuple[int, int] | None, batch_size: int, compute: Compute
) -> None:
    """Sets running mean and variance to the averages over one pass of ``split`` in its order.

    The authors' script averages minibatch means and variances over slightly more than one pass; this is exactly one.
    Augmentation is off. The model is left in evaluation mode.
    """
    layers = _layers(model)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
    # Only batch normalisation is in training mode: dropout stays off.
    model.eval()
    for layer in layers:
        layer.train()
    parts = np.array_split(np.arange(len(split)), -(-len(split) // batch_size))
    with torch.no_grad(), compute.autocast():
        for indices in parts:
            images, _ = to_tensors(split, indices, compute.device, size)
            model(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


@contextmanager
def reestimated(
    model: nn.Module, split: Images, size: tuple[int, int] | None, batch_size: int, compute: Compute
) -> Iterator[None]:
    """Re-estimates for the block's duration; the statistics of training come back afterwards."""
    kept: list[dict[str, Tensor]] = [
        {name: value.clone() for name, value in layer.named_buffers()} for layer in _layers(model)
    ]
    try:
        reestimate(model, split, size, batch_size, compute)
        yield
    finally:
        for layer, values in zip(_layers(model), kept, strict=True):
            for name, buffer in layer.named_buffers():
                buffer.copy_(values[name])
