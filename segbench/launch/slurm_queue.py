"""What Slurm says of jobs, and which start of which job this process is.

The controller is asked (``squeue``, ``scontrol``), never the accounting (``sacct``), which many clusters do not keep.
The controller forgets a job some minutes after its end (``MinJobAge``); what a cell came to is in the cell's own files.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

__all__ = ["JobStart", "JobState", "cluster_name", "has_ended", "job_states", "put_back", "this_start"]

ANSWER_S = 20.0
ASK_AGAIN_S = 30.0
_ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
    | {"REVOKED", "TIMEOUT"}
)
# A job in one of these is not running: what an earlier start of it held has ended.
_QUEUED = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"})


@dataclass(frozen=True)
class JobStart:
    """One start of a job; a job that is put back into the queue starts again under the same id.

    Attributes:
        cluster: Slurm's name of the cluster.
        job: ``17``, or ``17_3`` for a task of an array.
        restart: 0 for the first start.
    """

    cluster: str
    job: str
    restart: int

    def came_before(self, other: JobStart | None) -> bool:
        """Whether ``other`` is a later start of the same job, so that this one is over."""
        if other is None or (self.cluster, self.job) != (other.cluster, other.job):
            return False
        return self.restart < other.restart


@dataclass(frozen=True)
class JobState:
    """How a job stands.

    Attributes:
        state: Slurm's word, such as ``PENDING``; empty where it is not known to the controller any more.
        reason: Why it waits, such as ``Priority``; empty where there is none.
    """

    state: str
    reason: str = ""

    @property
    def alive(self) -> bool:
        """Whether it runs or will."""
        return bool(self.state) and self.state not in _ENDED


def this_start() -> JobStart | None:
    """The job that this process belongs to; ``None`` outside of Slurm."""
    name, number = os.environ.get("SLURM_CLUSTER_NAME"), os.environ.get("SLURM_JOB_ID")
    if not name or not number:
        return None
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    restart = os.environ.get("SLURM_RESTART_COUNT", "")
    return JobStart(name, f"{array}_{task}" if array and task else number, int(restart) if restart.isdecimal() else 0)


def job_states(jobs: Iterable[str]) -> dict[str, JobState] | None:
    """How jobs stand, with one question to the controller.

    Args:
        jobs: Ids such as ``17`` and ``17_3``.

    Returns:
        A state for each; ``None`` where no controller answers.
    """
    wanted = sorted(set(jobs))
    if not wanted:
        return {}
    numbers = ",".join(dict.fromkeys(job.partition("_")[0] for job in wanted))
    asked = _answer("squeue", "--noheader", "--array", "--states=all", f"--jobs={numbers}", "--format=%i|%T|%r")
    if asked is None:
        return None
    known = dict(map(_state, asked.splitlines()))
    return {job: known.get(job, JobState("")) for job in wanted}


def _state(line: str) -> tuple[str, JobState]:
    job, state, reason = line.split("|", 2)
    return job.strip(), JobState(state, "" if reason == "None" else reason)


def _answer(*command: str) -> str | None:
    """What a command of Slurm prints; ``None`` where it is not there or gets no answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # The one way of a controller to say that a single job is unknown.
    unknown = "Invalid job id" in done.stderr
    return done.stdout if done.returncode == 0 or unknown else None


@cache
def cluster_name() -> str | None:
    """Slurm's name of the cluster; ``None`` where no controller answers."""
    if name := os.environ.get("SLURM_CLUSTER_NAME"):
        return name
    lines = (_answer("scontrol", "show", "config") or "").splitlines()
    names = [value.strip() for key, _, value in (line.partition("=") for line in lines) if key.strip() == "ClusterName"]
    return names[0] if names else None


_asked: dict[JobStart, tuple[float, bool]] = {}


def has_ended(start: JobStart) -> bool:
    """Whether a start of a job is surely over; the controller is asked twice a minute at most.

    ``False`` where nobody can tell: from another cluster, or while the controller is away.
    """
    last = _asked.get(start)
    if last is None or (not last[1] and time.monotonic() - last[0] > ASK_AGAIN_S):
        last = _asked[start] = time.monotonic(), _asked_now(start)
    return last[1]


def _asked_now(start: JobStart) -> bool:
    if cluster_name() != start.cluster:
        return False
    states = job_states([start.job])
    return states is not None and (not states[start.job].alive or states[start.job].state in _QUEUED)


def put_back(job: str) -> bool:
    """Puts a job back into the queue, if it runs and nobody has decided yet what becomes of it.

    A job that was cancelled, or that Slurm itself puts back, is not ``RUNNING`` any more when it is told to end.
    """
    states = job_states([job])
    if states is None or states[job].state != "RUNNING":
        return False
    return _answer("scontrol", "requeue", job) is not None
