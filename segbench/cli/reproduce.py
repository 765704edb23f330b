"""``segbench reproduce``: the runs behind a table of a paper, and the table beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.cells import Computing, parse_seeds
from segbench.cli.options import Device, Json, Out, Quiet, RetryFailed
from segbench.cli.outcome import FAILED
from segbench.console import Cell as Text
from segbench.console import Column, Console, Table
from segbench.durations import UNITS, seconds_of
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.launch.plan import Planned
    from segbench.progress import Progress
    from segbench.suite import Suite, SuiteCell

__all__ = ["reproduce_suite"]


@dataclass(frozen=True)
class _Planned:
    """A run of the suite, and what is known of it before it starts."""

    suite_cell: SuiteCell
    plan: Planned

    @property
    def cell(self) -> Cell:
        """What is trained."""
        return self.plan.cell

    @property
    def left(self) -> bool:
        """Whether there is no record of it, made in this folder or elsewhere."""
        return self.plan.record is None


def reproduce_suite(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="See 'segbench list suites'.")],
    scale: Annotated[str, typer.Option(metavar="S", help="How much of the paper's training a run gets.")] = "full",
    budget: Annotated[
        str | None, typer.Option(metavar="2h", help="Start no run that would not end within this time.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="MODEL[/BALANCING]", help="These runs alone; may be repeated.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="0,1,2", help="Seeds, a run for each; those of the suite if left out.")
    ] = None,
    device: Device = "auto",
    out: Out = Path(),
    retry_failed: RetryFailed = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and how long, and stop.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run what a table of a paper needs and has no record yet, and set ours beside the paper's."""
    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    # Timing the runs is part of the time that is given.
    deadline = None if budget is None else time.monotonic() + _parse_budget(budget)
    suite, chosen = _chosen(name, scale, only or [], None if seeds is None else parse_seeds(seeds))
    plan = _plan(chosen, device, out, progress)
    if dry_run or deadline is not None:
        plan = _estimated(plan, device, progress)
    if dry_run:
        console.result({"cells": [_values(one) for one in plan]}, _plan_table(plan))
        return
    failures, skipped = _run(plan, deadline, device, out, retry_failed, progress)
    _report(console, suite, scale, out, skipped)
    if failures:
        raise typer.Exit(FAILED)


def _parse_budget(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        hint = f"Give a number with {', '.join(UNITS)}: --budget 2h"
        raise UsageError(f"--budget '{text}' is no time.", hint) from error


def _chosen(
    name: str, scale: str, only: Sequence[str], seeds: Sequence[int] | None
) -> tuple[Suite, list[tuple[SuiteCell, int]]]:
    """The runs that are wanted, with their seeds; every name is checked."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.errors import UnknownNameError
    from segbench.registry import closest
    from segbench.suite import find_suite

    suite = find_suite(name)
    cells = suite.cells(scale)
    known = [*(cell.model for cell in cells), *(f"{cell.model}/{cell.balancing}" for cell in cells)]
    for wanted in only:
        if wanted not in known:
            raise UnknownNameError(f"--only '{wanted}' is no run of {name}. {closest(wanted, known)}")
    runs = suite.runs(scale) if seeds is None else [(cell, seed) for seed in seeds for cell in cells]
    kept = [
        (cell, seed) for cell, seed in runs if not only or {cell.model, f"{cell.model}/{cell.balancing}"} & set(only)
    ]
    return suite, kept


def _plan(runs: Sequence[tuple[SuiteCell, int]], device: str, out: Path, progress: Progress) -> list[_Planned]:
    from segbench.data.preparation import ensure_prepared

    for recipe in (cell.recipe for cell, _ in runs):
        ensure_prepared(recipe.dataset, recipe.dataset_variant, progress=progress)
    from segbench.engine.environment import choose_compute
    from segbench.engine.pipeline import find_cell
    from segbench.engine.start import find_starts
    from segbench.launch.plan import plan_cells

    choose_compute(device)
    starts = find_starts([cell.recipe for cell, _ in runs], progress=progress)
    cells = [find_cell(one.recipe, seed, out, progress, start) for (one, seed), start in zip(runs, starts, strict=True)]
    return [_Planned(one, found) for (one, _), found in zip(runs, plan_cells(cells, out), strict=True)]


def _estimated(plan: Sequence[_Planned], device: str, progress: Progress) -> list[_Planned]:
    """The plan with the time that is left, from a few steps timed here; what has a record takes none."""
    from segbench.launch.plan import estimate

    known = [one.plan if one.left else replace(one.plan, seconds=0.0) for one in plan]
    found = estimate(known, device, progress)
    return [replace(one, plan=planned) for one, planned in zip(plan, found, strict=True)]


def _run(
    plan: Sequence[_Planned], deadline: float | None, device: str, out: Path, retry_failed: bool, progress: Progress
) -> tuple[int, list[_Planned]]:
    """Runs one after the other, beside other processes; returns the number of failures and what did not fit."""
    waiting = {one.cell.cell_id: one for one in plan if one.left}

    def fits(cell: Cell) -> bool:
        return deadline is None or time.monotonic() + (waiting[cell.cell_id].plan.seconds or 0.0) <= deadline

    computing = Computing(out, device, progress, lambda cell: _name(waiting[cell.cell_id]))
    endings = computing.run([one.cell for one in waiting.values()], retry_failed=retry_failed, admit=fits)
    failures = sum(ending.failure is not None for ending in endings)
    return failures, [waiting[ending.cell.cell_id] for ending in endings if not (ending.done or ending.failure)]


def _report(console: Console, suite: Suite, scale: str, out: Path, skipped: Sequence[_Planned]) -> None:
    from segbench.cli.reproduction_table import reproduction_tables, reproduction_values
    from segbench.launch.boards import draw_boards
    from segbench.leaderboard.reproduction import build_reproduction
    from segbench.leaderboard.store import load_records, tallies_under

    root = out / "leaderboards"
    files = draw_boards(out)
    found = build_reproduction(suite, scale, load_records(root), tallies_under(root))
    if found is None:
        console.result({"suite": suite.name, "scale": scale, "rows": []})
        console.note(f"No run of {suite.name} is finished at scale {scale} yet, so there is no table.")
    else:
        console.result(reproduction_values(found), *reproduction_tables(found))
    for path in files:
        if path.stem == f"{suite.name}-{scale}":
            console.note(f"Table    {path}")
    for one in skipped:
        console.note(f"{_name(one)} did not fit into the budget; give the same command again.")


def _name(one: _Planned) -> str:
    return f"{one.suite_cell.model} {one.suite_cell.balancing} seed {one.cell.seed}"


def _state(one: _Planned) -> str:
    return one.plan.state if one.left else "done"


def _values(one: _Planned) -> dict[str, Any]:
    return {
        "cell_id": one.cell.cell_id,
        "model": one.suite_cell.model,
        "balancing": one.suite_cell.balancing,
        "scale": one.suite_cell.scale,
        "seed": one.cell.seed,
        "state": _state(one),
        "seconds": None if one.plan.seconds is None else round(one.plan.seconds, 3),
    }


def _plan_table(plan: Sequence[_Planned]) -> Table:
    from segbench.leaderboard.wording import duration

    columns = [Column("model", wide=True), Column("balancing"), Column("seed", right=True)]
    columns += [Column("cell"), Column("state"), Column("time", right=True)]
    rows: list[list[str | Text]] = []
    for one in plan:
        left = "?" if one.plan.seconds is None else duration(one.plan.seconds) if one.left else ""
        state = Text(_state(one), dim=not one.left)
        rows.append([one.suite_cell.model, one.suite_cell.balancing, f"{one.cell.seed}", one.cell.cell_id, state, left])
    total = duration(sum(one.plan.seconds or 0.0 for one in plan))
    left = f"Training and scoring that is left, by a few steps timed here: {total}."
    return Table(columns, rows, f"{len(plan)} runs", [left])
