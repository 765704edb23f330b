"""``segbench run``: from models and a dataset to records, tables and pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from segbench.cli.cells import Computing, check_trials, parse_seeds, resolve_recipe, result_of
from segbench.cli.options import Device, Json, Out, Quiet, RetryFailed, complete_dataset, complete_model
from segbench.cli.outcome import DONE, FAILED, explain
from segbench.cli.plan_table import cell_values, failure_values, plan_table, plan_values, run_name
from segbench.cli.run_request import RunRequest
from segbench.cli.slurm import follow, planned_arrays, submitted
from segbench.cli.slurm_options import Gres, Partition, Sbatch, SlurmAsked, TimeLimit, Wait
from segbench.console import Console, say_error
from segbench.errors import SegbenchError, UnknownNameError, UsageError
from segbench.launch.threads import thread_variables
from segbench.progress import SILENT
from segbench.registry import closest

if TYPE_CHECKING:
    from segbench.cli.overview import Overview
    from segbench.engine.pipeline import Cell, Result
    from segbench.launch.cell_files import Done, Failure
    from segbench.launch.grid import Ending
    from segbench.progress import Progress
    from segbench.recipe import Recipe
    from segbench.record import Trial

__all__ = ["run_models"]


@dataclass(frozen=True)
class _Failure:
    cell: Cell
    failure: Failure


@dataclass(frozen=True)
class _Outcome:
    results: list[Result]
    failures: list[_Failure]
    unfinished: list[Cell] = field(default_factory=list)


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
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder-weights", metavar="SOURCE", help="VGG16 weights: a file, ORG/NAME of the Hub, or random."
        ),
    ] = None,
    init_from: Annotated[
        str | None, typer.Option(metavar="RUN", help="Start from these weights, such as fcn-16s from fcn-32s.")
    ] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of one operation.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write the curves for TensorBoard.")] = False,
    trials: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Put these trials of 'segbench tune' into the record.")
    ] = None,
    out: Out = Path(),
    launcher: Annotated[
        str, typer.Option(metavar="L", help="What starts the processes: local, torchrun, slurm.")
    ] = "local",
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that share the runs (local), or jobs at a time.")
    ] = None,
    nproc: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that compute each run together (torchrun, slurm).")
    ] = None,
    sync_batch_norm: Annotated[
        bool, typer.Option("--sync-batch-norm", help="Normalise over the images of all these processes.")
    ] = False,
    time: TimeLimit = None,
    partition: Partition = None,
    gres: Gres = None,
    sbatch: Sbatch = None,
    wait: Wait = False,
    retry_failed: RetryFailed = False,
    worker: Annotated[bool, typer.Option("--worker", hidden=True, help="Ends when its input closes.")] = False,
    only_cell: Annotated[str | None, typer.Option("--cell", hidden=True, help="The one run to compute.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would run and how long it takes here, and stop.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train what has no weights yet, evaluate, record, draw tables.

    The same command again goes on where it stopped; what is done is not done again. Given several times, on machines
    that share the folder too, it shares the runs among the processes.
    """
    if launcher not in LAUNCHERS:
        raise UnknownNameError(f"Unknown launcher '{launcher}'. {closest(launcher, [*LAUNCHERS])}")
    if worker:
        from segbench.launch.lifeline import hold_on_to_parent

        hold_on_to_parent()
    request = RunRequest(
        models=models,
        dataset=dataset,
        recipe=recipe,
        seeds=seeds,
        changes=changes or [],
        device=device,
        threads=threads,
        tensorboard=tensorboard,
        out=out,
        jobs=jobs,
        nproc=nproc or 1,
        sync_batch_norm=sync_batch_norm,
        retry_failed=retry_failed,
        encoder=encoder,
        init_from=init_from,
        trials=trials,
        # What a process that does a part starts from is what the one that divided the work found.
        cached=worker,
        slurm=SlurmAsked(launcher == "slurm", time, partition, gres, sbatch or (), wait),
    )
    if only_cell is not None:
        _compute_one(request, only_cell)
    _check_launcher(launcher, jobs, nproc, sync_batch_norm)
    request.slurm.check(launcher, dry_run)
    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    cells = _cells(request, progress)
    _trials(request, cells)
    if dry_run:
        _show_plan(console, cells, request, progress)
        return
    if request.slurm.asked and not wait:
        code = submitted(cells, request, SILENT).show(console)
    else:
        outcome = LAUNCHERS[launcher](cells, request, progress)
        code = _exit_code(outcome) if worker else _report(console, outcome, out)
    if code:
        raise typer.Exit(code)


# --- before anything runs ---------------------------------------------------------------------------------------------


def _check_launcher(launcher: str, jobs: int | None, nproc: int | None, sync_batch_norm: bool) -> None:
    """Options of one launcher are refused with another."""
    if launcher == "torchrun" and nproc is None:
        raise UsageError("--launcher torchrun needs a number of processes.", "Example: --launcher torchrun --nproc 2")
    if launcher == "torchrun" and (jobs or 1) > 1:
        raise UsageError("--jobs goes with --launcher local.", "torchrun computes one run after the other: --nproc")
    if launcher == "slurm" and sync_batch_norm and (nproc or 1) == 1:
        raise UsageError("--sync-batch-norm needs several processes for each run.", "Example: --nproc 2")
    if launcher == "local" and (nproc is not None or sync_batch_norm):
        given = "--nproc" if nproc is not None else "--sync-batch-norm"
        raise UsageError(f"{given} goes with --launcher torchrun.", "Example: --launcher torchrun --nproc 2")


def _cells(request: RunRequest, progress: Progress) -> list[Cell]:
    """All that is to be run; what is wrong with it is raised here."""
    recipes = [
        resolve_recipe(model, request.dataset, request.recipe, request.changes)
        for model in dict.fromkeys(request.models)
    ]
    numbers = parse_seeds(request.seeds)
    _use_threads(request.threads)
    recipes = list(map(request.slurm.applied, recipes))
    return _plan(recipes, numbers, request, progress)


def _device_here(request: RunRequest) -> str:
    """A machine that only submits jobs need not have the device that they are for."""
    return "auto" if request.slurm.asked else request.device


def _use_threads(threads: int | None) -> None:
    """Tells the numerical libraries, which read this when they are first loaded."""
    if threads is not None:
        os.environ |= thread_variables(threads)


def _plan(recipes: Sequence[Recipe], seeds: Sequence[int], request: RunRequest, progress: Progress) -> list[Cell]:
    """All cells, a seed of every model before the next seed; raises what can be known before training."""
    from segbench.data.preparation import ensure_prepared

    for recipe in recipes:
        ensure_prepared(recipe.dataset, recipe.dataset_variant, progress=progress)
    from segbench.engine.environment import choose_compute
    from segbench.engine.pipeline import check_cell, find_cell
    from segbench.engine.start import find_starts

    choose_compute(_device_here(request))
    starts = find_starts(recipes, request.encoder, request.init_from, cached=request.cached, progress=progress)
    pairs = list(zip(recipes, starts, strict=True))
    cells = [find_cell(recipe, seed, request.out, progress, start) for seed in seeds for recipe, start in pairs]
    for cell in cells:
        check_cell(cell)
    return list({cell.cell_id: cell for cell in cells}.values())


def _trials(request: RunRequest, cells: Sequence[Cell]) -> list[Trial]:
    """The trials of the file that is named, which must be of the one model that is run, on the same data."""
    from segbench.record import load_trials

    if request.trials is None:
        return []
    found = load_trials(request.trials)
    for cell in cells:
        check_trials(request.trials, found, cell)
    return found.trials


def _show_plan(console: Console, cells: Sequence[Cell], request: RunRequest, progress: Progress) -> None:
    from segbench.launch.plan import estimate, plan_cells

    plan = estimate(plan_cells(cells, request.out), _device_here(request), progress)
    arrays = planned_arrays(plan, request.jobs) if request.slurm.asked else []
    values = plan_values(plan) | ({"slurm": [array.values for array in arrays]} if request.slurm.asked else {})
    console.result(values, plan_table(plan), *(array.line for array in arrays))


# --- running ----------------------------------------------------------------------------------------------------------


def _compute_one(request: RunRequest, cell_id: str) -> NoReturn:
    """Computes one cell together with the processes beside this one, and ends."""
    from segbench.launch.rank import compute_as_rank

    def found() -> tuple[Cell, Sequence[Trial]]:
        cell = next(cell for cell in _cells(request, SILENT) if cell.cell_id == cell_id)
        return cell, _trials(request, [cell])

    compute_as_rank(
        found,
        request.out,
        request.device,
        sync_batch_norm=request.sync_batch_norm,
        tensorboard=request.tensorboard,
        explain=lambda error: explain(error)[0],
    )


def _run_local(cells: Sequence[Cell], request: RunRequest, progress: Progress) -> _Outcome:
    """Computes the cells in this process, or in several of this machine that share them."""
    if request.jobs is not None and request.jobs > 1:
        return _run_processes(cells, request, request.jobs, progress)
    return _run_here(cells, request, progress)


def _run_torchrun(cells: Sequence[Cell], request: RunRequest, progress: Progress) -> _Outcome:
    """Computes one cell after the other, each in several processes that train together."""
    from segbench.engine.distributed import Team
    from segbench.engine.training import require_images
    from segbench.launch.threads import threads_each
    from segbench.launch.torchrun import require_devices, run_ranks

    require_devices(request.device, request.nproc)
    for cell in cells:
        require_images(Team(size=request.nproc), cell.prepared.manifest.counts["train"], cell.recipe.train)
    threads = request.threads or threads_each(request.nproc)
    synchronised = ["--sync-batch-norm"] if request.sync_batch_norm else []

    def compute(cell: Cell, watched: Progress) -> tuple[Done, bool]:
        arguments = request.arguments("--cell", cell.cell_id, *synchronised, threads=threads)
        return run_ranks(arguments, request.nproc, threads, cell.folder, watched)

    return _run_here(cells, request, progress, compute)


def _run_slurm(cells: Sequence[Cell], request: RunRequest, progress: Progress) -> _Outcome:
    """Leaves the cells to jobs of Slurm, and stays with these until they have ended."""
    overview = submitted(cells, request, progress).overview
    follow(overview, cells, request.out, progress)
    return _outcome(overview, request.out)


LAUNCHERS: dict[str, Callable[[Sequence[Cell], RunRequest, Progress], _Outcome]] = {
    "local": _run_local,
    "torchrun": _run_torchrun,
    "slurm": _run_slurm,
}


def _run_here(
    cells: Sequence[Cell],
    request: RunRequest,
    progress: Progress,
    compute: Callable[[Cell, Progress], tuple[Done, bool]] | None = None,
) -> _Outcome:
    """The loop of the grid in this process, beside any others that share the folder.

    Args:
        compute: Computes a cell elsewhere; ``None``: that is done here, too.
    """
    out, trials = request.out, _trials(request, cells)
    computing = Computing(out, request.device, progress, run_name, request.tensorboard, compute, trials)
    endings = computing.run(cells, retry_failed=request.retry_failed)
    results = [
        computing.results.get(ending.cell.cell_id) or result_of(ending, out, fresh=False)
        for ending in endings
        if ending.done is not None
    ]
    return _Outcome(results, [_failed(ending) for ending in endings if ending.failure is not None])


def _run_processes(cells: Sequence[Cell], request: RunRequest, jobs: int, progress: Progress) -> _Outcome:
    """Computes the cells in processes of this machine, and shows what they do together."""
    from segbench.cli.overview import Overview
    from segbench.launch.grid import forget_failures
    from segbench.launch.local import run_workers
    from segbench.launch.plan import announce
    from segbench.launch.threads import threads_each

    announce(cells)
    if request.retry_failed:
        forget_failures(cells)
    out, threads = request.out, request.threads or threads_each(jobs)
    overview = Overview(cells, out, run_name, progress)
    if overview.left:
        with overview.shown():
            run_workers(
                request.arguments(threads=threads),
                min(jobs, overview.left),
                threads,
                out / "runs" / "logs",
                watch=lambda workers: overview.look(),
                lost=overview.tell_lost,
            )
    return _outcome(overview, out)


def _outcome(overview: Overview, out: Path) -> _Outcome:
    """How the cells stand that other processes computed."""
    endings = overview.endings()
    results = [result_of(ending, out, fresh=ending.fresh) for ending in endings if ending.done is not None]
    failures = [_failed(ending) for ending in endings if ending.failure is not None]
    return _Outcome(results, failures, [ending.cell for ending in endings if not (ending.done or ending.failure)])


def _failed(ending: Ending[Cell]) -> _Failure:
    assert ending.failure is not None
    return _Failure(ending.cell, ending.failure)


def _exit_code(outcome: _Outcome) -> int:
    return FAILED if outcome.failures or outcome.unfinished else DONE


def _report(console: Console, outcome: _Outcome, out: Path) -> int:
    """Shows what there is now; returns the exit code."""
    from segbench.cli.run_table import run_tables
    from segbench.launch.boards import draw_boards
    from segbench.leaderboard.store import tallies_under

    results, failures, boards = outcome.results, outcome.failures, list[Path]()
    code = _exit_code(outcome)
    if results:
        try:
            boards = draw_boards(out)
        except SegbenchError as error:
            say_error(f"{error}")
            code = FAILED
    values = {
        "runs": [_result_values(result) for result in results],
        "failed": [failure_values(failure.cell, failure.failure) for failure in failures],
        "unfinished": [cell_values(cell, "partly") for cell in outcome.unfinished],
        "boards": [str(path) for path in boards],
    }
    records = [] if console.json else [result.record for result in results]
    console.result(values, *run_tables(records, tallies_under(out / "leaderboards")))
    for kind, paths in _places(results, boards).items():
        for path in paths:
            console.note(f"{kind:8} {path}")
    _say_what_is_missing(outcome)
    return code


def _say_what_is_missing(outcome: _Outcome) -> None:
    failures, total = outcome.failures, len(outcome.results) + len(outcome.failures) + len(outcome.unfinished)
    if total > 1 and failures:
        failed = ", ".join(run_name(failure.cell) for failure in failures)
        say_error(f"{len(failures)} of {total} runs failed: {failed}.")
    if outcome.unfinished:
        names = ", ".join(map(run_name, outcome.unfinished))
        say_error(f"{len(outcome.unfinished)} of {total} runs are not finished: {names}. The same command goes on.")


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
