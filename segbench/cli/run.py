"""``segbench run``: from models and a dataset to records, tables and pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.cells import cell_state, parse_seeds
from segbench.cli.options import Device, Json, Out, Quiet, complete_dataset, complete_model
from segbench.cli.outcome import debugging, explain
from segbench.console import Cell as Text
from segbench.console import Column, Console, Table, say_error
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell, Result
    from segbench.progress import Progress
    from segbench.recipe import Recipe

__all__ = ["run_models"]


@dataclass(frozen=True)
class _Failure:
    cell: Cell
    line: str
    exit_code: int


def run_models(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", autocompletion=complete_model, help="See 'segbench list models'.")
    ],
    dataset: Annotated[
        str, typer.Option(metavar="D", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    recipe: Annotated[str | None, typer.Option(metavar="R", help="Name of a recipe, or a TOML file.")] = None,
    seeds: Annotated[str, typer.Option(metavar="0,1,2", help="Seeds, a run for each.")] = "0",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Change the recipe, such as train.lr=0.01.")
    ] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of one operation.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write the curves for TensorBoard.")] = False,
    out: Out = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and stop.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train what has no weights yet, evaluate, record, draw tables.

    The same command again goes on where it stopped; what is done is not done again.
    """
    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    recipes = [_resolve(model, dataset, recipe, changes or []) for model in dict.fromkeys(models)]
    numbers = parse_seeds(seeds)
    _use_threads(threads)
    cells = _plan(recipes, numbers, device, out, progress)
    if dry_run:
        states = [(cell, cell_state(cell, out)) for cell in cells]
        console.result({"cells": [_cell_values(*pair) for pair in states]}, _plan_table(states))
        return
    results, failures, boards = _run_all(cells, out, device, tensorboard, progress)
    _report(console, results, failures, boards, out)
    if failures:
        raise typer.Exit(min(failure.exit_code for failure in failures))


# --- before anything runs ---------------------------------------------------------------------------------------------


def _resolve(model: str, dataset: str, recipe: str | None, changes: Sequence[str]) -> Recipe:
    """The recipe of a model with the changes made; every name is checked."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.models import MODELS
    from segbench.recipe import find_recipe, override, require_variant
    from segbench.registry import DATASETS

    names = MODELS[model].name, DATASETS[dataset].name
    found = find_recipe(*names, recipe)
    if (found.model, found.dataset) != names:
        raise UsageError(
            f"Recipe {recipe} is for {found.model} on {found.dataset}, not for {model} on {dataset}.",
            f"Run: segbench run {found.model} --dataset {found.dataset} --recipe {recipe}",
        )
    changed = override(found, changes)
    if (changed.model, changed.dataset) != names:
        raise UsageError("--set changes neither the model nor the dataset.", "Name them as MODEL and --dataset.")
    require_variant(changed, DATASETS[dataset].variants)
    return changed


def _use_threads(threads: int | None) -> None:
    """Tells the numerical libraries, which read this when they are first loaded."""
    if threads is not None:
        os.environ |= {"OMP_NUM_THREADS": f"{threads}", "MKL_NUM_THREADS": f"{threads}"}


def _plan(recipes: Sequence[Recipe], seeds: Sequence[int], device: str, out: Path, progress: Progress) -> list[Cell]:
    """All cells, a seed of every model before the next seed; raises what can be known before training."""
    from segbench.data.preparation import ensure_prepared

    for recipe in recipes:
        ensure_prepared(recipe.dataset, recipe.dataset_variant, progress=progress)
    from segbench.engine.environment import choose_compute
    from segbench.engine.pipeline import class_weights, find_cell

    choose_compute(device)
    cells = [find_cell(recipe, seed, out, progress) for seed in seeds for recipe in recipes]
    for cell in cells:
        class_weights(cell.recipe, cell.prepared)
    return list({cell.cell_id: cell for cell in cells}.values())


def _cell_values(cell: Cell, state: str) -> dict[str, Any]:
    return {
        "cell_id": cell.cell_id,
        "model": cell.recipe.model,
        "recipe": cell.recipe.variant,
        "dataset": cell.recipe.dataset,
        "dataset_variant": cell.recipe.dataset_variant,
        "seed": cell.seed,
        "folder": str(cell.folder),
        "state": state,
    }


def _plan_table(states: Sequence[tuple[Cell, str]]) -> Table:
    columns = [Column("model", wide=True), Column("recipe"), Column("seed", right=True)]
    columns += [Column("cell"), Column("state")]
    rows: list[list[str | Text]] = [
        [cell.recipe.model, cell.recipe.variant, f"{cell.seed}", cell.cell_id, Text(state, dim=state == "done")]
        for cell, state in states
    ]
    title = f"{len(states)} run{'s' if len(states) > 1 else ''}"
    return Table(columns, rows, title, [f"Folder: {cell.folder}" for cell, _ in states])


# --- running ----------------------------------------------------------------------------------------------------------


def _run_all(
    cells: Sequence[Cell], out: Path, device: str, tensorboard: bool, progress: Progress
) -> tuple[list[Result], list[_Failure], list[Path]]:
    """Runs one cell after the other; one that fails does not stop the others, and the tables are fresh after each."""
    from segbench.engine.pipeline import run_cell
    from segbench.leaderboard.rendering import write_boards

    results: list[Result] = []
    failures: list[_Failure] = []
    boards: list[Path] = []
    for cell in cells:
        try:
            results.append(run_cell(cell, out, device=device, tensorboard=tensorboard, progress=progress))
            boards = write_boards(out / "leaderboards")
        except Exception as error:
            line, code = explain(error)
            failures.append(_Failure(cell, line, code))
            say_error(f"{_name(cell)}: {line}", with_traceback=debugging())
    return results, failures, boards


def _name(cell: Cell) -> str:
    return f"{cell.recipe.label} seed {cell.seed}"


def _report(console: Console, results: list[Result], failures: list[_Failure], boards: list[Path], out: Path) -> None:
    from segbench.cli.run_table import run_tables
    from segbench.leaderboard.store import tallies_under

    values = {
        "runs": [_result_values(result) for result in results],
        "failed": [{**_cell_values(failure.cell, "failed"), "error": failure.line} for failure in failures],
        "boards": [str(path) for path in boards],
    }
    records = [] if console.json else [result.record for result in results]
    console.result(values, *run_tables(records, tallies_under(out / "leaderboards")))
    for kind, paths in _places(results, boards).items():
        for path in paths:
            console.note(f"{kind:8} {path}")
    if len(results) + len(failures) > 1 and failures:
        failed = ", ".join(_name(failure.cell) for failure in failures)
        say_error(f"{len(failures)} of {len(results) + len(failures)} runs failed: {failed}.")


def _result_values(result: Result) -> dict[str, Any]:
    return {
        "record": result.record.model_dump(mode="json"),
        "path": str(result.path),
        "pictures": [str(path) for path in result.pictures],
        "fresh": result.fresh,
    }


def _places(results: list[Result], boards: list[Path]) -> dict[str, list[Path]]:
    return {
        "Record": [result.path for result in results],
        "Picture": [path for result in results for path in result.pictures],
        "Board": boards,
    }
