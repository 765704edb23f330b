"""Work spread over processes; results come back in order, and no process outlives the one that started it.

The processes are started afresh and not forked: a fork would copy the threads' locks of whatever runs here (progress
bars, torch). They are no ``multiprocessing`` children either, because those import the caller's script once more. Work
and results are pickles on pipes: when the parent dies, for whatever reason, its pipes end and so do the processes.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from segbench.errors import SegbenchError

__all__ = ["in_order", "serve"]

Result = TypeVar("Result")

CHUNK_BYTES = 1024 * 1024
CHUNK_ITEMS = 16
CHUNKS_AHEAD = 4
PIPE_BYTES = 1024 * 1024
START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    "from segbench.data.workers import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
)


@contextmanager
def in_order(
    function: Callable[[bytes], Result], processes: int
) -> Iterator[Callable[[Iterable[bytes]], Iterator[Result]]]:
    """What calls ``function`` with each of some items and yields the results in the order of the items.

    The items are taken one after the other in this process, and only a few MiB of items and results are held at a time.
    Exceptions of ``function`` are raised after the results of the items before.

    Args:
        function: Pickles; what it returns pickles, too.
        processes: Started for the first items; one or less: everything happens in this process.

    Raises:
        SegbenchError: A process died.
    """
    if processes <= 1:
        yield lambda items: map(function, items)
        return
    with _Workers(function, processes) as workers:
        yield workers.map


def _chunks(items: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Several small items travel together."""
    chunk: list[bytes] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += len(item)
        if len(chunk) == CHUNK_ITEMS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Raised:
    """In place of a result: what was raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _unpacked(results: list[Any]) -> Iterator[Any]:
    for result in results:
        if isinstance(result, _Raised):
            raise result.error
        yield result


class _Workers:
    """Some processes, each served by a thread that waits for it."""

    def __init__(self, function: Callable[[bytes], Any], processes: int) -> None:
        self._function = function
        self._processes = processes
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(processes)

    def map(self, items: Iterable[bytes]) -> Iterator[Any]:
        """The results in order."""
        pending: deque[Future[list[Any]]] = deque()
        for chunk in _chunks(items):
            self._start()
            pending.append(self._threads.submit(self._call, chunk))
            if len(pending) >= CHUNKS_AHEAD * self._processes:
                yield from _unpacked(pending.popleft().result())
        while pending:
            yield from _unpacked(pending.popleft().result())

    def _start(self) -> None:
        while len(self._workers) < self._processes:
            self._workers.append(_Worker(self._function))
            self._idle.put(self._workers[-1])

    def _call(self, chunk: list[bytes]) -> list[Any]:
        worker = self._idle.get()
        try:
            return worker.call(chunk)
        finally:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the processes, busy or not."""
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(cancel_futures=True)


class _Worker:
    """One process that calls a function."""

    def __init__(self, function: Callable[[bytes], Any]) -> None:
        # A group of its own: Ctrl-C at the terminal is the parent's business, which then ends its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE_BYTES,
            process_group=0,
            # Each works alone; what numpy would start for every one of them only costs time.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._beginning: list[Any] = [sys.path, function]

    def call(self, chunk: list[bytes]) -> list[Any]:
        """The results of a chunk; the last one is what was raised, if anything was."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            for value in [*self._beginning, chunk]:
                pickle.dump(value, self._process.stdin, protocol=5)
            self._beginning = []
            self._process.stdin.flush()
            results: list[Any] = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            raise SegbenchError(
                f"A worker process ended unexpectedly (status {self._process.wait()}).",
                "Where memory is short, fewer of them help: --jobs 1",
            ) from error
        return results

    def end(self) -> None:
        """Kills the process; it holds nothing that would be lost."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # Closing flushes what nobody reads any more.
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


def serve(requests: Any, replies: Any) -> None:
    """What a worker process does until its requests end: a function first, then chunks of its arguments."""
    # What anything prints must not get between the replies.
    sys.stdout = sys.stderr
    try:
        function = pickle.load(requests)
        while True:
            pickle.dump(_results(function, pickle.load(requests)), replies, protocol=5)
            replies.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        os._exit(0)


def _results(function: Callable[[bytes], Any], chunk: list[bytes]) -> list[Any]:
    results: list[Any] = []
    for item in chunk:
        try:
            results.append(function(item))
        except Exception as error:
            return [*results, _Raised(_portable(error))]
    return results


def _portable(error: Exception) -> Exception:
    """The error if it survives the way to the parent, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
