"""Curves for TensorBoard: what is written, what is passed on, and the line that says how to install it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from segbench.engine.tensorboard import tensorboard_events
from segbench.errors import UsageError
from segbench.progress import Silent


class Collected(Silent):
    """Remembers messages and events."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def message(self, text: str) -> None:
        """Remembers the line."""
        self.seen.append(("message", text))

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Remembers the event."""
        self.seen.append((name, dict(values)))


class Writer:
    """Stands for ``SummaryWriter``."""

    made: list[Writer]

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.scalars: list[tuple[str, float, int]] = []
        self.closed = False
        Writer.made.append(self)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Remembers the figure."""
        self.scalars.append((tag, value, step))

    def close(self) -> None:
        """Remembers that it was called."""
        self.closed = True


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    Writer.made = []
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return Writer.made


def test_figures_are_written_at_their_iteration_and_passed_on(written: list[Writer], tmp_path: Path) -> None:
    progress = Collected()
    event = {"event": "validation", "iteration": 30, "loss": 0.5, "mean_iou": None, "epoch": 2}
    with tensorboard_events(tmp_path, progress) as reporting:
        reporting.message("a line")
        reporting.event("validation", event)
    (writer,) = written
    assert writer.folder == str(tmp_path)
    assert writer.scalars == [("validation/loss", 0.5, 30), ("validation/epoch", 2, 30)]
    assert writer.closed
    assert progress.seen == [("message", "a line"), ("validation", event)]


def test_the_writer_is_closed_when_training_fails(written: list[Writer], tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), tensorboard_events(tmp_path, Collected()):
        raise ZeroDivisionError
    assert written[0].closed


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError) as caught, tensorboard_events(tmp_path, Collected()):
        pass
    assert str(caught.value) == "TensorBoard is not installed. Run: pip install 'segbench[tensorboard]'"
