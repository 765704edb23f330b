"""``--launcher local``: several processes on this machine, each running the loop of the grid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from segbench.launch.threads import thread_variables

__all__ = ["COMMAND", "Worker", "how_it_ended", "last_error", "run_workers"]

COMMAND = [sys.executable, "-m", "segbench"]
POLL_S = 0.5
INTERRUPTED = 130


@dataclass
class Worker:
    """A process of the grid.

    Attributes:
        log: What it printed.
    """

    number: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def ended_badly(self) -> str:
        """How it ended, where that was not by itself."""
        code = self.process.poll()
        return "" if code is None or code in (0, 1) else how_it_ended(code)


def how_it_ended(code: int) -> str:
    """What a process did, by the code that it left."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def last_error(lines: Sequence[str]) -> str:
    """A sentence with the last error among the lines that a process printed; empty where there is none."""
    return next((f" It said last: {line}" for line in reversed(lines) if line.startswith("Error: ")), "")


def run_workers(
    arguments: Sequence[str],
    jobs: int,
    threads: int,
    logs: Path,
    *,
    watch: Callable[[Sequence[Worker]], None],
    lost: Callable[[Worker], None],
) -> list[Worker]:
    """Starts ``jobs`` processes and waits for all of them.

    They end with this process: when it is interrupted they are, too, and save what they have; when it is killed they
    see the pipe from it close.

    Args:
        arguments: The command line of each process, after ``segbench``.
        threads: For each process.
        logs: Folder for what the processes print.
        watch: Called twice a second.
        lost: Called for each process that did not end by itself.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; all processes have ended.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        workers = [stack.enter_context(_started(arguments, threads, logs, number)) for number in range(1, jobs + 1)]
        reported: set[int] = set()
        with _interrupted_together(workers):
            while True:
                running = [worker for worker in workers if worker.process.poll() is None]
                for worker in workers:
                    if worker.ended_badly and worker.number not in reported:
                        reported.add(worker.number)
                        lost(worker)
                watch(workers)
                if not running:
                    return workers
                time.sleep(POLL_S)


@contextmanager
def _started(arguments: Sequence[str], threads: int, logs: Path, number: int) -> Iterator[Worker]:
    """A process with a session of its own, so that Ctrl-C reaches this process alone, which passes it on."""
    path = logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{number}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | thread_variables(threads),
            start_new_session=True,
        )
    try:
        yield Worker(number, process, path)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


@contextmanager
def _interrupted_together(workers: Sequence[Worker]) -> Iterator[None]:
    """Passes an interruption on and waits until everybody has saved; a second one does not wait for steps to end."""
    kept = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        yield
    except KeyboardInterrupt:
        _interrupt(workers)
        raise
    finally:
        signal.signal(signal.SIGTERM, kept)


def _as_ctrl_c(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _interrupt(workers: Sequence[Worker]) -> None:
    while any(worker.process.poll() is None for worker in workers):
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT)
        try:
            for worker in workers:
                worker.process.wait()
        except KeyboardInterrupt:
            continue
