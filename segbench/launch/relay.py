"""What processes tell the one that started them, as lines of JSON through a pipe: their progress, how they ended."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from segbench.progress import Progress, Task

__all__ = ["TEXT_CHARACTERS", "Relay", "Replay", "taken_over_stdout"]

# The system does not cut what is no longer into pieces that other processes' lines could come between.
LINE_BYTES = 4096
TEXT_CHARACTERS = 900


def taken_over_stdout() -> Relay:
    """A relay through standard output; whatever else is printed from now on goes to standard error."""
    sys.stdout.flush()
    relay = Relay(os.dup(1))
    os.dup2(2, 1)
    return relay


class Relay:
    """A progress that is shown elsewhere.

    Args:
        descriptor: Where the lines go.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._tasks = 0

    def send(self, kind: str, **values: Any) -> None:
        """Sends a line; who sees nobody read it goes on, and hears of that end by its lifeline."""
        line = json.dumps({"kind": kind, **values}, ensure_ascii=False).encode() + b"\n"
        if len(line) > LINE_BYTES:
            raise ValueError(f"a line of {len(line)} bytes")
        with suppress(BrokenPipeError):
            os.write(self._descriptor, line)

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Opens a bar there."""
        self._tasks += 1
        number = self._tasks
        self.send("task", task=number, title=title, total=total, unit=unit)
        try:
            yield _Bar(self, number)
        finally:
            self.send("closed", task=number)

    def message(self, text: str) -> None:
        """Shows a line there."""
        self.send("message", text=text[:TEXT_CHARACTERS])

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Tells of an event there."""
        self.send("event", name=name, values=dict(values))


class _Bar:
    def __init__(self, relay: Relay, number: int) -> None:
        self._relay, self._number = relay, number

    def advance(self, steps: int = 1) -> None:
        """Moves the bar there."""
        self._relay.send("advance", task=self._number, steps=steps)

    def show(self, **values: object) -> None:
        """Shows the figures there."""
        self._relay.send("show", task=self._number, values=values)


class Replay:
    """Shows what a relay sends."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open: dict[int, tuple[ExitStack, Task]] = {}

    def take(self, line: Mapping[str, Any]) -> bool:
        """Shows a line; whether it is one of progress."""
        shown = getattr(self, f"_{line['kind']}", None)
        if shown is not None:
            shown(**{name: value for name, value in line.items() if name != "kind"})
        return shown is not None

    def close(self) -> None:
        """Closes the bars that a process left open when it ended."""
        for number in [*self._open]:
            self._closed(number)

    def _task(self, task: int, title: str, total: int | None, unit: str) -> None:
        stack = ExitStack()
        self._open[task] = stack, stack.enter_context(self._progress.task(title, total, unit))

    def _closed(self, task: int) -> None:
        self._open.pop(task)[0].close()

    def _advance(self, task: int, steps: int) -> None:
        self._open[task][1].advance(steps)

    def _show(self, task: int, values: dict[str, object]) -> None:
        self._open[task][1].show(**values)

    def _message(self, text: str) -> None:
        self._progress.message(text)

    def _event(self, name: str, values: dict[str, object]) -> None:
        self._progress.event(name, values)
