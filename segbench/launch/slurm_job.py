"""What runs inside a job of Slurm: one cell's command line, told to save when the job has to end.

Slurm says so in two ways. It sends SIGTERM when a job is preempted, cancelled or put back into the queue, and SIGUSR2,
which the job asked for, some time before its limit. After the latter, and where a preempted job is left to end by
itself, it stays as it is: then the job puts itself back into the queue, and its next start goes on from the checkpoint.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segbench.launch.cell_files import Failure, has, write
from segbench.launch.deaths import count_death, failed_now, latest_checkpoint
from segbench.launch.grid import finished
from segbench.launch.local import how_it_ended, last_error
from segbench.launch.slurm_queue import put_back, this_start
from segbench.launch.status import read_claim
from segbench.launch.threads import thread_variables
from segbench.processors import available_processors

__all__ = ["LIMIT_SIGNAL", "CellJob"]

LIMIT_SIGNAL = signal.SIGUSR2
TAIL = 100


@dataclass(frozen=True)
class CellJob:
    """The job of one cell; submitit calls it, and pickles it into the job's file: a command line and three paths.

    Attributes:
        command: A worker of ``segbench run`` that ends when its input closes.
        folder: Of the cell.
        root: Folder that holds ``runs`` and ``leaderboards``.
        log: Where the output of the job goes, with ``{job}`` for its id.
    """

    command: list[str]
    folder: Path
    root: Path
    log: str

    def __call__(self) -> None:
        """Computes the cell, or as much of it as the job is given time for.

        Raises:
            SystemExit: It is not done.
        """
        start = this_start()
        job, number = (start.job, start.restart + 1) if start else ("", 1)
        _say(f"Job {job}, start {number}: {shlex.join(self.command)}")
        before = latest_checkpoint(self.folder)
        asked, code = self._worked()
        if code == 0:
            return
        if asked.by is None:
            self._explain(code, job)
        elif asked.by != LIMIT_SIGNAL or latest_checkpoint(self.folder) > before or not self._out_of_tries():
            _say(f"Job {job} was told to end by {asked.by.name}.{_next(put_back(job))}")
        sys.exit(code if code > 0 else 1)

    def _worked(self) -> tuple[_Asked, int]:
        """Runs the command; it has a session of its own, so that a signal to all processes reaches it through us."""
        with _listening() as asked:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                env=thread_variables(available_processors()) | os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
            asked.pass_on_to(process)
            return asked, process.wait()

    def _explain(self, code: int, job: str) -> None:
        """A worker that ended before it could say why leaves the cell failed, unless somebody else has it."""
        if self._settled():
            return
        log = Path(self.log.replace("{job}", job))
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        line = f"Its process in job {job} {how_it_ended(code)}.{last_error(lines)}"
        write(self.folder, failed_now(self.folder, line, "\n".join([*lines[-TAIL:], line])))

    def _settled(self) -> bool:
        """Whether the cell has ended, or a process that lives has it."""
        claim = read_claim(self.folder)
        alive = claim is not None and claim.alive
        return alive or finished(self.folder, self.root) is not None or has(self.folder, Failure)

    def _out_of_tries(self) -> bool:
        if self._settled():
            return False
        failure = count_death(self.folder, "The time limit of its job ended it", "is it long enough?")
        if failure is not None:
            write(self.folder, failure)
            _say(f"Not again: {failure.error}")
        return failure is not None


@dataclass
class _Asked:
    """The first signal that asked the job to end, if any did, and the worker that is to be told."""

    by: signal.Signals | None = None
    worker: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, frame: object) -> None:
        """Keeps the signal; a later one says nothing new."""
        if self.by is None:
            self.by = signal.Signals(number)
            self._tell()

    def pass_on_to(self, worker: subprocess.Popen[bytes]) -> None:
        """From now on, and of what came before it was there."""
        self.worker = worker
        if self.by is not None:
            self._tell()

    def _tell(self) -> None:
        """By closing its input, as a parent that ends does; the worker saves, then."""
        if self.worker is not None and self.worker.stdin is not None:
            self.worker.stdin.close()


@contextmanager
def _listening() -> Iterator[_Asked]:
    asked = _Asked()
    kept = {number: signal.signal(number, asked) for number in (signal.SIGTERM, LIMIT_SIGNAL)}
    try:
        yield asked
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _next(again: bool) -> str:
    return " It goes on in its next start." if again else ""


def _say(line: str) -> None:
    """Into the log of the job."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
