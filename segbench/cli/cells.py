"""Cells of a grid as the command line sees them: the seeds asked for, what is done, and the loop that computes them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.cli.outcome import debugging, explain
from segbench.console import say_error
from segbench.errors import SegbenchError, UsageError

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell, Result
    from segbench.launch.cell_files import Done
    from segbench.launch.grid import Ending
    from segbench.progress import Progress
    from segbench.recipe import Recipe
    from segbench.record import Trial, Trials

__all__ = ["Computing", "check_trials", "parse_seeds", "resolve_recipe", "result_of"]


def parse_seeds(text: str) -> list[int]:
    """``0,1,2`` as numbers, each once.

    Raises:
        UsageError: It is no list of whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--seeds '{text}' is not a list of whole numbers.", "Example: --seeds 0,1,2")
    return list(dict.fromkeys(map(int, parts)))


def resolve_recipe(model: str, dataset: str, recipe: str | None, changes: Sequence[str]) -> Recipe:
    """The recipe of a model with the changes made; every name is checked.

    Args:
        recipe: A variant, or a TOML file; ``None`` means ``default``.
        changes: Such as ``train.lr=0.01``.

    Raises:
        UsageError: Something does not exist, or the recipe is another model's.
    """
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.models import find_model
    from segbench.recipe import find_recipe, override, require_variant
    from segbench.registry import DATASETS

    names = model, DATASETS[dataset].name
    found = find_recipe(*names, recipe, find_model(model).require_trainable().kind)
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


def check_trials(path: Path, trials: Trials, cell: Cell) -> None:
    """Refuses the trials of another model or of other data.

    Raises:
        UsageError: They are not of the cell's model on the cell's data.
    """
    manifest = cell.prepared.manifest
    wanted = f"{cell.recipe.model} on {manifest.dataset} {manifest.variant}"
    found = f"{trials.model} on {trials.dataset} {trials.dataset_variant}"
    if found != wanted:
        raise UsageError(f"{path} holds trials of {found}, not of {wanted}.", "Name another file.")
    if trials.dataset_fingerprint != manifest.fingerprint:
        raise UsageError(
            f"{path} holds trials of {found} with other content than is prepared here.", "Name a new file."
        )


@dataclass
class Computing:
    """Computes cells in this process, beside any others that share the folder, and says how each ended.

    Attributes:
        out: Folder that holds ``runs`` and ``leaderboards``.
        name: What people call a cell.
        compute: Computes a cell, where that is not done in this process.
        trials: What was tried before, for the records.
        results: What was computed here, by cell id.
    """

    out: Path
    device: str
    progress: Progress
    name: Callable[[Cell], str]
    tensorboard: bool = False
    compute: Callable[[Cell, Progress], tuple[Done, bool]] | None = None
    trials: Sequence[Trial] = ()
    results: dict[str, Result] = field(default_factory=dict)

    def run(
        self, cells: Sequence[Cell], *, retry_failed: bool, admit: Callable[[Cell], bool] = lambda cell: True
    ) -> list[Ending[Cell]]:
        """How every cell ended; one that fails does not stop the others.

        Args:
            retry_failed: Whether cells that failed in an earlier command get another try.
            admit: Asked before a cell is begun; where it says no the cell is left out.
        """
        from segbench.launch.grid import Grid, known_failures
        from segbench.launch.plan import announce

        announce(cells)
        retry = known_failures(cells) if retry_failed else {}
        grid = Grid(
            cells=cells,
            root=self.out,
            work=self._work,
            describe=lambda error: explain(error)[0],
            name=self.name,
            retry=retry,
            progress=self.progress,
            admit=admit,
            ended=self._tell,
        )
        return grid.run()

    def _work(self, cell: Cell, progress: Progress) -> Done:
        if self.compute is None:
            return self._here(cell, progress)
        done, fresh = self.compute(cell, progress)
        self.results[cell.cell_id] = _filed(done, self.out, fresh)
        return done

    def _here(self, cell: Cell, progress: Progress) -> Done:
        from segbench.engine import pipeline
        from segbench.launch.cell_files import Done

        result = pipeline.run_cell(
            cell,
            self.out,
            device=self.device,
            tensorboard=self.tensorboard,
            trials=self.trials,
            progress=progress,
        )
        self.results[cell.cell_id] = result
        pictures = [str(path.relative_to(self.out)) for path in result.pictures]
        return Done(result.record.run_id, str(result.path.relative_to(self.out)), pictures)

    def _tell(self, ending: Ending[Cell]) -> None:
        if ending.failure is not None:
            if ending.here and debugging():
                sys.stderr.write((ending.cell.folder / ending.failure.log).read_text(encoding="utf-8"))
            say_error(f"{self.name(ending.cell)}: {_failure_line(ending)}")
        elif ending.done is not None and ending.here:
            _refresh_boards(self.out)
        elif ending.done is not None:
            self.progress.message(f"{self.name(ending.cell)} has its record already: run {ending.done.run_id}.")


def _failure_line(ending: Ending[Cell]) -> str:
    failure = ending.failure
    assert failure is not None
    if ending.fresh:
        return failure.error
    return f"failed at an earlier try: {failure.error} Log: {ending.cell.folder / failure.log}. Again: --retry-failed"


def _refresh_boards(out: Path) -> None:
    """What is wrong with other records is said once, at the end."""
    from segbench.launch.boards import draw_boards

    with suppress(SegbenchError):
        draw_boards(out)


def result_of(ending: Ending[Cell], out: Path, fresh: bool) -> Result:
    """What a finished cell left, wherever it was computed.

    Args:
        out: Folder that holds ``runs`` and ``leaderboards``.
        fresh: Whether anything was computed by this command.
    """
    assert ending.done is not None
    return _filed(ending.done, out, fresh)


def _filed(done: Done, out: Path, fresh: bool) -> Result:
    from segbench.engine.pipeline import Result
    from segbench.record import load_record

    path = out / done.record
    return Result(load_record(path), path, [out / picture for picture in done.pictures], fresh=fresh)
