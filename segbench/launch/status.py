"""How the cells of a grid folder stand: any machine that sees the folder can ask.

It is read from files alone. Where cells wait for jobs of Slurm its controller is asked, too, if one answers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.launch.cell_files import CLAIM_FILE, Facts, Failure, Position, Submitted, has, read
from segbench.launch.claims import holder_of, is_stale
from segbench.launch.grid import finished
from segbench.launch.slurm_queue import JobState, cluster_name, job_states

__all__ = [
    "ENDED",
    "STATES",
    "CellStatus",
    "ClaimStatus",
    "JobStatus",
    "cell_status",
    "count_states",
    "folder_status",
    "job_statuses",
    "read_claim",
    "statuses_of",
]

STATES = ("done", "running", "claimed", "failed", "waiting")
ENDED = ("done", "failed")


@dataclass(frozen=True)
class ClaimStatus:
    """Who has a cell.

    Attributes:
        here: Whether the process is of this machine, so that its id means something here.
        age_s: Seconds since it last said that it lives.
        alive: Whether it is taken to live; its cell is taken over otherwise.
    """

    pid: int
    here: bool
    age_s: float
    alive: bool


@dataclass(frozen=True)
class JobStatus:
    """The job of Slurm that was submitted for a cell.

    Attributes:
        state: What the controller says; ``None`` where none answers from here.
        log: What the job prints.
    """

    job: str
    state: JobState | None
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it is known to run or wait."""
        return self.state is not None and self.state.alive


@dataclass(frozen=True)
class CellStatus:
    """How one cell stands.

    Attributes:
        state: ``done``, ``running``, ``claimed`` (nothing computed yet), ``failed`` or ``waiting`` (for a process).
        iteration: Training steps that are done.
        eta_s: Seconds until the training ends; ``None`` where nobody trains it.
        job: ``None`` where none was submitted, or the cell has ended.
    """

    facts: Facts
    folder: Path
    state: str
    iteration: int
    position: Position | None
    claim: ClaimStatus | None
    failure: Failure | None
    eta_s: float | None
    job: JobStatus | None = None


def folder_status(out: Path) -> list[CellStatus]:
    """All cells that were ever planned below ``out/runs``, by dataset and folder name."""
    folders = sorted(path.parent for path in (out / "runs").glob(f"*/*/{Facts.FILE}"))
    found = ((folder, read(folder, Facts)) for folder in folders)
    return statuses_of({folder: facts for folder, facts in found if facts is not None}, out)


def statuses_of(cells: Mapping[Path, Facts], out: Path) -> list[CellStatus]:
    """How cells stand, with their jobs, in the order given.

    Args:
        cells: What they are, by folder.
        out: Folder that holds ``runs`` and ``leaderboards``.
    """
    # First the jobs: what one of them has ended by now is seen in its cell's files.
    jobs = job_statuses(cells, out)
    found = [cell_status(facts, folder, out) for folder, facts in cells.items()]
    return [one if one.state in ENDED else replace(one, job=jobs.get(one.folder)) for one in found]


def job_statuses(folders: Iterable[Path], out: Path) -> dict[Path, JobStatus]:
    """The jobs that were submitted for cells that have not ended, by folder; the controller is asked once for all.

    Args:
        out: Folder that holds ``runs`` and ``leaderboards``.
    """
    found = {folder: job for folder in folders if (job := read(folder, Submitted)) is not None}
    submitted = {folder: job for folder, job in found.items() if not (has(folder, Failure) or finished(folder, out))}
    if not submitted:
        return {}
    here = [job.job for job in submitted.values() if job.cluster == cluster_name()]
    states: Mapping[str, JobState] = job_states(here) or {}
    return {folder: JobStatus(job.job, states.get(job.job), out / job.log) for folder, job in submitted.items()}


def cell_status(facts: Facts, folder: Path, out: Path) -> CellStatus:
    """How one cell stands.

    Args:
        out: Folder that holds ``runs`` and ``leaderboards``.
    """
    done, failure = finished(folder, out), read(folder, Failure)
    claim, position = read_claim(folder), read(folder, Position)
    running = claim is not None and claim.alive
    state = "done" if done else "failed" if failure and not running else _unfinished(running, position)
    iteration = facts.iterations if done else failure.step if failure and not running else _steps(position)
    eta = _eta(facts, position) if state == "running" else None
    return CellStatus(facts, folder, state, iteration, position, claim, failure if state == "failed" else None, eta)


def read_claim(folder: Path) -> ClaimStatus | None:
    """Who has the cell of a folder, dead or alive; ``None`` where nobody has."""
    path = folder / CLAIM_FILE
    holder = holder_of(path)
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    if holder is None:
        return None
    return ClaimStatus(holder.pid, holder.is_here, max(0.0, age), not is_stale(path, holder))


def count_states(cells: Iterable[CellStatus]) -> dict[str, int]:
    """How many cells are in each state, in the order of ``STATES``."""
    counts = Counter(cell.state for cell in cells)
    return {state: counts[state] for state in STATES}


def _unfinished(running: bool, position: Position | None) -> str:
    if not running:
        return "waiting"
    return "running" if position is not None and position.done else "claimed"


def _steps(position: Position | None) -> int:
    return 0 if position is None else position.step


def _eta(facts: Facts, position: Position | None) -> float | None:
    if position is None or not position.per_s or position.unit != "steps":
        return None
    return (facts.iterations - position.step) / position.per_s
