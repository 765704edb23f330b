from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from segbench.errors import DataError, SegbenchError, UsageError
from segbench.metrics.workers import worked, worker_count
from segbench.processors import available_processors

CHECKOUT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


def squared(number: int) -> tuple[int, int]:
    time.sleep(0.001 * (number % 3))
    return number * number, os.getpid()


def refused(number: int) -> int:
    if number in (5, 7, 11):
        time.sleep(0.05 if number == 5 else 0)
        raise DataError(f"image {number} is bad.", "Repair it.")
    return number


def killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    found = worked(squared, range(40), workers)
    assert [value for value, _ in found] == [number * number for number in range(40)]
    assert len({process for _, process in found} - {os.getpid()}) == (workers if workers > 1 else 0)


def test_nothing_and_one_thing() -> None:
    assert worked(squared, [], 3) == []
    assert worked(squared, [6], 3) == [(36, os.getpid())]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_error_is_that_of_the_first_item_that_fails(workers: int) -> None:
    with pytest.raises(DataError) as caught:
        worked(refused, range(20), workers)
    assert (caught.value.message, caught.value.hint) == ("image 5 is bad.", "Repair it.")
    assert str(caught.value) == "image 5 is bad. Repair it."


@linux
def test_a_killed_worker_is_told_and_not_waited_for() -> None:
    with pytest.raises(SegbenchError, match=r"A worker process was killed \(exit code -9\).*--jobs 1"):
        worked(killed, range(20), 2)


def test_beside_another_thread_processes_are_not_forked() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert worked(abs, range(-6, 0), 2) == [6, 5, 4, 3, 2, 1]
    finally:
        stop.set()
        thread.join()


def test_each_item_moves_the_bar() -> None:
    class Bar:
        moved = 0

        def advance(self, steps: int = 1) -> None:
            self.moved += steps

        def show(self, **values: object) -> None: ...

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *error: object) -> None: ...

    for workers in (1, 3):
        bar = Bar()
        worked(squared, range(9), workers, bar)
        assert bar.moved == 9


def test_how_many_processes() -> None:
    assert worker_count(None, 10_000) == available_processors()
    assert worker_count(3, 10_000) == 3
    assert worker_count(3, 8) == 2
    assert worker_count(3, 0) == 1
    with pytest.raises(UsageError, match="--jobs 0"):
        worker_count(0, 5)


SLOW = """
import os, sys, time
from segbench.metrics.workers import worked
def slow(number):
    if number:
        print(os.getpid(), flush=True)
        time.sleep(60)
worked(slow, range(9), 2)
"""


def started() -> tuple[subprocess.Popen[str], list[int]]:
    """A process with two busy workers, and their ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, [int(process.stdout.readline()) for _ in range(2)]


def gone(process: int) -> bool:
    """Whether a process ends within ten seconds; a zombie nobody waits for has ended."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@linux
def test_an_interruption_leaves_no_process() -> None:
    process, workers = started()
    # As a terminal does it: to all of them.
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert error.count("Traceback") == 1 and error.rstrip().endswith("KeyboardInterrupt")
    assert all(map(gone, workers))


@linux
def test_workers_of_a_killed_process_end() -> None:
    code = SLOW.replace("time.sleep(60)", "time.sleep(0.5)")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    workers = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    process.stdout.close()
    assert all(map(gone, workers))
