"""The model zoo: networks by name.

A network maps RGB float32 images [N, 3, H, W] in 0..255 to logits [N, K, H, W] of the same height and width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segbench.errors import UsageError
from segbench.models import catalog as catalog
from segbench.models.options import check_options
from segbench.registry import MODELS, import_object

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODELS", "create_model"]


def create_model(name: str, num_classes: int, **config: Any) -> nn.Module:
    """Creates a network with He-initialised weights.

    Args:
        name: A registered model, see ``segbench list models``.
        num_classes: K, at least 2.
        config: Further arguments of the model's factory, such as ``width``.

    Returns:
        The network in training mode, memory format channels_last. Seed torch for reproducible weights.

    Raises:
        UnknownNameError: ``name`` is not registered.
        UsageError: ``num_classes`` is below 2, or the factory has no such argument.
    """
    spec = MODELS[name]
    if num_classes < 2:
        raise UsageError(f"{name}: num_classes is {num_classes}; at least 2 are needed.")
    factory = import_object(spec.factory)
    check_options(name, factory, config)
    model: nn.Module = factory(num_classes, **config)
    return model
