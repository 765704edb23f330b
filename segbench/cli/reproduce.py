"""``segbench reproduce``: the runs behind a table of a paper, and the table beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.cells import Computing, cell_state, parse_seeds
from segbench.cli.options import Device, Json, Out, Quiet, RetryFailed
from segbench.cli.outcome import FAILED
from segbench.console import Cell as Text
from segbench.console import Column, Console, Table
from segbench.durations import UNITS, seconds_of
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.progress import Progress
    from segbench.suite import Suite, SuiteCell

__all__ = ["reproduce_suite"]


@dataclass
class _Planned:
    """A run of the suite, and what is known of it before it starts.

    Attributes:
        state: ``done``, ``partly`` or ``new``.
        seconds: Training that is left, measured on this machine; ``None`` where it was not asked for.
    """

    cell: Cell
    suite_cell: SuiteCell
    state: str
    seconds: float | None = None


def reproduce_suite(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="See 'segbench list suites'.")],
    scale: Annotated[str, typer.Option(metavar="S", help="How much of the paper's training a run gets.")] = "full",
    budget: Annotated[
        str | None, typer.Option(metavar="2h", help="Start no run that would not end within this time.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="MODEL[/BALANCING]", help="These runs alone; may be repeated.")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="0,1,2", help="Seeds, a run for each.")] = "0",
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
    seconds = None if budget is None else _parse_budget(budget)
    suite, chosen = _chosen(name, scale, only or [])
    plan = _plan(chosen, seeds, device, out, progress)
    if dry_run or seconds is not None:
        _estimate(plan, device, progress)
    if dry_run:
        console.result({"cells": [_values(one) for one in plan]}, _plan_table(plan))
        return
    failures, skipped = _run(plan, seconds, device, out, retry_failed, progress)
    _report(console, suite, scale, out, skipped)
    if failures:
        raise typer.Exit(FAILED)


def _parse_budget(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        hint = f"Give a number with {', '.join(UNITS)}: --budget 2h"
        raise UsageError(f"--budget '{text}' is no time.", hint) from error


def _chosen(name: str, scale: str, only: Sequence[str]) -> tuple[Suite, list[SuiteCell]]:
    """The runs that are wanted; every name is checked."""
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
    kept = [cell for cell in cells if not only or {cell.model, f"{cell.model}/{cell.balancing}"} & set(only)]
    return suite, kept


def _plan(cells: Sequence[SuiteCell], seeds: str, device: str, out: Path, progress: Progress) -> list[_Planned]:
    from segbench.data.preparation import ensure_prepared

    numbers = parse_seeds(seeds)
    for recipe in (cell.recipe for cell in cells):
        ensure_prepared(recipe.dataset, recipe.dataset_variant, progress=progress)
    from segbench.engine.environment import choose_compute
    from segbench.engine.pipeline import find_cell
    from segbench.engine.start import find_starts

    choose_compute(device)
    starts = list(zip(cells, find_starts([cell.recipe for cell in cells], progress=progress), strict=True))
    pairs = [(find_cell(cell.recipe, seed, out, progress, start), cell) for seed in numbers for cell, start in starts]
    return [_Planned(found, cell, cell_state(found, out)) for found, cell in pairs]


def _estimate(plan: Sequence[_Planned], device: str, progress: Progress) -> None:
    """Times a few steps of each network that has something left."""
    from segbench.engine.pipeline import estimate_training

    waiting = [one for one in plan if one.state != "done"]
    with progress.task("Timing", len(waiting), "networks") as bar:
        known: dict[str, float] = {}
        for one in waiting:
            model = one.suite_cell.model
            if model not in known:
                known[model] = estimate_training(one.cell, device)
            one.seconds = known[model]
            bar.advance()
    for one in plan:
        if one.state == "done":
            one.seconds = 0.0


def _run(
    plan: Sequence[_Planned], budget: float | None, device: str, out: Path, retry_failed: bool, progress: Progress
) -> tuple[int, list[_Planned]]:
    """Runs one after the other, beside other processes; returns the number of failures and what did not fit."""
    start = time.monotonic()
    waiting = {one.cell.cell_id: one for one in plan if one.state != "done"}

    def fits(cell: Cell) -> bool:
        return budget is None or (waiting[cell.cell_id].seconds or 0.0) <= budget - (time.monotonic() - start)

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


def _values(one: _Planned) -> dict[str, Any]:
    return {
        "cell_id": one.cell.cell_id,
        "model": one.suite_cell.model,
        "balancing": one.suite_cell.balancing,
        "scale": one.suite_cell.scale,
        "seed": one.cell.seed,
        "state": one.state,
        "seconds": None if one.seconds is None else round(one.seconds, 3),
    }


def _plan_table(plan: Sequence[_Planned]) -> Table:
    from segbench.leaderboard.wording import duration

    columns = [Column("model", wide=True), Column("balancing"), Column("seed", right=True)]
    columns += [Column("cell"), Column("state"), Column("time", right=True)]
    rows: list[list[str | Text]] = []
    for one in plan:
        left = duration(one.seconds or 0.0)
        state = Text(one.state, dim=one.state == "done")
        rows.append([one.suite_cell.model, one.suite_cell.balancing, f"{one.cell.seed}", one.cell.cell_id, state, left])
    total = duration(sum(one.seconds or 0.0 for one in plan))
    return Table(columns, rows, f"{len(plan)} runs", [f"Training that is left, by a few steps timed here: {total}."])
