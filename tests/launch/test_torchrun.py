"""``--launcher torchrun``: how the processes are watched, ended and explained; then real ones, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from segbench.engine.checkpoint import STATE_FILE, load_state
from segbench.errors import ProcessLostError, SegbenchError, UsageError
from segbench.launch import torchrun
from segbench.launch.cell_files import Done
from segbench.launch.identity import start_time
from segbench.launch.relay import Relay, Replay
from segbench.launch.torchrun import require_devices, run_ranks
from segbench.progress import Silent, Task
from tests.cli.conftest import RECIPE
from tests.launch.test_processes import CHECKOUT, begin, ended, until


class Heard(Silent):
    """Writes down what is reported, and sends itself a signal at a message."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        self.lines.append((title, total, unit))
        yield self
        self.lines.append("closed")

    def advance(self, steps: int = 1) -> None:
        self.lines.append(steps)

    def show(self, **values: object) -> None:
        self.lines.append(values)

    def message(self, text: str) -> None:
        self.lines.append(text)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        self.lines.append((name, values))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short processes in the place of torchrun."""
    monkeypatch.setattr(torchrun, "TORCHRUN", [sys.executable, "-m", "tests.launch.fake_torchrun"])
    monkeypatch.setenv("PYTHONPATH", f"{CHECKOUT}")
    monkeypatch.delenv("RANK", raising=False)


def run(folder: Path, actions: str, heard: Heard | None = None) -> tuple[Done, bool]:
    return run_ranks([actions], actions.count(",") + 1, 1, folder, heard or Heard())


@pytest.mark.usefixtures("fake")
def test_what_the_leader_reports_is_shown_and_its_result_returned(tmp_path: Path) -> None:
    heard = Heard()
    assert run(tmp_path, "done,follows", heard) == (Done("r", "records/r.json", ["p.png"]), True)
    assert heard.lines == [
        ("Training toy", 3, "steps"), 2, {"loss": 0.5}, ("epoch", {"loss": 0.5}), "a line", "closed"
    ]  # fmt: skip


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("actions", "rank"), [("hangs,dies", 1), ("dies,hangs,hangs", 0), ("suffers,dies", 1), ("dies,suffers", 0)]
)
def test_one_that_is_killed_is_named_and_the_others_end(tmp_path: Path, actions: str, rank: int) -> None:
    begun, size = time.monotonic(), actions.count(",") + 1
    with pytest.raises(ProcessLostError) as caught:
        run(tmp_path, actions)
    assert time.monotonic() - begun < 10
    text = str(caught.value)
    assert text.startswith("Process ")
    assert f"(rank {rank} of {size}) was killed, and the others were ended with it. The same command goes on" in text
    assert "\n" not in text
    assert caught.value.exit_code == 1
    assert start_time(int(text.split()[1])) is None


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("actions", ["fails,hangs", "hangs,fails", "fails,fails"])
def test_a_failure_says_why_and_keeps_what_was_printed(
    tmp_path: Path, actions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchrun, "GRACE_S", 0.5)
    with pytest.raises(SegbenchError, match="It is broken") as caught:
        run(tmp_path, actions)
    assert (f"{caught.value}", type(caught.value)) == ("It is broken.", SegbenchError)
    assert "a traceback" in "".join(caught.value.__notes__)
    assert "a traceback" in (tmp_path / torchrun.LOG_FILE).read_text()


@pytest.mark.usefixtures("fake")
def test_processes_do_not_outlive_torchrun(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ProcessLostError, match=r"^torchrun \(process \d+\) was killed, and its processes were ended\."):
        run(tmp_path, "orphaned")
    assert time.monotonic() - begun < 10


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("actions", "text"), [("fails,fails", "It is broken."), ("leaves,leaves", "was killed")])
def test_processes_that_ended_before_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actions: str, text: str
) -> None:
    def gone(pid: int) -> int:
        until(lambda: start_time(pid) is None)
        raise ProcessLookupError

    monkeypatch.setattr(os, "pidfd_open", gone)
    with pytest.raises(SegbenchError, match=text):
        run(tmp_path, actions)


@pytest.mark.usefixtures("fake")
def test_an_end_without_a_result_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(SegbenchError, match="was killed"):
        run(tmp_path, "leaves,leaves")


def test_a_torchrun_that_does_not_start_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun, "TORCHRUN", [sys.executable, "-c", "raise SystemExit(7)"])
    with pytest.raises(
        SegbenchError, match=r"torchrun ended with exit code 7 before the run did\. Log: .*torchrun.log"
    ):
        run(tmp_path, "done")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_reaches_all(tmp_path: Path, number: signal.Signals) -> None:
    kept = signal.getsignal(number)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), number))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "waits,waits")
    timer.join()
    assert signal.getsignal(number) == kept


def test_long_lines_are_cut_and_a_reader_that_is_gone_is_no_error() -> None:
    ours, theirs = os.pipe()
    relay = Relay(theirs)
    relay.message("ü" * 5000)
    assert len(os.read(ours, 1 << 16)) < 4096
    os.close(ours)
    relay.message("nobody reads this")
    os.close(theirs)


def test_bars_left_open_are_closed() -> None:
    heard = Heard()
    replay = Replay(heard)
    assert replay.take({"kind": "task", "task": 1, "title": "Training", "total": None, "unit": ""})
    assert not replay.take({"kind": "began", "rank": 0, "pid": 1})
    replay.close()
    assert heard.lines == [("Training", None, ""), "closed"]


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    require_devices("cuda", 2)
    require_devices("cpu", 9)
    with pytest.raises(UsageError, match="--nproc 3 needs as many GPUs; this machine has 2"):
        require_devices("auto", 3)
    with pytest.raises(UsageError, match="cuda:1 is one device for 2 processes"):
        require_devices("cuda:1", 2)


# --- real processes --------------------------------------------------------------------------------------------------

MODEL = "fcn-basic"
STEPS = 20
RUN = ("run", MODEL, "--dataset", "toy", "--recipe", "tiny", "--threads", "1", "--json")
TORCHRUN = ("--launcher", "torchrun", "--nproc", "2", "--sync-batch-norm")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the prepared toy dataset, and a recipe whose batches of three two processes share."""
    folder = tmp_path_factory.mktemp("torchrun")
    (folder / "recipes" / "toy").mkdir(parents=True)
    text = RECIPE.format(model=MODEL).replace("iterations = 4", f"iterations = {STEPS}")
    (folder / "recipes" / "toy" / f"{MODEL}.tiny.toml").write_text(text.replace("batch_size = 2", "batch_size = 3"))
    assert ended(begin(folder, "prepare", "toy", "--size", "32x48", "--quiet"))[0] == 0
    return folder


def rank_pids(home: Path) -> dict[int, int]:
    """The processes of torchrun that run in the home, by rank."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            values = (process / "environ").read_bytes().split(b"\0")
            here = Path(os.readlink(process / "cwd")) == home
        except OSError:
            continue
        ranks = [int(value[5:]) for value in values if value.startswith(b"RANK=")]
        if here and ranks and start_time(int(process.name)) is not None:
            found[ranks[0]] = int(process.name)
    return found


def steps_logged(out: Path) -> int:
    return sum(path.read_text().count('"validation"') * 2 for path in out.glob("runs/toy/*/log.jsonl"))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_then_interrupted_then_done_as_one_process_does_it(home: Path) -> None:
    out, command = home / "together", (*RUN, *TORCHRUN, "--out", "together")
    assert ended(begin(home, *RUN, "--out", "alone"))[0] == 0

    process = begin(home, *command, TOY_STEP_S="0.2")
    until(lambda: steps_logged(out) >= 4)
    victim = rank_pids(home)[1]
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    code, _, err = ended(process)
    assert (code, time.monotonic() - killed < 20) == (1, True), err
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert errors[0].startswith(f"Error: Process {victim} (rank 1 of 2) was killed, and the others were ended with it.")
    assert rank_pids(home) == {}
    assert not list(out.glob("runs/toy/*/failure.json"))

    process = begin(home, *command, TOY_STEP_S="0.2")
    until(lambda: steps_logged(out) >= 10)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130, err
    assert "Continuing fcn-basic.tiny from its checkpoint" in err
    assert err.endswith("Error: interrupted. The same command goes on where it stopped.\n")
    assert rank_pids(home) == {}
    assert not list(out.glob("runs/toy/*/claim.json"))

    code, values, err = ended(begin(home, *command))
    assert (code, values["failed"]) == (0, []), err
    (done,) = values["runs"]
    environment = done["record"]["environment"]
    assert (environment["processes"], environment["backend"], environment["sync_batch_norm"]) == (2, "gloo", True)
    assert (environment["threads"], done["fresh"]) == (1, True)
    states = [load_state(next(place.glob(f"runs/toy/*/{STATE_FILE}")))[0] for place in (out, home / "alone")]
    weights = [
        torch.cat([value.flatten() for name, value in state.items() if name.endswith("weight")]) for state in states
    ]
    assert (weights[0] - weights[1]).norm() < 1e-2 * weights[1].norm()


def test_a_process_tells_what_keeps_it_from_computing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segbench.errors import UsageError\n"
        "from segbench.launch.rank import compute_as_rank\n"
        "def find(): print('not a line of ours'); raise UsageError('No such run.')\n"
        "compute_as_rank(find, Path(), 'cpu', sync_batch_norm=False, tensorboard=False, explain=str)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"RANK": "1"}, capture_output=True, text=True, check=False
    )
    began, over = map(json.loads, process.stdout.splitlines())
    assert (began["kind"], began["rank"]) == ("began", 1)
    assert over == {"kind": "ended", "rank": 1, "error": "No such run."}
    assert process.returncode == 1
    assert "not a line of ours" in process.stderr
    assert "Traceback" in process.stderr
