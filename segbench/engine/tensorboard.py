"""Training curves for TensorBoard, which is an extra: what the JSONL log holds, in its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from segbench.errors import UsageError
from segbench.progress import Progress, Task

__all__ = ["tensorboard_events"]


class _Events:
    """Passes everything on and writes the figures of each event."""

    def __init__(self, writer: Any, progress: Progress) -> None:
        self._writer = writer
        self._progress = progress

    def task(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Task]:
        return self._progress.task(title, total, unit)

    def message(self, text: str) -> None:
        """Passes the line on."""
        self._progress.message(text)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Writes each figure as ``<event>/<figure>`` at its iteration and passes the event on."""
        for key, value in values.items():
            if isinstance(value, int | float) and key != "iteration":
                self._writer.add_scalar(f"{name}/{key}", value, values["iteration"])
        self._progress.event(name, values)


@contextmanager
def tensorboard_events(folder: Path, progress: Progress) -> Iterator[Progress]:
    """A progress that also writes event files into ``folder``.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("TensorBoard is not installed.", "Run: pip install 'segbench[tensorboard]'") from error
    writer = SummaryWriter(str(folder))
    try:
        yield _Events(writer, progress)
    finally:
        writer.close()
