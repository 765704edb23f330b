"""Networks of installed packages, which name them as entry points of the group ``segbench.models``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from segbench.models.outside.trying import tried
from segbench.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GROUP", "find_installed", "from_package", "installed_models"]

GROUP = "segbench.models"


def installed_models() -> list[ModelSpec]:
    """All of them, by name; no package is imported."""
    return [_spec(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]


def find_installed(name: str) -> ModelSpec | None:
    """The network that an installed package calls ``name``; the registered ones of segbench come before it."""
    return next(map(_spec, entry_points(group=GROUP, name=name)), None)


def _spec(point: EntryPoint) -> ModelSpec:
    origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
    return ModelSpec(
        name=point.name,
        paper_name=point.name,
        factory="segbench.models.outside.package:from_package",
        summary=f"from the installed package {origin}",
        source=point.value,
        min_size=1,
        kind="package",
        arguments={"point": point},
        identity=f"package:{origin}",
    )


def from_package(num_classes: int, *, point: EntryPoint, **config: Any) -> nn.Module:
    """Imports the package and calls its factory.

    Raises:
        UsageError: The package cannot be imported, or its factory raises or returns no module.
    """
    from segbench.models.outside.adapter import adapted, called

    found = tried(point.load, f"The entry point {point.name} = {point.value}")
    return adapted(called(found, point.value, num_classes, **config), num_classes, point.value)
