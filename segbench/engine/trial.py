"""A network from outside is tried once before anything is trained, so that what is wrong with it is said at once."""

from __future__ import annotations

import torch

from segbench.errors import UsageError
from segbench.models import create_model
from segbench.models.outside.trying import tried
from segbench.specs import ModelSpec

__all__ = ["try_network"]

USUAL_SIZE = (96, 128)


def try_network(spec: ModelSpec, num_classes: int, size: tuple[int, int] | None) -> None:
    """Creates a network from outside and runs one image of noise through it; a registered one is known to work.

    Args:
        num_classes: K.
        size: Height and width that it will see, ``None`` where images differ.

    Raises:
        UsageError: It cannot be made, has nothing to train, raises, or returns no logits [1, K, H, W].
    """
    if not spec.kind:
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = create_model(spec, num_classes).eval()
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise UsageError(f"{spec.name} has no parameters to train.")
        height, width = size or USUAL_SIZE
        tried(lambda: model(255 * torch.rand(1, 3, height, width)), f"{spec.name} on an image of {height}x{width}")
