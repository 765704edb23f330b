"""The plan of a grid: its cells, what is known of each before anything runs, and how long the rest takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.errors import CheckpointError
from segbench.launch.cell_files import Facts, Failure, has, read, write
from segbench.launch.grid import finished
from segbench.launch.status import ClaimStatus, read_claim
from segbench.progress import Progress

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.record import ProfileRecord

    _Measured = tuple[str, tuple[int, int], int, int]

__all__ = ["Planned", "announce", "estimate", "facts_of", "plan_cells"]


@dataclass(frozen=True)
class Planned:
    """A cell, and what is known of it before it runs.

    Attributes:
        state: ``done`` (nothing is left here), ``failed`` (left out unless asked for), ``claimed`` (a process has
            it), ``partly`` (it can be continued) or ``new``.
        record: Run id of the first record of this cell, whether made in this folder or elsewhere.
        seconds: Training that is left, measured on this machine; ``None`` where that was not asked for.
        memory_mib: Peak memory of a training step, from the newest profile of the same network, input and batch;
            ``None`` where there is none.
    """

    cell: Cell
    state: str
    record: str | None
    claim: ClaimStatus | None
    failure: Failure | None
    seconds: float | None = None
    memory_mib: float | None = None


def plan_cells(cells: Sequence[Cell], out: Path) -> list[Planned]:
    """How each cell stands.

    Args:
        out: Folder that holds ``runs`` and ``leaderboards``.

    Raises:
        RecordError: A record is damaged; names the file.
    """
    from segbench.leaderboard.profiles import filed_profiles
    from segbench.leaderboard.store import load_records

    board = out / "leaderboards"
    profiles = _oldest_first(filed_profiles(board))
    memory: dict[_Measured | None, float | None] = {
        _measured_as(profile): profile.profile.training_memory_mib for profile in profiles if not profile.config
    }
    records = sorted(load_records(board), key=lambda record: (record.created, record.run_id))
    known = {record.cell_id: record.run_id for record in reversed(records)}
    hashes = {record.weights_sha256 for record in records}
    plan = [_planned(cell, out, known.get(cell.cell_id), hashes) for cell in cells]
    return [replace(one, memory_mib=memory.get(_trained_as(one.cell))) for one in plan]


def _oldest_first(profiles: Sequence[ProfileRecord]) -> list[ProfileRecord]:
    return sorted(profiles, key=lambda profile: (profile.created, profile.profile_id))


def _measured_as(profile: ProfileRecord) -> _Measured:
    """What the memory of a training depends on most; precision and machine may differ."""
    return profile.model, profile.size, profile.batch, profile.num_classes


def _trained_as(cell: Cell) -> _Measured | None:
    manifest, recipe = cell.prepared.manifest, cell.recipe
    size = recipe.input_size or manifest.size
    return None if size is None else (recipe.model, size, recipe.train.batch_size, manifest.num_classes)


def _planned(cell: Cell, out: Path, record: str | None, hashes: set[str]) -> Planned:
    claim, failure = read_claim(cell.folder), read(cell.folder, Failure)
    alive = claim if claim is not None and claim.alive else None
    if finished(cell.folder, out) or (record is not None and _weights_hash(cell.folder) in hashes):
        return Planned(cell, "done", record, None, None, seconds=0.0)
    if alive is not None:
        return Planned(cell, "claimed", record, alive, None)
    return Planned(cell, "failed" if failure else _begun(cell), record, None, failure)


def _weights_hash(folder: Path) -> str | None:
    """For runs that are older than the file which says that they are done."""
    import hashlib

    from segbench.engine.checkpoint import WEIGHTS_FILE

    path = folder / WEIGHTS_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _begun(cell: Cell) -> str:
    from segbench.engine.checkpoint import STATE_FILE

    return "partly" if (cell.folder / STATE_FILE).exists() else "new"


def estimate(plan: Sequence[Planned], device: str, progress: Progress) -> list[Planned]:
    """The plan with the time that is left, from a few steps timed here.

    Cells of one recipe that are not begun take the same time, and are timed once.
    """
    left = [one for one in plan if one.seconds is None]
    known: dict[str, float | None] = {}
    with progress.task("Timing", len({_timed_as(one) for one in left}), "recipes") as bar:
        for one in left:
            if _timed_as(one) not in known:
                known[_timed_as(one)] = _seconds(one.cell, device, progress)
                bar.advance()
    return [one if one.seconds is not None else replace(one, seconds=known[_timed_as(one)]) for one in plan]


def _seconds(cell: Cell, device: str, progress: Progress) -> float | None:
    """A state that cannot be read says so; the rest of the plan is worth having."""
    from segbench.engine import pipeline

    try:
        return pipeline.estimate_training(cell, device)
    except CheckpointError as error:
        progress.message(f"{error}")
        return None


def _timed_as(one: Planned) -> str:
    """Neither the weights of classes nor what a paper prints changes the time."""
    if _begun(one.cell) != "new":
        return one.cell.cell_id
    return one.cell.recipe.model_dump_json(exclude={"variant": True, "paper": True, "loss": {"class_weights"}})


def announce(cells: Sequence[Cell]) -> None:
    """Leaves in each cell's folder what it is, so that ``segbench status`` knows of it before anybody begins it."""
    for cell in cells:
        if not has(cell.folder, Facts):
            write(cell.folder, facts_of(cell))


def facts_of(cell: Cell) -> Facts:
    """What a cell is."""
    recipe = cell.recipe
    return Facts(
        cell_id=cell.cell_id,
        model=recipe.model,
        recipe=recipe.variant,
        dataset=recipe.dataset,
        dataset_variant=recipe.dataset_variant,
        seed=cell.seed,
        iterations=_iterations(cell),
    )


def _iterations(cell: Cell) -> int:
    train, images = cell.recipe.train, cell.prepared.manifest.counts["train"]
    return train.iterations or (train.epochs or 0) * -(-images // train.batch_size)
