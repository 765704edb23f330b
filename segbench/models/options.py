"""What a network's factory can be told beside the number of classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from segbench.errors import UsageError
from segbench.registry import closest

__all__ = ["check_options", "factory_options"]

STRICT = ConfigDict(strict=True)


def factory_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """The types of a factory's keyword arguments, by name."""
    hints = get_type_hints(factory)
    named = inspect.signature(factory).parameters.values()
    return {part.name: hints.get(part.name, Any) for part in named if part.kind is part.KEYWORD_ONLY}


def check_options(name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Checks the options of the network ``name``; a factory that takes any keywords answers for itself.

    Raises:
        UsageError: The factory has no such option, or the value is of another type.
    """
    if any(part.kind is part.VAR_KEYWORD for part in inspect.signature(factory).parameters.values()):
        return
    known = factory_options(factory)
    for option, value in options.items():
        if option not in known:
            raise UsageError(f"{name} has no option '{option}'.", closest(option, list(known)) if known else "")
        _check_type(name, option, value, known[option])


def _check_type(name: str, option: str, value: Any, allowed: Any) -> None:
    try:
        TypeAdapter(allowed, config=STRICT).validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"]
        raise UsageError(f"{name}: option {option} is {value!r}. {problem}.") from error
