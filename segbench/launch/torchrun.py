"""``--launcher torchrun``: a cell is computed by several processes of this machine together, started by torchrun.

This process has the claim of the cell and shows what the first of them, rank 0, reports through a pipe. The processes
end with this one: its end of another pipe, which all of them have as standard input, closes. When one is killed, this
process sees it first, by a descriptor of that process, and ends the others: they would wait for it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from segbench.errors import ProcessLostError, SegbenchError, UsageError
from segbench.launch import local
from segbench.launch.cell_files import Done
from segbench.launch.relay import Replay
from segbench.launch.threads import thread_variables
from segbench.progress import Progress

__all__ = ["require_devices", "run_ranks"]

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
POLL_S = 0.2
# How long the others have when one has failed, and all when they were told to stop and have ended by their own account.
GRACE_S = 5.0
LOG_FILE = "torchrun.log"
LOG_CHARACTERS = 8000


def require_devices(device: str, processes: int) -> None:
    """Checks that each process can have a GPU of its own, where GPUs are meant.

    Raises:
        UsageError: There are fewer of them, or one is named.
    """
    import torch

    if device.startswith("cuda:"):
        raise UsageError(f"--device {device} is one device for {processes} processes.", "Give --device cuda.")
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpu and processes > torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(
            f"--nproc {processes} needs as many GPUs; this machine has {found}.",
            f"Give --nproc {found}, or --device cpu.",
        )


def run_ranks(
    arguments: Sequence[str], processes: int, threads: int, folder: Path, progress: Progress
) -> tuple[Done, bool]:
    """Computes a cell in several processes that train one network together.

    Args:
        arguments: The command line of each process, after ``segbench``.
        processes: How many.
        threads: Of each.
        folder: The cell's, for the log of what they print.
        progress: Told what they report.

    Returns:
        The finished cell, and whether anything was computed.

    Raises:
        ProcessLostError: One was killed; the others were ended.
        SegbenchError: One failed; says why.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the state was saved.
    """
    from segbench.engine.interruption import interruptible

    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG_FILE
    with interruptible() as interruption, _started(arguments, processes, threads, log, progress) as crew:
        while crew.watch():
            if interruption.requested:
                crew.stop()
    if interruption.requested:
        raise KeyboardInterrupt
    return crew.result(log)


@dataclass
class _Rank:
    """A process of the crew.

    Attributes:
        descriptor: Tells when it ends, and is it and no other even when its id is used again.
        ended: What it said of its end.
    """

    number: int
    pid: int
    descriptor: int
    ended: dict[str, Any] | None = None
    gone: bool = False


@dataclass
class _Crew:
    """torchrun and the processes it has started, as far as they have told."""

    torchrun: subprocess.Popen[bytes]
    size: int
    replay: Replay
    ranks: dict[int, _Rank] = field(default_factory=dict)
    lost: _Rank | None = None
    error: str = ""
    deadline: float | None = None
    killed: bool = False
    orphaned: bool = False
    _text: bytes = b""

    @property
    def _pipe(self) -> IO[bytes]:
        assert self.torchrun.stdout is not None
        return self.torchrun.stdout

    def watch(self) -> bool:
        """Waits a little for something to happen; whether any process is left."""
        running = [rank for rank in self.ranks.values() if not rank.gone]
        pipe = self._pipe.fileno()
        ready, _, _ = select.select([pipe, *(rank.descriptor for rank in running)], [], [], POLL_S)
        open_still = self._read() if pipe in ready else True
        for rank in running:
            if rank.descriptor in ready and not rank.gone:
                self._gone(rank)
        for rank in self.ranks.values():
            if rank.gone and rank.ended is None:
                self._lose(rank)
        self.orphaned |= not self.killed and (self.torchrun.poll() or 0) < 0
        if self.orphaned or (self.deadline is not None and time.monotonic() > self.deadline):
            self.kill()
        return open_still and not (self.killed and all(rank.gone for rank in self.ranks.values()))

    def stop(self) -> None:
        """Tells all to save and to end."""
        if self.torchrun.stdin is not None:
            with suppress(OSError):
                self.torchrun.stdin.close()

    def kill(self) -> None:
        """Ends all at once; files are whole at any moment."""
        self.killed = True
        self.stop()
        self.torchrun.kill()
        for rank in self.ranks.values():
            if not rank.gone:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(rank.descriptor, signal.SIGKILL)

    def result(self, log: Path) -> tuple[Done, bool]:
        """What the first process said at its end."""
        leader = self.ranks.get(0)
        said = leader.ended if leader is not None else None
        if said is None or "record" not in said:
            self._explain(log)
        return Done(said["run_id"], said["record"], said["pictures"]), said["fresh"]

    def close(self) -> None:
        """Leaves nothing open."""
        self.torchrun.wait()
        self._pipe.close()
        for rank in self.ranks.values():
            if not rank.gone:
                os.close(rank.descriptor)
        self.replay.close()

    def _explain(self, log: Path) -> NoReturn:
        hint = f"The same command goes on from the last checkpoint. Log: {log}"
        if self.lost is not None:
            who = f"Process {self.lost.pid} (rank {self.lost.number} of {self.size})"
            raise ProcessLostError(f"{who} was killed, and the others were ended with it.", hint)
        if not self.error and self.orphaned:
            raise ProcessLostError(
                f"torchrun (process {self.torchrun.pid}) was killed, and its processes were ended.", hint
            )
        raise _failure(self.error, self.torchrun.returncode, log)

    # --- what they say -----------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Takes all that is in the pipe; whether more can come."""
        while True:
            try:
                text = os.read(self._pipe.fileno(), 1 << 16)
            except BlockingIOError:
                return True
            if not text:
                return False
            *lines, self._text = (self._text + text).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        if self.replay.take(line):
            return
        if line["kind"] == "began":
            self._began(line["rank"], line["pid"])
        else:
            self.ranks[line["rank"]].ended = line
            if "error" in line:
                self._failed(line["error"])

    def _failed(self, error: str) -> None:
        # Who has lost another process fails, too, after that one has ended.
        silent = (rank for rank in self.ranks.values() if rank.ended is None and not rank.gone and _is_over(rank))
        if (lost := next(silent, None)) is not None:
            self._lose(lost)
        elif not self.error:
            self.error, self.deadline = error, time.monotonic() + GRACE_S

    def _began(self, number: int, pid: int) -> None:
        try:
            self.ranks[number] = _Rank(number, pid, os.pidfd_open(pid))
        except ProcessLookupError:
            # It has ended already; what it said of that comes next.
            self.ranks[number] = _Rank(number, pid, -1, gone=True)

    def _gone(self, rank: _Rank) -> None:
        # What it said before it ended is in the pipe by now.
        self._read()
        rank.gone = True
        os.close(rank.descriptor)

    def _lose(self, rank: _Rank) -> None:
        """The first that ends without a word was killed; those after it were ended because of it."""
        if self.lost is None and not self.error and not self.orphaned:
            self.lost = rank
        self.kill()


def _is_over(rank: _Rank) -> bool:
    return bool(select.select([rank.descriptor], [], [], 0)[0])


def _failure(error: str, code: int | None, log: Path) -> SegbenchError:
    failure = SegbenchError(error or f"torchrun ended with exit code {code} before the run did. Log: {log}")
    failure.add_note(log.read_text(encoding="utf-8", errors="replace")[-LOG_CHARACTERS:])
    return failure


@contextmanager
def _started(arguments: Sequence[str], processes: int, threads: int, log: Path, progress: Progress) -> Iterator[_Crew]:
    """torchrun, in a session of its own, so that Ctrl-C reaches this process alone, which passes it on."""
    command = [*TORCHRUN, "--nproc-per-node", f"{processes}", "--no-python", *local.COMMAND, *arguments]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            env=os.environ | thread_variables(threads),
            start_new_session=True,
        )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    crew = _Crew(process, processes, Replay(progress))
    try:
        yield crew
        process.wait()
    finally:
        crew.kill()
        crew.close()
