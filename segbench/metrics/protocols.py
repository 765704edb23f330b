"""A protocol from its name and the options that override it; command line and Python use the same names."""

from __future__ import annotations

from typing import Literal

from segbench.errors import UnknownNameError
from segbench.metrics.disc import Tolerance
from segbench.record import BoundaryProtocol, Protocol
from segbench.registry import closest

__all__ = ["PROTOCOLS", "protocol_of"]

PROTOCOLS: dict[str, Protocol] = {"segbench": Protocol()}
"""Named protocols; ``segbench`` is the one the boards show."""


def protocol_of(
    name: str = "segbench",
    *,
    ignore_index: int = 255,
    boundary_rule: Literal["matching", "distance"] | None = None,
    boundary_void: Literal["asis", "masked"] | None = None,
    boundary_average: Literal["script", "paper-text"] | None = None,
    tolerance: float | str | None = None,
) -> Protocol:
    """The named protocol with the given options in place of its own.

    Args:
        name: A key of ``PROTOCOLS``.
        ignore_index: The label that counts nowhere.
        boundary_rule: ``matching`` or ``distance``.
        boundary_void: ``asis`` or ``masked``.
        boundary_average: ``script`` or ``paper-text``.
        tolerance: A fraction of the diagonal (0.0075), or pixels as text (``4.5px``).

    Raises:
        UnknownNameError: No protocol, rule, policy or average has this name.
        UsageError: The tolerance is no number, or negative.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError(f"Unknown protocol '{name}'. {closest(name, list(PROTOCOLS))}")
    base = PROTOCOLS[name]
    changes: dict[str, object] = {
        "rule": _one_of(boundary_rule, "boundary rule", ("matching", "distance")),
        "void": _one_of(boundary_void, "boundary void policy", ("asis", "masked")),
        "average": _one_of(boundary_average, "boundary average", ("script", "paper-text")),
    }
    if tolerance is not None:
        parsed = Tolerance.parse(str(tolerance))
        changes |= {"tolerance": float(parsed.value), "unit": parsed.unit}
    boundary = base.boundary.model_dump() | {key: value for key, value in changes.items() if value is not None}
    return base.model_copy(update={"ignore_index": ignore_index, "boundary": BoundaryProtocol(**boundary)})


def _one_of(value: str | None, what: str, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise UnknownNameError(f"Unknown {what} '{value}'. {closest(value, list(allowed))}")
    return value
