"""Grids in real processes: shared, killed, interrupted, failing; the weights are those of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segbench.launch.identity import start_time
from segbench.launch.threads import thread_variables
from tests.cli.conftest import RECIPE

CHECKOUT = Path(__file__).parents[2]
MODELS = ("bilinear-interpolation", "fcn-basic")
STEPS = 24
RUN = ("run", *MODELS, "--dataset", "toy", "--recipe", "tiny", "--threads", "1", "--json")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared_home(tmp_path_factory.mktemp("grid"))


def prepared_home(folder: Path) -> Path:
    """A home with the prepared toy dataset, and recipes long enough to be met in the middle."""
    (folder / "recipes" / "toy").mkdir(parents=True)
    for model in MODELS:
        text = RECIPE.format(model=model).replace("iterations = 4", f"iterations = {STEPS}")
        (folder / "recipes" / "toy" / f"{model}.tiny.toml").write_text(text)
    assert ended(begin(folder, "prepare", "toy", "--size", "32x48", "--quiet"))[0] == 0
    return folder


@pytest.fixture(scope="module")
def undisturbed(home: Path) -> dict[str, str]:
    """The weights of a run that nothing disturbs."""
    code, values, err = ended(begin(home, *RUN, "--out", "undisturbed"))
    assert code == 0, err
    assert [run["fresh"] for run in values["runs"]] == [True, True]
    return weights(home / "undisturbed")


def begin(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Starts a command in the folder of the home."""
    environment = {"SEGBENCH_HOME": str(home / "home"), "PYTHONPATH": str(CHECKOUT), **thread_variables(1)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.launch.grid_command", *arguments],
        cwd=home,
        env=os.environ | environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, Any, str]:
    """Exit code, the JSON value on stdout, and stderr."""
    out, err = process.communicate(timeout=120)
    return process.returncode, json.loads(out) if out.startswith("{") else None, err


def weights(out: Path) -> dict[str, str]:
    """The hash of each run's weights by the run's folder."""
    paths = out.glob("runs/toy/*/weights.safetensors")
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Waits for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def claimed(out: Path) -> Iterator[int]:
    """The processes that have cells and have saved a state."""
    for path in out.glob("runs/toy/*/claim.json"):
        if (path.parent / "state.safetensors").exists():
            yield json.loads(path.read_text())["pid"]


def records(out: Path) -> int:
    return len(list(out.glob("leaderboards/records/toy/*/*.json")))


def fresh(values: Any) -> list[bool]:
    return [run["fresh"] for run in values["runs"]]


def test_two_commands_share_the_cells(home: Path, undisturbed: dict[str, str]) -> None:
    command = (*RUN, "--out", "shared")
    team = [begin(home, *command, TOY_STEP_S="0.1") for _ in range(2)]
    (first, one, _), (second, two, _) = [ended(process) for process in team]
    assert (first, second) == (0, 0)
    assert sorted(fresh(one) + fresh(two)) == [False, False, True, True]
    assert weights(home / "shared") == undisturbed
    assert records(home / "shared") == 2
    again = ended(begin(home, *command))
    assert fresh(again[1]) == [False, False]


def test_a_killed_process_leaves_its_cell_to_the_other(home: Path, undisturbed: dict[str, str]) -> None:
    out, command = home / "killed", (*RUN, "--out", "killed")
    team = {process.pid: process for process in [begin(home, *command, TOY_STEP_S="0.15") for _ in range(2)]}
    until(lambda: len(list(claimed(out))) == 2)
    victim = team.pop(next(claimed(out)))
    victim.kill()
    victim.communicate()
    (other,) = team.values()
    code, values, err = ended(other)
    assert code == 0, err
    assert len(values["runs"]) == 2
    assert "was left by a process that ended; going on with it.\n" in err
    assert "from its checkpoint" in err
    assert weights(out) == undisturbed
    assert records(out) == 2


def test_a_killed_command_goes_on_when_it_is_given_again(home: Path, undisturbed: dict[str, str]) -> None:
    out, command = home / "again", (*RUN, "--out", "again")
    for _ in range(2):
        process = begin(home, *command, TOY_STEP_S="0.1")
        until(lambda process=process: process.pid in claimed(out))  # type: ignore[misc]
        time.sleep(0.5)
        process.kill()
        process.communicate()
    code, values, err = ended(begin(home, *command))
    assert (code, len(values["runs"])) == (0, 2), err
    assert weights(out) == undisturbed
    assert list(out.glob("runs/toy/*/claim.json")) == []


def test_a_failing_cell_is_listed_and_tried_again_where_asked(home: Path, undisturbed: dict[str, str]) -> None:
    out, command = home / "failing", (*RUN, "--out", "failing")
    code, values, err = ended(begin(home, *command, "--jobs", "2", TOY_FAILS="fcn-basic"))
    assert code == 1, err
    assert [run["record"]["model"] for run in values["runs"]] == ["bilinear-interpolation"]
    (failed,) = values["failed"]
    assert (failed["model"], failed["state"], failed["step"]) == ("fcn-basic", "failed", 3)
    assert failed["error"].startswith("OSError: the disk is gone")
    assert "the disk is gone" in (home / failed["log"]).read_text()
    assert "Error: 1 of 2 runs failed: fcn-basic.tiny seed 0.\n" in err

    plan = ended(begin(home, *command, "--dry-run"))[1]
    assert [cell["state"] for cell in plan["cells"]] == ["done", "failed"]
    assert plan["cells"][1]["failure"]["error"] == failed["error"]
    code, values, err = ended(begin(home, *command))
    assert (code, fresh(values), len(values["failed"])) == (1, [False], 1)
    assert "failed at an earlier try: OSError: the disk is gone" in err

    code, values, err = ended(begin(home, *command, "--jobs", "2", "--retry-failed"))
    assert (code, fresh(values), values["failed"]) == (0, [False, True], []), err
    assert weights(out) == undisturbed


def test_jobs_share_the_cells_and_the_boards_have_all(home: Path, undisturbed: dict[str, str]) -> None:
    out = home / "jobs"
    process = begin(home, *RUN, "--seeds", "0,1", "--launcher", "local", "--jobs", "2", "--out", "jobs")
    code, values, err = ended(process)
    assert code == 0, err
    assert fresh(values) == [True] * 4
    assert {run["record"]["environment"]["threads"] for run in values["runs"]} == {1}
    assert undisturbed.items() <= weights(out).items()
    board = (out / "leaderboards" / "toy.csv").read_text()
    assert all(run["record"]["run_id"] in board for run in values["runs"])
    assert "(4 of 4)" in err
    assert len(list((out / "runs" / "logs").glob("*.log"))) == 2


def test_ctrl_c_ends_all_and_they_have_saved(home: Path, undisturbed: dict[str, str]) -> None:
    out, command = home / "interrupted", (*RUN, "--jobs", "2", "--out", "interrupted")
    process = begin(home, *command, TOY_STEP_S="0.3")
    until(lambda: len(list(claimed(out))) == 2)
    workers = list(claimed(out))
    process.send_signal(signal.SIGINT)
    code, values, err = ended(process)
    assert (code, values) == (130, None)
    assert err.endswith("Error: interrupted. The same command goes on where it stopped.\n")
    assert [start_time(worker) for worker in workers] == [None, None]
    assert list(out.glob("runs/toy/*/claim.json")) == []
    code, values, err = ended(begin(home, *command))
    assert (code, len(values["runs"])) == (0, 2), err
    assert weights(out) == undisturbed


def test_the_processes_end_with_their_parent_however_it_ends(home: Path, undisturbed: dict[str, str]) -> None:
    out, command = home / "orphaned", (*RUN, "--jobs", "2", "--out", "orphaned")
    process = begin(home, *command, TOY_STEP_S="0.3")
    until(lambda: len(list(claimed(out))) == 2)
    workers = list(claimed(out))
    process.kill()
    process.communicate()
    until(lambda: [start_time(worker) for worker in workers] == [None, None], seconds=20)
    code, values, err = ended(begin(home, *command))
    assert (code, len(values["runs"])) == (0, 2), err
    assert weights(out) == undisturbed


def test_a_killed_worker_is_told_of_and_the_other_ends_the_grid(home: Path, undisturbed: dict[str, str]) -> None:
    out = home / "worker"
    process = begin(home, *RUN, "--jobs", "2", "--out", "worker", TOY_STEP_S="0.15")
    until(lambda: len(list(claimed(out))) == 2)
    victim = next(claimed(out))
    os.kill(victim, signal.SIGKILL)
    code, values, err = ended(process)
    assert code == 0, err
    assert fresh(values) == [True, True]
    assert f"Process {victim} was ended by SIGKILL." in err
    assert weights(out) == undisturbed


def test_status_sees_what_runs(home: Path) -> None:
    out = home / "seen"
    command = (*RUN, "--seeds", "0,1", "--jobs", "2", "--out", "seen")
    process = begin(home, *command, TOY_STEP_S="0.3")
    until(lambda: len(list(claimed(out))) == 2)
    workers = set(claimed(out))
    time.sleep(2.2)
    _, values, _ = ended(begin(home, "status", "seen", "--json"))
    assert values["counts"] == {"done": 0, "running": 2, "claimed": 0, "failed": 0, "waiting": 2}
    running = [cell for cell in values["cells"] if cell["state"] == "running"]
    assert {cell["claim"]["pid"] for cell in running} == workers
    assert all(0 < cell["iteration"] < STEPS == cell["iterations"] for cell in running)
    assert all(cell["eta_s"] > 0 and cell["claim"]["age_s"] < 10 for cell in running)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 130
    _, values, _ = ended(begin(home, "status", "seen", "--json"))
    assert values["counts"]["waiting"] == 4
