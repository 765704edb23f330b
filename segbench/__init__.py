"""segbench: prepare segmentation datasets, train and score networks under one protocol, and read an honest leaderboard.

Importing ``segbench`` loads no torch: every public name is imported at its first use.

    >>> import segbench
    >>> network = segbench.create_model("segnet-basic", num_classes=11)
    >>> scores = segbench.score("predictions/", "labels/", num_classes=11)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segbench import errors, metrics
    from segbench.data.preparation import load as load_dataset
    from segbench.engine.checkpoint import load_model as load
    from segbench.metrics.scorer import score
    from segbench.models import create_model

__all__ = ["__version__", "create_model", "errors", "load", "load_dataset", "metrics", "score"]

__version__ = "0.1.0"

_AT_FIRST_USE = {
    "create_model": "segbench.models:create_model",
    "errors": "segbench.errors",
    "load": "segbench.engine.checkpoint:load_model",
    "load_dataset": "segbench.data.preparation:load",
    "metrics": "segbench.metrics",
    "score": "segbench.metrics.scorer:score",
}


def __getattr__(name: str) -> Any:
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module 'segbench' has no attribute '{name}'")
    module, _, attribute = _AT_FIRST_USE[name].partition(":")
    found = importlib.import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
