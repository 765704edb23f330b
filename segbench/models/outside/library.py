"""Libraries that only some networks need: imported where they are used, and missed in one line."""

from __future__ import annotations

import importlib
from typing import Any

from segbench.errors import UsageError
from segbench.models.outside.trying import first_line

__all__ = ["library"]


def library(name: str, extra: str, what: str) -> Any:
    """An optional library, loaded.

    Args:
        name: Of its module.
        extra: Of segbench, that installs it.
        what: Needs it.

    Raises:
        UsageError: It is not installed, or cannot be imported here.
    """
    # An import that fails may be of any type: torchvision raises RuntimeError beside a torch that it was not made for.
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise _broken(name, what, error) from error
        raise UsageError(
            f"{what} needs {name}, which is not installed.", f"Install it: pip install 'segbench[{extra}]'"
        ) from error
    except Exception as error:
        raise _broken(name, what, error) from error


def _broken(name: str, what: str, error: Exception) -> UsageError:
    return UsageError(f"{what} needs {name}, which cannot be imported here: {first_line(error)}.")
