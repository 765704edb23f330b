"""Names to specs; an unknown name is answered with the closest ones."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from segbench.errors import UnknownNameError
from segbench.specs import DatasetSpec, ModelSpec

__all__ = ["DATASETS", "MODELS", "Registry", "closest", "import_object", "unknown_name"]


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def closest(name: str, known: Iterator[str] | list[str]) -> str:
    """A sentence that names the known names closest to ``name``, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(names)}."


def unknown_name(kind: str, name: str, known: list[str]) -> UnknownNameError:
    """The error that says that ``name`` is none of the known ones."""
    return UnknownNameError(f"Unknown {kind} '{name}'. {closest(name, known)}")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping that specs are added to once, by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._specs: dict[str, T] = {}

    def add(self, spec: T) -> T:
        """Registers ``spec`` under its name.

        Raises:
            ValueError: The name is taken.
        """
        if spec.name in self._specs:
            raise ValueError(f"{self.kind} {spec.name} is registered twice")
        self._specs[spec.name] = spec
        return spec

    def __getitem__(self, name: str) -> T:
        if name in self._specs:
            return self._specs[name]
        raise unknown_name(self.kind, name, list(self._specs))

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)


DATASETS: Registry[DatasetSpec] = Registry("dataset")
MODELS: Registry[ModelSpec] = Registry("model")


def import_object(path: str) -> Callable[..., Any]:
    """The object behind ``module:name``."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
