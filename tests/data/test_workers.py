"""Processes that work in order, raise what was raised, and end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segbench.data import workers
from segbench.data.workers import in_order
from segbench.errors import DataError, SegbenchError

CHECKOUT = Path(__file__).parents[2]
START_WORKERS = """
import sys, time
from segbench.data.workers import in_order
from tests.data.test_workers import slow
with in_order(slow, 2) as call:
    list(call(bytes([n]) * 70_000 for n in range(200)))
"""


def slow(item: bytes) -> int:
    time.sleep(0.05)
    return os.getpid()


def first(item: bytes) -> tuple[int, int]:
    """Later items are done sooner."""
    time.sleep(0.02 if item[0] % 4 == 0 else 0)
    return item[0], os.getpid()


def picky(item: bytes) -> bytes:
    if item == b"wrong":
        raise DataError("wrong is not right.", "Do right.")
    if item == b"dead":
        os._exit(3)
    if item == b"broken":
        raise ZeroDivisionError("by nought")
    return item


def talkative(item: bytes) -> bytes:
    sys.stdout.write("between the replies\n")
    sys.stdout.flush()
    return item * 3


@pytest.fixture(autouse=True)
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_ITEMS", 3)


@pytest.mark.parametrize("processes", [0, 1, 2, 3])
def test_results_come_in_the_order_of_the_items(processes: int) -> None:
    items = [bytes([n]) * (n * 1000 + 1) for n in range(50)]
    with in_order(first, processes) as call:
        results = list(call(items))
        assert [number for number, _ in results] == list(range(50))
        assert len({process for _, process in results}) == max(1, processes)
        assert (os.getpid() in {process for _, process in results}) == (processes <= 1)
        assert [number for number, _ in call(items[:5])] == list(range(5))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_raised_comes_after_the_results_before_it(processes: int) -> None:
    seen: list[bytes] = []
    with in_order(picky, processes) as call, pytest.raises(DataError, match=r"^wrong is not right\. Do right\.$"):
        seen.extend(call([b"a", b"b", b"wrong", b"c", b"broken"]))
    assert seen == [b"a", b"b"]


def test_a_bug_keeps_its_kind() -> None:
    with in_order(picky, 2) as call, pytest.raises(ZeroDivisionError, match="by nought"):
        list(call([b"broken"]))


def test_a_process_that_dies_is_told() -> None:
    with in_order(picky, 2) as call, pytest.raises(SegbenchError, match=r"status 3.*--jobs 1"):
        list(call([b"a", b"b", b"c", b"dead"]))


def test_what_is_printed_does_not_harm() -> None:
    with in_order(talkative, 2) as call:
        assert list(call([b"a", b"b"])) == [b"aaa", b"bbb"]


def test_nothing_is_started_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *command, **options: pytest.fail("started"))
    with in_order(picky, 2) as call:
        assert list(call([])) == []


def test_items_are_taken_no_faster_than_they_are_done() -> None:
    taken = 0

    def items() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x"

    with in_order(picky, 2) as call:
        results = call(items())
        next(results)
        assert taken <= (2 * workers.CHUNKS_AHEAD + 1) * workers.CHUNK_ITEMS


def test_they_end_when_the_block_is_left_early() -> None:
    with in_order(slow, 2) as call:
        processes = {next(call([b"x"])) for _ in range(2)}
    assert not any(is_running(process) for process in processes)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_they_end_with_the_process_that_started_them(how: signal.Signals) -> None:
    running = subprocess.Popen([sys.executable, "-c", START_WORKERS], cwd=CHECKOUT, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(children_of(running.pid)) == 2)
    children = children_of(running.pid)
    time.sleep(0.3)
    running.send_signal(how)
    running.wait()
    wait_until(lambda: not any(map(is_running, children)))


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
