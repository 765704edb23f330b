"""The model zoo: networks by name, and networks from outside by their address.

A network maps RGB float32 images [N, 3, H, W] in 0..255 to logits [N, K, H, W] of the same height and width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segbench.errors import UsageError
from segbench.models import catalog as catalog
from segbench.models.options import check_options
from segbench.models.outside import find_model
from segbench.registry import MODELS, import_object
from segbench.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODELS", "create_model", "find_model"]


def create_model(name: str | ModelSpec, num_classes: int, **config: Any) -> nn.Module:
    """Creates a network: ours with He-initialised weights, one from outside as its own code or repository has it.

    Args:
        name: A registered model (see ``segbench list models``), an address such as ``./file.py:factory`` or
            ``hf:ORG/NAME`` (see ``segbench.models.outside``), or what ``find_model`` found for one.
        num_classes: K, at least 2.
        config: Further arguments of the model's factory, such as ``width``.

    Returns:
        The network in training mode; ours in the memory format channels_last. Seed torch for reproducible weights.

    Raises:
        UnknownNameError: No model goes by ``name``.
        UsageError: ``num_classes`` is below 2, the factory has no such argument, or a model from outside is not what it
            should be.
    """
    spec = find_model(name) if isinstance(name, str) else name
    if num_classes < 2:
        raise UsageError(f"{spec.name}: num_classes is {num_classes}; at least 2 are needed.")
    factory = import_object(spec.factory)
    if not spec.kind:
        check_options(spec.name, factory, config)
    model: nn.Module = factory(num_classes, **spec.arguments, **config)
    return model
