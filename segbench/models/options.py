"""What a network's factory can be told beside the number of classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Unpack, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from segbench.errors import UsageError
from segbench.registry import closest

__all__ = ["check_options", "factory_options"]

STRICT = ConfigDict(strict=True)


def factory_options(factory: Callable[..., Any]) -> dict[str, Any] | None:
    """The types of a factory's keyword arguments, by name; ``None`` where it takes any and answers for itself.

    Those of ``**options: Unpack[T]`` are the keys of the typed dictionary T.
    """
    hints, known = get_type_hints(factory), dict[str, Any]()
    for part in inspect.signature(factory).parameters.values():
        hint = hints.get(part.name, Any)
        if part.kind is part.KEYWORD_ONLY:
            known[part.name] = hint
        elif part.kind is part.VAR_KEYWORD:
            if get_origin(hint) is not Unpack:
                return None
            known |= get_type_hints(get_args(hint)[0])
    return known


def check_options(name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Checks the options of the network ``name``.

    Raises:
        UsageError: The factory has no such option, or the value is of another type.
    """
    known = factory_options(factory)
    if known is None:
        return
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
