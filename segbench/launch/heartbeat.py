"""What a process says while it computes a cell: that it lives, and how far it is."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from segbench.launch import claims
from segbench.launch.cell_files import Position, write
from segbench.progress import Progress, Task

__all__ = ["Watched", "beating"]

STEPS = "steps"


class Watched:
    """A progress that passes everything on, and remembers where the work is.

    Args:
        step: Training steps that an earlier process reported.
    """

    def __init__(self, progress: Progress, step: int = 0) -> None:
        self._progress = progress
        self._phase, self._unit, self._total = "Starting", "", None  # type: tuple[str, str, int | None]
        self._done = self._first = 0
        self.step = step
        self._since = time.monotonic()
        self._images_per_s: float | None = None

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Opens the bar; it is where the work is."""
        self._phase, self._unit, self._total = title.partition(" ")[0], unit, total
        self._done = self._first = 0
        self._since = time.monotonic()
        with self._progress.task(title, total, unit) as bar:
            yield _Bar(self, bar)

    def advanced(self, steps: int) -> None:
        """Counts units of the bar; what comes at once before the first unit was done by an earlier process."""
        if self._done == 0 and steps > 1:
            self._first = steps
            self._since = time.monotonic()
        self._done += steps
        if self._unit == STEPS:
            self.step = self._done

    def shown(self, values: Mapping[str, object]) -> None:
        """Keeps the speed."""
        speed = values.get("images_per_s")
        if isinstance(speed, float) and speed > 0:
            self._images_per_s = speed

    def message(self, text: str) -> None:
        """Passes the line on."""
        self._progress.message(text)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Passes the event on."""
        self._progress.event(name, values)

    def position(self) -> Position:
        """Where the work is now."""
        here, seconds = self._done - self._first, time.monotonic() - self._since
        per_s = here / seconds if here and seconds else None
        return Position(self._phase, self._done, self._total, self._unit, self.step, self._images_per_s, per_s)


class _Bar:
    def __init__(self, watched: Watched, bar: Task) -> None:
        self._watched = watched
        self._bar = bar

    def advance(self, steps: int = 1) -> None:
        """Moves the bar."""
        self._watched.advanced(steps)
        self._bar.advance(steps)

    def show(self, **values: object) -> None:
        """Shows the figures."""
        self._watched.shown(values)
        self._bar.show(**values)


@contextmanager
def beating(claim: claims.Claim, folder: Path, watched: Watched) -> Iterator[threading.Event]:
    """Renews the claim and writes the position while the block runs.

    Yields:
        Set when the claim was lost to another process, which took this one for dead; the block is interrupted then.
    """
    over, lost = threading.Event(), threading.Event()

    def beat() -> None:
        while not over.wait(claims.HEARTBEAT_S):
            # A file server may be away for a while; the next beat finds out.
            with suppress(OSError):
                if not claim.renew():
                    lost.set()
                    _thread.interrupt_main()
                    return
                write(folder, watched.position())

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    write(folder, watched.position())
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()
