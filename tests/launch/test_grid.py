"""The loop of a grid, with cells that take no time: failures, retries, deaths, claims of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.launch import claims, grid
from segbench.launch.cell_files import CLAIM_FILE, Deaths, Done, Failure, Position, read, write
from segbench.launch.claims import acquire, holder_of
from segbench.launch.grid import Ending, Grid, finished, known_failures
from segbench.progress import Progress, Silent
from tests.launch.empty_cells import Empty, cells_of, measure
from tests.launch.test_claims import put

Work = Callable[[Empty], None]


class Listener(Silent):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "POLL_S", 0.02)


def made(root: Path, count: int, work: Work, retry: bool = False, progress: Progress | None = None) -> Grid[Empty]:
    """A grid of cells named 0, 1 ... whose work writes the record."""

    def compute(cell: Empty, progress: Progress) -> Done:
        with progress.task("Training", 10, "steps") as bar:
            bar.advance(7)
            work(cell)
        (root / cell.cell_id).touch()
        return Done("0" * 12, cell.cell_id, ["picture.png"])

    cells = cells_of(root, count)
    failures = known_failures(cells) if retry else {}
    return Grid(cells, root, compute, str, lambda cell: cell.folder.name, failures, progress or Silent())


def states(endings: list[Ending[Empty]]) -> list[str]:
    return ["done" if ending.done else ending.failure.error if ending.failure else "out" for ending in endings]


def nothing(cell: Empty) -> None:
    """Work that succeeds at once."""


def failing(number: int) -> Work:
    def work(cell: Empty) -> None:
        if cell.folder.name.endswith(f"{number}"):
            raise ValueError("the loss is nan")

    return work


def test_every_cell_is_computed_once_and_never_again(tmp_path: Path) -> None:
    first = made(tmp_path, 3, nothing).run()
    assert [(ending.here, ending.fresh) for ending in first] == [(True, True)] * 3
    again = made(tmp_path, 3, failing(1)).run()
    assert [(ending.done, ending.here, ending.fresh) for ending in again] == [
        (Done("0" * 12, f"{number:012x}", ["picture.png"]), False, False) for number in range(3)
    ]
    assert sorted(path.name for path in first[0].cell.folder.iterdir()) == ["done.json"]


def test_a_cell_whose_record_is_gone_is_computed_again(tmp_path: Path) -> None:
    endings = made(tmp_path, 2, nothing).run()
    (tmp_path / endings[1].cell.cell_id).unlink()
    assert finished(endings[1].cell.folder, tmp_path) is None
    assert [ending.here for ending in made(tmp_path, 2, nothing).run()] == [False, True]


def test_a_failure_is_kept_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    endings = made(tmp_path, 3, failing(1)).run()
    assert states(endings) == ["done", "the loss is nan", "done"]
    failure = read(endings[1].cell.folder, Failure)
    assert failure is not None
    assert failure.step == 7
    log = (endings[1].cell.folder / failure.log).read_text()
    assert log.startswith("Traceback") and log.endswith("ValueError: the loss is nan\n")
    assert holder_of(endings[1].cell.folder / CLAIM_FILE) is None


def test_a_failure_is_tried_again_only_where_asked(tmp_path: Path) -> None:
    made(tmp_path, 2, failing(0)).run()
    again = made(tmp_path, 2, nothing).run()
    assert states(again) == ["the loss is nan", "done"]
    assert [ending.here for ending in again] == [False, False]
    assert states(made(tmp_path, 2, nothing, retry=True).run()) == ["done", "done"]
    assert read(again[0].cell.folder, Failure) is None


def test_a_retry_that_fails_is_not_tried_a_third_time(tmp_path: Path) -> None:
    made(tmp_path, 1, failing(0)).run()
    first = made(tmp_path, 1, failing(0), retry=True)
    second = made(tmp_path, 1, nothing, retry=True)
    assert states(first.run()) == ["the loss is nan"]
    assert states(second.run()) == ["the loss is nan"]  # it knew of the failure before


def test_cells_that_others_have_are_done_last(tmp_path: Path) -> None:
    listener, order = Listener(), list[str]()
    first = cells_of(tmp_path, 3)[0]
    code = (
        "import sys, time; from pathlib import Path; from segbench.launch.claims import acquire\n"
        "claim = acquire(Path(sys.argv[1])); print('mine', flush=True); sys.stdin.read(); claim.release()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(first.folder / CLAIM_FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None and other.stdout.readline() == b"mine\n"
    threading.Timer(0.3, other.communicate).start()
    endings = made(tmp_path, 3, lambda cell: order.append(cell.folder.name), progress=listener).run()
    assert order == ["cell-0001", "cell-0002", "cell-0000"]
    assert states(endings) == ["done"] * 3
    assert listener.messages == [f"cell-0000 is being run by process {other.pid}; waiting for it."]


def test_what_another_process_ends_is_taken_as_it_is(tmp_path: Path) -> None:
    cell = cells_of(tmp_path, 1)[0]
    put(cell.folder / CLAIM_FILE, where="f" * 16)

    def elsewhere() -> None:
        (tmp_path / "record").touch()
        write(cell.folder, Done("1" * 12, "record", []))

    threading.Timer(0.2, elsewhere).start()
    (ending,) = made(tmp_path, 1, failing(0)).run()
    assert (ending.done, ending.here, ending.fresh) == (Done("1" * 12, "record", []), False, True)


def test_an_interruption_gives_the_claim_back(tmp_path: Path) -> None:
    def interrupt(cell: Empty) -> None:
        raise KeyboardInterrupt

    running = made(tmp_path, 2, interrupt)
    with pytest.raises(KeyboardInterrupt):
        running.run()
    assert acquire(running.cells[0].folder / CLAIM_FILE) is not None


def test_a_cell_that_is_not_admitted_is_left_out(tmp_path: Path) -> None:
    running = made(tmp_path, 3, nothing)
    running.admit = lambda cell: cell.folder.name != "cell-0001"
    assert states(running.run()) == ["done", "out", "done"]


def test_a_dead_process_leaves_its_cell_to_the_next(tmp_path: Path) -> None:
    listener = Listener()
    put(cells_of(tmp_path, 1)[0].folder / CLAIM_FILE)
    assert states(made(tmp_path, 1, nothing, progress=listener).run()) == ["done"]
    assert listener.messages == ["cell-0000 was left by a process that ended; going on with it."]


def test_a_cell_that_kills_every_process_fails(tmp_path: Path) -> None:
    cell = cells_of(tmp_path, 1)[0]
    for death in range(3):
        put(cell.folder / CLAIM_FILE, f"{death:016x}")
        write(cell.folder, Position("Training", 5, 9, "steps", 5, None, None))

        def dies(cell: Empty) -> None:
            raise KeyboardInterrupt  # a kill leaves less than this does

        try:
            endings = made(tmp_path, 1, dies).run()
        except KeyboardInterrupt:
            assert death < 2
            continue
        assert death == 2
        assert endings[0].failure is not None
        assert endings[0].failure.error.startswith("Its process ended without a word 3 times")
    assert read(cell.folder, Failure) is not None
    assert states(made(tmp_path, 1, nothing, retry=True).run()) == ["done"]


def test_deaths_with_progress_between_do_not_count(tmp_path: Path) -> None:
    cell = cells_of(tmp_path, 1)[0]
    for death in range(5):
        put(cell.folder / CLAIM_FILE, f"{death:016x}")
        checkpoint = cell.folder / "state.safetensors"
        checkpoint.touch()
        os.utime(checkpoint, (1000 + death, 1000 + death))

        def dies(cell: Empty) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            made(tmp_path, 1, dies).run()
        assert read(cell.folder, Deaths) == Deaths(1, (1000 + death) * 10**9)


def test_who_was_taken_for_dead_stops_and_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_S", 0.02)
    listener = Listener()

    def robbed(cell: Empty) -> None:
        put(cell.folder / CLAIM_FILE, "f" * 16, where="f" * 16)
        (tmp_path / "record").touch()
        write(cell.folder, Done("1" * 12, "record", []))
        time.sleep(5)
        raise AssertionError("nobody stopped it")

    (ending,) = made(tmp_path, 1, robbed, progress=listener).run()
    assert ending.done == Done("1" * 12, "record", [])
    assert not ending.here
    assert listener.messages[0] == "cell-0000 was taken over by another process while this one stood still."


def test_the_heartbeat_renews_the_claim_and_says_how_far_the_work_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_S", 0.02)
    seen: list[object] = []

    def look(cell: Empty) -> None:
        path = cell.folder / CLAIM_FILE
        os.utime(path, (1, 1))
        time.sleep(0.3)
        seen.extend([path.stat().st_mtime > 1, read(cell.folder, Position)])

    made(tmp_path, 1, look).run()
    assert seen[0]
    position = seen[1]
    assert isinstance(position, Position)
    assert (position.phase, position.done, position.total, position.unit, position.step) == (
        "Training",
        7,
        10,
        "steps",
        7,
    )


def test_a_damaged_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "done.json").write_text("")
    assert read(tmp_path, Done) is None
    (tmp_path / "done.json").write_text(json.dumps({"run_id": "x"}))
    assert read(tmp_path, Done) is None
    (tmp_path / "done.json").write_text(json.dumps({"run_id": "x", "record": "r", "pictures": [], "later": 1}))
    assert read(tmp_path, Done) == Done("x", "r", [])


@pytest.mark.slow
def test_eight_processes_do_a_thousand_cells_exactly_once(tmp_path: Path) -> None:
    found = measure(tmp_path, processes=8, count=1000, kills=0)
    assert (found["cells"], found["computed"]) == (1000, 1000)
    assert (found["met"], found["claims_left"], found["litter"]) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_with_processes_killed_at_any_moment_no_cell_is_lost_or_computed_by_two(tmp_path: Path, seed: int) -> None:
    kills = 40
    found = measure(tmp_path, processes=6, count=600, kills=kills, seed=seed)
    assert found["cells"] == 600
    assert 600 <= found["computed"] <= 600 + kills  # each kill can undo one
    assert found["met"] == 0
