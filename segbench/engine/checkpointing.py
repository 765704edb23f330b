"""Activation checkpointing: chains of convolutions keep their input alone and are computed again for the gradients.

Gradients are the same bit for bit (on a CPU with as many threads); a step takes about a third longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["checkpoint_chains", "convolution_chains"]


def convolution_chains(model: nn.Module) -> list[nn.Sequential]:
    """The outermost sequences that hold a convolution: a level of an encoder, a decoder, a head."""
    found: list[nn.Sequential] = []
    for part in model.children():
        if isinstance(part, nn.Sequential) and any(isinstance(inner, nn.Conv2d) for inner in part.modules()):
            found.append(part)
        else:
            found += convolution_chains(part)
    return found


def checkpoint_chains(model: nn.Module) -> None:
    """Makes every chain of ``model`` forget its activations in training; names and values of its weights stay."""
    for chain in convolution_chains(model):
        chain.forward = _forgetting(chain, chain.forward)  # type: ignore[method-assign]


def _forgetting(chain: nn.Module, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(chain)

    def computed_twice(maps: Tensor) -> Tensor:
        if not (chain.training and torch.is_grad_enabled()):
            return forward(maps)
        result: Tensor = checkpoint(forward, maps, use_reentrant=False, context_fn=contexts)
        return result

    return computed_twice


@contextmanager
def _statistics_kept(chain: nn.Module) -> Iterator[None]:
    """Batch normalisation counts a batch once, however often it sees it."""
    layers = [part for part in chain.modules() if isinstance(part, nn.BatchNorm2d)]
    kept = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, batches) in zip(layers, kept, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, batches
