"""``segbench status``: how the runs of a folder stand, whoever computes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from segbench.cli.options import Json, Quiet
from segbench.console import Cell as Text
from segbench.console import Column, Console, Table
from segbench.errors import UsageError
from segbench.launch.slurm_queue import JobState
from segbench.launch.status import CellStatus, JobStatus, count_states, folder_status

__all__ = ["show_status"]

FINE = 60.0
# Seconds between two questions to Slurm, whose controller answers everybody.
SPARING_S = 5.0


def show_status(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="What 'segbench run' had as --out.")] = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show which runs are done, running, claimed, failed or waiting, and by whom.

    On a terminal the table lives as long as something runs; Ctrl-C leaves it. It reads files, and asks Slurm for the
    jobs that were submitted to it.
    """
    console = Console(json=as_json, quiet=quiet)
    cells = _cells(folder)
    if not as_json and _running(cells):
        _follow(console, folder, SPARING_S if any(cell.job for cell in cells) else 1.0)
        cells = _cells(folder)
    values = {"folder": str(folder), "counts": count_states(cells), "cells": [_values(cell) for cell in cells]}
    console.result(values, _table(cells))


def _follow(console: Console, folder: Path, every_s: float) -> None:
    cells: list[CellStatus] = []

    def going() -> bool:
        cells[:] = folder_status(folder)
        return _running(cells)

    console.follow(lambda: _table(cells), going, every_s)


def _cells(folder: Path) -> list[CellStatus]:
    cells = folder_status(folder)
    if not cells:
        raise UsageError(f"There are no runs below {folder / 'runs'}.", "Plan some: segbench run MODEL --dataset D")
    return cells


def _running(cells: Sequence[CellStatus]) -> bool:
    """Whether there will be news: something is computed, or waits in a queue."""
    return any(_computing(cell) or (cell.job is not None and cell.job.alive) for cell in cells)


def _values(cell: CellStatus) -> dict[str, Any]:
    facts, position, claim, failure = cell.facts, cell.position, cell.claim, cell.failure
    return {
        "cell_id": facts.cell_id,
        "model": facts.model,
        "recipe": facts.recipe,
        "dataset": facts.dataset,
        "dataset_variant": facts.dataset_variant,
        "seed": facts.seed,
        "folder": str(cell.folder),
        "state": cell.state,
        "iteration": cell.iteration,
        "iterations": facts.iterations,
        "phase": position.phase.lower() if position and _computing(cell) else None,
        "images_per_s": position.images_per_s if position and _computing(cell) else None,
        "eta_s": None if cell.eta_s is None else round(cell.eta_s, 1),
        "claim": None if claim is None else {**claim.__dict__, "age_s": round(claim.age_s, 1)},
        "job": None if cell.job is None else _job_values(cell.job),
        "failure": None if failure is None else {**failure.__dict__, "log": str(cell.folder / failure.log)},
    }


def _job_values(job: JobStatus) -> dict[str, Any]:
    known = {"state": None, "reason": None} if job.state is None else _state_values(job.state)
    return {"id": job.job, **known, "log": str(job.log)}


def _state_values(state: JobState) -> dict[str, Any]:
    return {"state": state.state or "gone", "reason": state.reason or None}


def _computing(cell: CellStatus) -> bool:
    return cell.state in ("running", "claimed")


def _table(cells: Sequence[CellStatus]) -> Table:
    columns = [Column("run", wide=True), Column("seed", right=True), Column("state"), Column("steps", right=True)]
    columns += [Column("images/s", right=True), Column("left", right=True), Column("by"), Column("beat", right=True)]
    counts = ", ".join(f"{count} {state}" for state, count in count_states(cells).items() if count)
    failed = [cell for cell in cells if cell.failure is not None]
    notes = [
        f"{_name(cell)}: {cell.failure.error} Log: {cell.folder / cell.failure.log}" for cell in failed if cell.failure
    ]
    again = ["The same command with --retry-failed tries the failed ones again."] if failed else []
    return Table(columns, [_row(cell) for cell in cells], counts, [*notes, *again, *_job_notes(cells)])


def _job_notes(cells: Sequence[CellStatus]) -> list[str]:
    """What jobs wait for, and those that ended before their run."""
    jobs = [(cell, cell.job, cell.job.state) for cell in cells if cell.job and cell.job.state and not _computing(cell)]
    reasons = Counter(state.reason for _, job, state in jobs if job.alive and state.reason)
    waiting = [f"{count} job{'s' if count > 1 else ''} waiting: {reason}." for reason, count in reasons.items()]
    ended = [
        f"{_name(cell)}: job {job.job} ended{f' ({state.state})' if state.state else ''} before the run did. "
        f"Log: {job.log} The same command goes on."
        for cell, job, state in jobs
        if not job.alive
    ]
    return waiting + ended


def _name(cell: CellStatus) -> str:
    return f"{cell.facts.model}.{cell.facts.recipe} seed {cell.facts.seed}"


def _row(cell: CellStatus) -> list[str | Text]:
    facts, position, claim = cell.facts, cell.position if _computing(cell) else None, cell.claim
    state = position.phase.lower() if position and position.unit == "images" else cell.state
    speed = f"{position.images_per_s:.1f}" if position and position.images_per_s else ""
    label, steps = f"{facts.model}.{facts.recipe}", f"{cell.iteration}/{facts.iterations}"
    shown = Text(state, dim=cell.state == "done")
    beat = "" if claim is None or not _computing(cell) else _age(claim.age_s)
    return [label, f"{facts.seed}", shown, steps, speed, _left(cell.eta_s), _owner(cell), beat]


def _owner(cell: CellStatus) -> str:
    """The job with Slurm's word for its state, or the process."""
    if cell.job is not None and cell.job.state is not None and cell.job.alive:
        return f"{cell.job.job} {cell.job.state.state}"
    if cell.claim is None or not _computing(cell):
        return ""
    return f"{cell.claim.pid}" if cell.claim.here else "elsewhere"


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < FINE else f"{seconds / FINE:.0f} min"


def _left(seconds: float | None) -> str:
    from segbench.leaderboard.wording import duration

    return "" if seconds is None else duration(seconds)
