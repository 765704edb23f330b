"""A function over many items on all cores, in worker processes that never outlive their parent.

Results come back in the order of the items, and the error raised is that of the first item that fails, so neither
depends on the number of processes.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

from segbench.errors import SegbenchError, UsageError
from segbench.processors import available_processors
from segbench.progress import SILENT, Task

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    Pipe: TypeAlias = "Connection[Any, Any]"

__all__ = ["worked", "worker_count"]

T = TypeVar("T")
R = TypeVar("R")

# A process costs about as much as this many images.
_ITEMS_PER_WORKER = 4


def worker_count(jobs: int | None, num_items: int) -> int:
    """Processes to start for some items.

    Args:
        jobs: As many as asked for; ``None``: one a core.
        num_items: Their number.

    Raises:
        UsageError: ``jobs`` is below 1.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs} is no number of processes: give 1 or more.")
    return max(1, min(available_processors() if jobs is None else jobs, num_items // _ITEMS_PER_WORKER))


def worked(
    function: Callable[[T], R], items: Sequence[T], workers: int = 1, bar: AbstractContextManager[Task] | None = None
) -> list[R]:
    """``[function(item) for item in items]`` in ``workers`` processes; in this one where that is 1.

    The first item is always done here: what it imports and caches, forked processes have already.

    Args:
        function: Where processes cannot be forked (another thread runs, or not Linux), it and the items are pickled.
        items: What it is called with.
        workers: Number of processes.
        bar: Opened once the processes run (it may start a thread), and advanced by each item.

    Raises:
        SegbenchError: A worker process was killed. What ``function`` raises is raised here.
    """
    found = [function(item) for item in items[:1]]
    if workers == 1 or len(items) < 2:
        with bar or nullcontext(SILENT) as task:
            task.advance(len(found))
            for item in items[1:]:
                found.append(function(item))
                task.advance()
        return found
    crew = _Crew(function, items, workers)
    try:
        with bar or nullcontext(SILENT) as task:
            task.advance()
            return [*found, *crew.results(1, task)]
    finally:
        crew.dismiss()


class _Crew(Generic[T, R]):
    """Processes that are given one item after the other, each by a pipe of its own.

    A worker whose pipe closes ends: so none is left when this process is killed.
    """

    def __init__(self, function: Callable[[T], R], items: Sequence[T], workers: int) -> None:
        self.num_items = len(items)
        self.ends: list[Pipe] = []
        self.processes: list[BaseProcess] = []
        # Ctrl-C reaches every process of the terminal. Workers are born deaf to it; this one hears it afterwards.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(workers):
                self._start(function, items)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self.dismiss()
            raise

    def _start(self, function: Callable[[T], R], items: Sequence[T]) -> None:
        import multiprocessing

        forked = sys.platform == "linux" and threading.active_count() == 1
        context = multiprocessing.get_context("fork") if forked else multiprocessing.get_context("spawn")
        end, theirs = context.Pipe()
        self.ends.append(end)
        # A forked worker holds copies of this process's ends; unless it closes them, they stay open without us.
        inherited = self.ends if forked else []
        process = context.Process(target=_work, args=(function, items, theirs, inherited), daemon=True)
        process.start()
        self.processes.append(process)
        theirs.close()

    def results(self, first: int, task: Task) -> list[R]:
        """What the function makes of the items from ``first`` on."""
        try:
            found, errors = self._answers(first, task)
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if errors:
            raise errors[min(errors)]
        return [found[index] for index in range(first, self.num_items)]

    def _answers(self, first: int, task: Task) -> tuple[dict[int, R], dict[int, Exception]]:
        from multiprocessing.connection import wait

        found: dict[int, R] = {}
        errors: dict[int, Exception] = {}
        waiting = iter(range(first, self.num_items))
        busy: list[Any] = [end for end in self.ends if _give(end, next(waiting, None))]
        while busy:
            for end in cast("list[Any]", wait(busy)):
                index, result, error = end.recv()
                if error is None:
                    found[index] = result
                    task.advance()
                else:
                    errors[index] = error
                # Items before the one that failed have all been given away; those after it matter no more.
                if not _give(end, None if errors else next(waiting, None)):
                    busy.remove(end)
        return found, errors

    def _lost(self) -> SegbenchError:
        for process in self.processes:
            process.join(0.1)
        code = next((process.exitcode for process in self.processes if process.exitcode is not None), None)
        return SegbenchError(
            f"A worker process was killed (exit code {code}).",
            "It may have run out of memory: try fewer of them, such as --jobs 1.",
        )

    def dismiss(self) -> None:
        """Ends all processes; they hold nothing that could be left half-done."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()


def _give(end: Pipe, index: int | None) -> bool:
    if index is not None:
        end.send(index)
    return index is not None


def _work(function: Callable[[T], R], items: Sequence[T], end: Pipe, inherited: Sequence[Pipe]) -> None:
    for other in inherited:
        other.close()
    # The pipe closes when the parent ends.
    with suppress(EOFError, OSError):
        while True:
            index = end.recv()
            end.send((index, *_outcome(function, items[index])))


def _outcome(function: Callable[[T], R], item: T) -> tuple[R | None, Exception | None]:
    try:
        return function(item), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error
