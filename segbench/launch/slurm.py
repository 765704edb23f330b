"""``--launcher slurm``: one array of jobs for the cells that ask for the same; the cluster decides when each runs.

submitit pickles what a job is to do, and reads it where the job runs. Nothing of a user's, a recipe's or a network's is
in there: it is a :class:`segbench.launch.slurm_job.CellJob`, a command line and where things are.
"""

from __future__ import annotations

import io
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.durations import seconds_of
from segbench.errors import UsageError
from segbench.launch.cell_files import GridCell, Submitted, write
from segbench.launch.slurm_job import LIMIT_SIGNAL, CellJob
from segbench.launch.slurm_queue import cluster_name
from segbench.recipe import SlurmOptions

if TYPE_CHECKING:
    from submitit import SlurmExecutor

__all__ = ["array_option", "require_slurm", "sbatch_options", "submit"]

COMMANDS = ("sbatch", "srun", "squeue", "scontrol")
SAVE_WITHIN_S = 90


def require_slurm() -> None:
    """Looks for what submitting needs.

    Raises:
        UsageError: submitit is not installed, or a command of Slurm is missing.
    """
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        hint = "Install it: pip install 'segbench[slurm]'"
        raise UsageError("--launcher slurm needs submitit, which is not installed.", hint) from error
    for name in COMMANDS:
        if shutil.which(name) is None:
            hint = "Give the command on a machine from which jobs are submitted."
            raise UsageError(f"--launcher slurm needs Slurm's {name}, which is not on this machine.", hint)


def sbatch_options(options: SlurmOptions) -> dict[str, str | int | bool]:
    """The options of ``sbatch`` by their long names.

    Slurm counts limits in minutes: a part of one counts whole. ``SAVE_WITHIN_S`` before the limit a signal goes to the
    batch script alone, in whose place the job's process stands.
    """
    minutes = None if options.time is None else math.ceil(seconds_of(options.time) / 60)
    asked = {"time": minutes, "partition": options.partition, "gres": options.gres}
    signal = {"signal": f"B:{LIMIT_SIGNAL.name.removeprefix('SIG')}@{SAVE_WITHIN_S}"}
    return {key: value for key, value in asked.items() if value is not None} | signal | options.sbatch


def array_option(jobs: int, at_once: int | None) -> dict[str, str | int | bool]:
    """What makes an array of several jobs.

    Args:
        at_once: How many may run at a time.
    """
    return {"array": f"0-{jobs - 1}{f'%{at_once}' if at_once else ''}"} if jobs > 1 else {}


def submit(
    cells: Sequence[GridCell],
    arguments: Mapping[str, Sequence[str]],
    options: SlurmOptions,
    out: Path,
    command: Sequence[str],
    at_once: int | None = None,
) -> list[Submitted]:
    """Puts a job for each cell into the queue, and says so in the cells' folders.

    Args:
        cells: They are not looked at: what is done or claimed is left out before.
        arguments: By cell id: the command line that computes a cell, after ``command``.
        out: Folder that holds ``runs`` and ``leaderboards``; the nodes have to see it under the same path.
        at_once: How many may run at a time.

    Raises:
        UsageError: Slurm does not take the jobs; gives its reason.
    """
    root = out.absolute()
    folder = root / "runs" / "slurm" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    log = root / "runs" / "logs" / "slurm-{job}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    jobs = [CellJob([*command, *arguments[cell.cell_id]], cell.folder.absolute(), root, str(log)) for cell in cells]
    names = _submitted(_executor(folder, str(log), len(jobs), options, at_once), folder, jobs)
    made = [Submitted(cluster_name() or "", name, f"runs/logs/slurm-{name}.log") for name in names]
    for cell, one in zip(cells, made, strict=True):
        write(cell.folder, one)
    return made


def _executor(folder: Path, log: str, jobs: int, options: SlurmOptions, at_once: int | None) -> SlurmExecutor:
    from submitit import SlurmExecutor

    # The job is this very process, in the place of the shell: a shell would end at SIGTERM, and srun kills at once.
    executor = SlurmExecutor(folder, python=f"exec {shlex.quote(sys.executable)}")
    own = {"output": log.replace("{job}", "%A_%a" if jobs > 1 else "%j"), "open-mode": "append", "requeue": True}
    own |= array_option(jobs, at_once)
    executor.update_parameters(
        job_name="segbench",
        time=None,
        wckey=None,
        use_srun=False,
        stderr_to_stdout=True,
        additional_parameters={**sbatch_options(options), **own},
    )
    return executor


def _submitted(executor: SlurmExecutor, folder: Path, jobs: Sequence[CellJob]) -> list[str]:
    """The ids of the jobs; nothing is left where Slurm does not take them."""
    from submitit.core.utils import FailedJobError

    # submitit repeats what sbatch says against the jobs; we say it once.
    heard = io.StringIO()
    try:
        with redirect_stdout(heard), redirect_stderr(heard), executor.batch():
            made: list[Any] = [executor.submit(job) for job in jobs]
    except FailedJobError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UsageError(f"Slurm does not take the jobs: {_reason(f'{error}')}") from error
    return [str(job.job_id) for job in made]


def _reason(text: str) -> str:
    """The last thing that ``sbatch`` said, which is the reason in most cases."""
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in text.splitlines() if line.strip()]
    said = lines[-1].removeprefix("Batch job submission failed: ") if lines else "sbatch gives no reason"
    return said if said.endswith(".") else f"{said}."
