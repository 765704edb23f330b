"""``segbench tune``: settings tried on the validation split, kept in a file for the record of the final run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.cells import check_trials, resolve_recipe
from segbench.cli.options import Device, Json, Out, Quiet, complete_dataset, complete_model
from segbench.console import Column, Console, Table
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.progress import Progress
    from segbench.record import Trial, Trials

__all__ = ["tune_recipe"]

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class _Planned:
    """A trial before it is made.

    Attributes:
        settings: What is changed in the recipe, by key.
    """

    cell: Cell
    settings: dict[str, Any]


def tune_recipe(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", autocompletion=complete_model, help="See 'segbench list models'.")
    ],
    dataset: Annotated[
        str, typer.Option(metavar="D", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    trials: Annotated[
        list[str], typer.Option("--trial", metavar="'K=V ...'", help="Settings to try together; may be repeated.")
    ],
    recipe: Annotated[str | None, typer.Option(metavar="R", help="Name of a recipe, or a TOML file.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Change the recipe in every trial.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of every trial.")] = 0,
    file: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="Where trials are kept; under runs/ if left out.")
    ] = None,
    device: Device = "auto",
    out: Out = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try settings of a recipe on the validation split; the test split stays out of it.

    The recipe as it is, with --set, is tried first. What was tried before is not tried again and stays in the file,
    which 'segbench run --trials FILE' puts into the record of the final run.
    """
    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    chosen = resolve_recipe(model, dataset, recipe, [])
    plan = _plan(model, dataset, recipe, [[], *map(_split, trials)], changes or [], seed, out, progress)
    path = file or out / "runs" / chosen.dataset / f"{chosen.model}.trials.json"
    found = _known(path, plan[0].cell)
    for one in plan:
        if found.of(one.cell.cell_id) is None:
            found = _tried(path, found, one, chosen.label, device, progress)
    best = found.best
    values = {**found.model_dump(mode="json"), "best": best and best.model_dump(mode="json"), "file": str(path)}
    console.result(values, _table(found))
    console.note(f"Trials   {path}")
    if best is not None and best.recipe == chosen.label:
        console.note(f"Best     {_next_command(model, dataset, recipe, best, path)}")


def _split(trial: str) -> list[str]:
    try:
        return shlex.split(trial)
    except ValueError as error:
        raise UsageError(f"--trial {trial!r} is not closed: {error}.", "Example: --trial 'train.lr=0.1'") from error


def _plan(
    model: str,
    dataset: str,
    recipe: str | None,
    trials: Sequence[Sequence[str]],
    common: Sequence[str],
    seed: int,
    out: Path,
    progress: Progress,
) -> list[_Planned]:
    """Every trial once; what can be known before training is raised."""
    from segbench.data.preparation import ensure_prepared
    from segbench.recipe import parse_assignment

    assigned = [[*common, *trial] for trial in trials]
    recipes = [resolve_recipe(model, dataset, recipe, settings) for settings in assigned]
    for one in recipes:
        ensure_prepared(one.dataset, one.dataset_variant, progress=progress)
    from segbench.engine.pipeline import check_cell, find_cell
    from segbench.engine.start import find_starts

    plan: dict[str, _Planned] = {}
    for one, settings, start in zip(recipes, assigned, find_starts(recipes, progress=progress), strict=True):
        cell = find_cell(one, seed, out, progress, start)
        check_cell(cell)
        plan.setdefault(cell.cell_id, _Planned(cell, dict(map(parse_assignment, settings))))
    return list(plan.values())


def _known(path: Path, cell: Cell) -> Trials:
    """What the file holds, if there is one."""
    from segbench.record import Trials, load_trials

    if path.exists():
        found = load_trials(path)
        check_trials(path, found, cell)
        return found
    manifest = cell.prepared.manifest
    return Trials(
        model=cell.recipe.model,
        dataset=manifest.dataset,
        dataset_variant=manifest.variant,
        dataset_fingerprint=manifest.fingerprint,
    )


def _tried(path: Path, found: Trials, one: _Planned, recipe: str, device: str, progress: Progress) -> Trials:
    """Makes a trial and keeps it, while no other process trains its cell."""
    from segbench.engine.trials import run_trial
    from segbench.launch.cell_files import CLAIM_FILE
    from segbench.launch.claims import acquire
    from segbench.launch.heartbeat import Watched, beating
    from segbench.record import save_trials

    claim = acquire(one.cell.folder / CLAIM_FILE)
    if claim is None:
        raise UsageError(f"Another process trains {one.cell.folder}.", "Give the same command when it has ended.")
    try:
        with beating(claim, one.cell.folder, watched := Watched(progress)):
            trial = run_trial(one.cell, recipe, one.settings, device=device, progress=watched)
    finally:
        claim.release()
    more = found.with_trial(trial)
    save_trials(path, more)
    return more


def _table(found: Trials) -> Table:
    from segbench.leaderboard.table import SHORT_NAMES

    names = {name: short for name, short in SHORT_NAMES.items() if name != "boundary_f1"}
    columns = [
        Column("settings", wide=True),
        Column("recipe"),
        *(Column(short, right=True) for short in names.values()),
    ]
    ordered = sorted(found.trials, key=lambda trial: -trial.validation.get("mean_iou", -1.0))
    rows = [
        [_written(trial), _variant(trial, found.model), *(_score(trial, name) for name in names)] for trial in ordered
    ]
    title = f"{found.model} on {found.dataset} {found.dataset_variant}, validation"
    return Table(columns, rows, title, ["Percent, on the validation split; the test split was not scored."])


def _written(trial: Trial) -> str:
    from segbench.recipe import write_assignment

    return " ".join(starmap(write_assignment, trial.settings.items())) or AS_IT_IS


def _variant(trial: Trial, model: str) -> str:
    return (trial.recipe or "").removeprefix(f"{model}.")


def _score(trial: Trial, name: str) -> str:
    from segbench.leaderboard.wording import percent

    return "diverged" if trial.diverged else percent(trial.validation.get(name))


def _next_command(model: str, dataset: str, recipe: str | None, best: Trial, path: Path) -> str:
    """The final run with the best settings; every word as a shell takes it."""
    from segbench.recipe import write_assignment

    words = ["segbench", "run", model, "--dataset", dataset, *([] if recipe is None else ["--recipe", recipe])]
    words += [word for setting in best.settings.items() for word in ("--set", write_assignment(*setting))]
    return shlex.join([*words, "--trials", str(path)])
