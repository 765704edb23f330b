"""Batch normalisation statistics measured over the training split, as the SegNet authors do before evaluating."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.engine.batches import Images, to_tensors
from segbench.engine.distributed import ALONE, Team
from segbench.engine.environment import Compute

__all__ = ["reestimate", "reestimated"]


def _layers(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def reestimate(
    model: nn.Module,
    split: Images,
    size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    team: Team = ALONE,
) -> None:
    """Sets running mean and variance to the averages over one pass of ``split`` in its order.

    The authors' script averages minibatch means and variances over slightly more than one pass; this is exactly one.
    Augmentation is off. The model is left in evaluation mode.

    The minibatches are those of a process by itself however many there are in ``team``, which share them: the averages
    are the same up to rounding.
    """

    def measure(indices: NDArray[np.int64]) -> None:
        images, _ = to_tensors(split, indices, compute.device, size)
        model(images)

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
        if team.size > 1:
            _measure_together(layers, parts, measure, team)
        else:
            for indices in parts:
                measure(indices)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


def _measure_together(
    layers: Sequence[nn.BatchNorm2d],
    parts: Sequence[NDArray[np.int64]],
    measure: Callable[[NDArray[np.int64]], None],
    team: Team,
) -> None:
    """Averages over minibatches that the processes share; each minibatch is measured on its own first."""
    buffers = [_statistics(layer) for layer in layers if layer.track_running_stats]
    sums = [torch.zeros_like(torch.stack([mean, variance]), dtype=torch.float64) for mean, variance, _ in buffers]
    for layer in layers:
        layer.momentum = 1.0
    for number in team.share(range(len(parts))):
        for _, _, batches in buffers:
            # Networks that are sampled draw by the number of the minibatch.
            batches.fill_(number)
        measure(parts[number])
        for total, (mean, variance, _) in zip(sums, buffers, strict=True):
            total += torch.stack([mean, variance])
    for total, (mean, variance, batches) in zip(sums, buffers, strict=True):
        team.add_up(total)
        mean.copy_(total[0] / len(parts))
        variance.copy_(total[1] / len(parts))
        batches.fill_(len(parts))


def _statistics(layer: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance, batches = layer.running_mean, layer.running_var, layer.num_batches_tracked
    assert mean is not None and variance is not None and batches is not None
    return mean, variance, batches


@contextmanager
def reestimated(
    model: nn.Module,
    split: Images,
    size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    team: Team = ALONE,
) -> Iterator[None]:
    """Re-estimates for the block's duration; the statistics of training come back afterwards."""
    kept: list[dict[str, Tensor]] = [
        {name: value.clone() for name, value in layer.named_buffers()} for layer in _layers(model)
    ]
    try:
        reestimate(model, split, size, batch_size, compute, team)
        yield
    finally:
        for layer, values in zip(_layers(model), kept, strict=True):
            for name, buffer in layer.named_buffers():
                buffer.copy_(values[name])
