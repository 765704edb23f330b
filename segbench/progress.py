"""How lower layers report what they do without knowing a terminal exists."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable

__all__ = ["SILENT", "Progress", "Silent", "Task"]


@runtime_checkable
class Task(Protocol):
    """One bar: a piece of work with a known or unknown length."""

    def advance(self, steps: int = 1) -> None:
        """Moves the bar on by ``steps`` units."""

    def show(self, **values: object) -> None:
        """Replaces the figures shown beside the bar (loss, images/s ...)."""


@runtime_checkable
class Progress(Protocol):
    """Where work is reported; the console draws it, tests collect it."""

    def task(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Task]:
        """Opens a bar of ``total`` units (``None``: unknown length)."""

    def message(self, text: str) -> None:
        """One line worth keeping, such as a note or a warning."""

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """A structured event (``epoch``, ``validation`` ...) with its figures."""


class Silent:
    """Reports nothing; the default everywhere below the command line."""

    def task(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Task]:
        return nullcontext(self)

    def message(self, text: str) -> None:
        """Drops the line."""

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Drops the event."""

    def advance(self, steps: int = 1) -> None:
        """Drops the step."""

    def show(self, **values: object) -> None:
        """Drops the figures."""


SILENT = Silent()
