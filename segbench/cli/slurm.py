"""``segbench run --launcher slurm``: which cells get a job, and waiting for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.cli.outcome import DONE, FAILED
from segbench.cli.plan_table import cell_values, run_name
from segbench.console import Cell as Text
from segbench.console import Column, Console, Table, say_error

if TYPE_CHECKING:
    from segbench.cli.overview import Overview
    from segbench.cli.run_request import RunRequest
    from segbench.engine.pipeline import Cell
    from segbench.launch.cell_files import Submitted
    from segbench.launch.plan import Planned
    from segbench.launch.status import CellStatus
    from segbench.progress import Progress
    from segbench.recipe import SlurmOptions

__all__ = ["PlannedArray", "Submission", "follow", "planned_arrays", "submitted"]

# Seconds between two questions to Slurm, whose controller answers everybody.
POLL_S = 3.0


@dataclass(frozen=True)
class PlannedArray:
    """Jobs that would be submitted together."""

    cells: list[Cell]
    options: dict[str, str | int | bool]

    @property
    def values(self) -> dict[str, Any]:
        """As JSON values."""
        return {"cells": [cell.cell_id for cell in self.cells], "sbatch": self.options}

    @property
    def line(self) -> str:
        """As people read it."""
        options = [f"--{key}" if value is True else f"--{key}={value}" for key, value in self.options.items()]
        return f"sbatch {' '.join(options)}: {', '.join(map(run_name, self.cells))}"


def planned_arrays(plan: Sequence[Planned], at_once: int | None) -> list[PlannedArray]:
    """What would be submitted for cells that nobody has begun, or left.

    Args:
        at_once: How many jobs of an array may run at a time.
    """
    from segbench.launch.slurm import array_option, sbatch_options

    groups = _groups([one.cell for one in plan if one.state in ("new", "partly")])
    arrays = [(group, array_option(len(group), at_once) | sbatch_options(options)) for options, group in groups]
    return [PlannedArray(group, options) for group, options in arrays]


@dataclass(frozen=True)
class Submission:
    """What became of each cell.

    Attributes:
        made: The cells that got a job.
        left_out: The other cells, with their state and the reason.
        overview: Follows all of them.
    """

    made: list[tuple[Cell, Submitted]]
    left_out: list[tuple[Cell, str, str]]
    out: Path
    overview: Overview

    def show(self, console: Console) -> int:
        """Says which jobs there are and what to do next; returns the exit code."""
        values = {
            "jobs": [
                {**cell_values(cell, "waiting"), "job": job.job, "log": str(self.out / job.log)}
                for cell, job in self.made
            ],
            "left_out": [{**cell_values(cell, state), "reason": reason} for cell, state, reason in self.left_out],
        }
        console.result(values, self._table())
        console.note(f"How they stand: segbench status{'' if self.out == Path() else f' {self.out}'}")
        failed = [f"{run_name(cell)}: {reason}" for cell, state, reason in self.left_out if state == "failed"]
        for line in failed:
            say_error(line)
        return FAILED if failed else DONE

    def _table(self) -> Table:
        columns = [Column("run", wide=True), Column("seed", right=True), Column("job"), Column("log")]
        rows: list[list[str | Text]] = [
            [cell.recipe.label, f"{cell.seed}", job.job, str(self.out / job.log)] for cell, job in self.made
        ]
        notes = [f"{run_name(cell)} gets no job: {reason}" for cell, _, reason in self.left_out]
        return Table(columns, rows, f"{len(rows)} job{'' if len(rows) == 1 else 's'} submitted", notes)


def submitted(cells: Sequence[Cell], request: RunRequest, progress: Progress) -> Submission:
    """Puts a job into the queue for every cell that nobody computes and no job waits for.

    Raises:
        UsageError: Slurm does not take the jobs.
    """
    from segbench.cli.overview import Overview
    from segbench.launch.grid import forget_failures
    from segbench.launch.plan import announce

    announce(cells)
    if request.retry_failed:
        forget_failures(cells)
    overview = Overview(cells, request.out, run_name, progress)
    statuses = zip(cells, _statuses(cells, request.out), strict=True)
    left_out = [(cell, status.state, why) for cell, status in statuses if (why := _reason(status))]
    others = {cell.cell_id for cell, *_ in left_out}
    made = _made([cell for cell in cells if cell.cell_id not in others], request)
    return Submission(made, left_out, request.out, overview)


def _made(cells: Sequence[Cell], request: RunRequest) -> list[tuple[Cell, Submitted]]:
    from segbench.launch.local import COMMAND
    from segbench.launch.slurm import submit

    arguments = {cell.cell_id: _arguments(cell, request) for cell in cells}
    made: list[tuple[Cell, Submitted]] = []
    for options, group in _groups(cells):
        jobs = submit(group, arguments, options, request.out, COMMAND, request.jobs)
        made += zip(group, jobs, strict=True)
    return made


def _arguments(cell: Cell, request: RunRequest) -> list[str]:
    """The command line of the job of one cell, which may share it among processes of its node."""
    together = ["--launcher", "torchrun", "--nproc", f"{request.nproc}"] if request.nproc > 1 else []
    together += ["--sync-batch-norm"] if request.sync_batch_norm else []
    one = replace(request, models=[cell.recipe.model], seeds=f"{cell.seed}")
    return one.arguments(*together, threads=request.threads)


def _statuses(cells: Sequence[Cell], out: Path) -> list[CellStatus]:
    from segbench.launch.plan import facts_of
    from segbench.launch.status import statuses_of

    return statuses_of({cell.folder: facts_of(cell) for cell in cells}, out)


def _reason(status: CellStatus) -> str:
    """Why a cell needs no job; empty where it does."""
    if status.failure is not None:
        log = status.folder / status.failure.log
        return f"it failed: {status.failure.error} Log: {log}. Again: --retry-failed"
    if status.state == "done":
        return "it has its record."
    if status.job is not None and status.job.state is not None and status.job.alive:
        return f"job {status.job.job} is {status.job.state.state}."
    return "a process has it." if status.state in ("running", "claimed") else ""


def _groups(cells: Sequence[Cell]) -> list[tuple[SlurmOptions, list[Cell]]]:
    """Cells that ask for the same are one array."""
    from segbench.recipe import SlurmOptions

    groups: dict[str, tuple[SlurmOptions, list[Cell]]] = {}
    for cell in cells:
        options = cell.recipe.slurm or SlurmOptions()
        groups.setdefault(options.model_dump_json(), (options, []))[1].append(cell)
    return list(groups.values())


def follow(overview: Overview, cells: Sequence[Cell], out: Path, progress: Progress) -> None:
    """Shows what the jobs do until each cell has ended, or nobody is left who would end it.

    Raises:
        KeyboardInterrupt: Ctrl-C; the jobs stay.
    """
    try:
        with overview.shown():
            while any(map(_has_somebody, _statuses(cells, out))):
                overview.look()
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        progress.message("The jobs stay in the queue; scancel ends them.")
        raise


def _has_somebody(status: CellStatus) -> bool:
    """Whether a job or a process has the cell; a controller that is away may still have it."""
    job = status.job
    return status.state in ("running", "claimed") or (job is not None and (job.state is None or job.alive))
