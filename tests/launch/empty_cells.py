"""Many processes, many cells with nothing to do: each cell has to be done once. Prints how long it took.

    python -m tests.launch.empty_cells FOLDER [PROCESSES] [CELLS] [KILLS]

With KILLS, that many processes are killed with SIGKILL at random moments, and others started in their place.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from segbench.launch.cell_files import Done
from segbench.launch.grid import Grid
from segbench.launch.identity import start_time
from segbench.progress import Progress


@dataclass(frozen=True)
class Empty:
    """A cell with nothing to do."""

    cell_id: str
    folder: Path


def cells_of(root: Path, count: int) -> list[Empty]:
    """The cells of a grid folder."""
    return [Empty(f"{number:012x}", root / "runs" / "empty" / f"cell-{number:04d}") for number in range(count)]


def compute(cell: Empty, progress: Progress) -> Done:
    """Says in a file that it was here; the record is that file. Notes when it meets another that lives."""
    busy, met = cell.folder / "busy", cell.folder / "met"
    with suppress(FileNotFoundError, ValueError):
        if start_time(int(busy.read_text())) is not None:
            met.touch()
    busy.write_text(f"{os.getpid()}")
    with (cell.folder / "computed").open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    busy.unlink()
    return Done("0" * 12, f"runs/empty/{cell.folder.name}/computed", [])


def work(root: Path, count: int, go: float) -> None:
    """One process of the grid."""
    time.sleep(max(0.0, go - time.time()))
    Grid(cells_of(root, count), root, compute, str, lambda cell: cell.cell_id, {}).run()


def measure(root: Path, processes: int, count: int, kills: int, seed: int = 0) -> dict[str, float]:
    """Runs the grid; seconds are from the common start to the end of the last process."""
    context, dice, go = multiprocessing.get_context("fork"), random.Random(seed), time.time() + 0.3

    def started() -> BaseProcess:
        process = context.Process(target=work, args=(root, count, go))
        process.start()
        return process

    team = [started() for _ in range(processes)]
    time.sleep(max(0.0, go - time.time()))
    for _ in range(kills):
        time.sleep(dice.uniform(0, 0.05))
        victim = team.pop(dice.randrange(len(team)))
        if victim.pid is not None and victim.is_alive():
            os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        team.append(started())
    for process in team:
        process.join()
    seconds = time.time() - go
    assert all(process.exitcode == 0 for process in team)
    computed = [len(path.read_text().split()) for path in root.glob("runs/empty/*/computed")]
    return {
        "processes": processes,
        "cells": len(computed),
        "computed": sum(computed),
        "seconds": round(seconds, 3),
        "cells_per_s": round(count / seconds, 1),
        "met": len(list(root.glob("runs/empty/*/met"))),
        "claims_left": len(list(root.glob("runs/empty/*/claim.json"))),
        "litter": len(list(root.glob("runs/empty/*/.*"))),
    }


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[2:]]
    found = measure(Path(sys.argv[1]), *(numbers + [8, 1000, 0][len(numbers) :]))
    sys.stdout.write(json.dumps(found) + "\n")
