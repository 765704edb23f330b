"""What the processes of a grid do together: one bar over all training steps, a line for each run that ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.console import say_error
from segbench.launch.grid import Ending
from segbench.launch.local import last_error
from segbench.launch.plan import facts_of
from segbench.launch.status import CellStatus, cell_status
from segbench.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.launch.local import Worker

__all__ = ["Overview"]

EVERY_S = 2.0


class Overview:
    """Follows the cells through their files."""

    def __init__(self, cells: Sequence[Cell], out: Path, name: Callable[[Cell], str], progress: Progress) -> None:
        self._cells, self._out, self._name, self._progress = cells, out, name, progress
        self._facts = {cell.cell_id: facts_of(cell) for cell in cells}
        self._bar: Task = SILENT
        self._drawn, self._looked = 0, 0.0
        self._before = {cell.cell_id for cell in cells if self._ended(self._status(cell))}
        self._told = set(self._before)
        self._latest: dict[str, CellStatus] = {}

    @property
    def left(self) -> int:
        """How many cells had not ended when this began."""
        return len(self._cells) - len(self._before)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Opens the bar."""
        total = sum(facts.iterations for facts in self._facts.values())
        with self._progress.task(f"Training {len(self._cells)} runs", total, "steps") as self._bar:
            yield
            self._look()

    def look(self) -> None:
        """Reads the files again, if the last time is a while ago."""
        if time.monotonic() - self._looked >= EVERY_S:
            self._look()

    def _look(self) -> None:
        for cell in self._cells:
            if cell.cell_id not in self._told or cell.cell_id not in self._latest:
                self._latest[cell.cell_id] = status = self._status(cell)
                if cell.cell_id not in self._told and self._ended(status):
                    self._tell(cell, status)
        self._draw()
        self._looked = time.monotonic()

    def _status(self, cell: Cell) -> CellStatus:
        return cell_status(self._facts[cell.cell_id], cell.folder, self._out)

    def _ended(self, status: CellStatus) -> bool:
        return status.state in ("done", "failed")

    def _tell(self, cell: Cell, status: CellStatus) -> None:
        self._told.add(cell.cell_id)
        if status.failure is not None:
            say_error(f"{self._name(cell)}: {status.failure.error}")
        else:
            self._progress.message(f"{self._name(cell)} is done ({len(self._told)} of {len(self._cells)}).")

    def _draw(self) -> None:
        done = sum(status.iteration for status in self._latest.values())
        positions = [status.position for status in self._latest.values() if status.state == "running"]
        speed = sum(position.images_per_s or 0.0 for position in positions if position)
        self._bar.advance(done - self._drawn)
        self._bar.show(images_per_s=speed or None)
        self._drawn = done

    def tell_lost(self, worker: Worker) -> None:
        """A process did not end by itself; the others take its cell over."""
        last = last_error(worker.log.read_text(encoding="utf-8", errors="replace").split("\n"))
        self._progress.message(f"Process {worker.process.pid} {worker.ended_badly}.{last} Log: {worker.log}")

    def endings(self) -> list[Ending[Cell]]:
        """How the cells stand now; one without record and failure was left when its process died."""
        from segbench.launch.cell_files import Done, read

        found = []
        for cell in self._cells:
            status, fresh = self._status(cell), cell.cell_id not in self._before
            done = read(cell.folder, Done) if status.state == "done" else None
            found.append(Ending(cell, done, status.failure, fresh=fresh))
        return found
