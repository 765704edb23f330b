"""``torch.compile``, where the machine has what it needs."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import torch
from torch import nn

from segbench.errors import UsageError

__all__ = ["compile_network", "require_compiler"]

# A network is compiled in pieces between its poolings, which all run through the same few functions of torch; the
# limit that torch sets counts the pieces of one function together.
PIECES = 256


def require_compiler(device: torch.device) -> None:
    """Checks that networks can be compiled for ``device``, before anything is trained.

    Raises:
        UsageError: There is no C++ compiler, or for a GPU no Triton.
    """
    if device.type == "cpu":
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            raise UsageError(
                f"torch.compile needs a C++ compiler on a CPU, and there is no {compiler}.",
                "Install one (apt-get install g++), name it in CXX, or leave compilation out.",
            )
    elif find_spec("triton") is None:
        raise UsageError("torch.compile needs Triton on a GPU.", "Run: pip install triton, or leave compilation out.")


def compile_network(model: nn.Module) -> None:
    """Compiles ``model`` in place, when it is first called; names and values of its weights stay."""
    import torch._dynamo.config as limits

    limits.recompile_limit = max(limits.recompile_limit, PIECES)
    model.compile()
