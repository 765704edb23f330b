"""A ``Progress`` that keeps what it is told."""

from __future__ import annotations


class Notes:
    """A ``Progress`` that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.totals: dict[str, int | None] = {}
        self.steps: dict[str, int] = {}

    def task(self, title: str, total: int | None = None, unit: str = "") -> NotedTask:
        self.totals[title] = total
        return NotedTask(self, title)

    def message(self, text: str) -> None:
        self.messages.append(text)

    def event(self, name: str, values: object) -> None:
        raise AssertionError(name)


class NotedTask:
    """A bar that counts."""

    def __init__(self, notes: Notes, title: str) -> None:
        self._notes, self._title = notes, title

    def __enter__(self) -> NotedTask:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def advance(self, steps: int = 1) -> None:
        self._notes.steps[self._title] = self._notes.steps.get(self._title, 0) + steps

    def show(self, **values: object) -> None:
        raise AssertionError(values)
