"""``segbench status``: what files say of the runs of a folder."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from segbench.console import Column, Console, Table
from segbench.launch.cell_files import CLAIM_FILE, Done, Facts, Failure, Position, write
from segbench.launch.claims import acquire
from tests.cli.conftest import Segbench
from tests.launch.test_claims import put


def planned(seed: int) -> Path:
    folder = Path(f"runs/toy/fcn-basic.tiny-s{seed}")
    write(folder, Facts(f"{seed:012x}", "fcn-basic", "tiny", "toy", "small", seed, 40))
    return folder


@pytest.fixture
def grid(home: Path) -> None:
    """A cell in each state."""
    Path("record").touch()
    write(planned(0), Done("1" * 12, "record", []))
    running, here = planned(1), Position("Training", 10, 40, "steps", 10, 12.5, 2.0)
    acquire(running / CLAIM_FILE)
    write(running, here)
    acquire(planned(2) / CLAIM_FILE)
    write(planned(3), Failure("OSError: the disk is gone.", 3, "2026-01-01T00:00:00+00:00", "failure.log"))
    dead = planned(4)
    put(dead / CLAIM_FILE)
    write(dead, here)
    away = planned(5)
    put(away / CLAIM_FILE, where="f" * 16, age=30)
    write(away, Position("Evaluating", 4, 80, "images", 40, 12.5, 2.0))
    planned(6)


@pytest.mark.usefixtures("grid")
def test_every_state_is_told_apart(segbench: Segbench) -> None:
    code, out, err = segbench("status", "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert values["counts"] == {"done": 1, "running": 2, "claimed": 1, "failed": 1, "waiting": 2}
    cells: list[dict[str, Any]] = values["cells"]
    assert [cell["state"] for cell in cells] == [
        "done",
        "running",
        "claimed",
        "failed",
        "waiting",
        "running",
        "waiting",
    ]
    assert [cell["iteration"] for cell in cells] == [40, 10, 0, 3, 10, 40, 0]
    assert [cell["eta_s"] for cell in cells] == [None, 15.0, None, None, None, None, None]
    assert [cell["images_per_s"] for cell in cells] == [None, 12.5, None, None, None, 12.5, None]
    assert (cells[1]["claim"]["pid"], cells[1]["claim"]["here"], cells[1]["claim"]["alive"]) == (
        os.getpid(),
        True,
        True,
    )
    assert (cells[4]["claim"]["alive"], cells[5]["claim"]["here"]) == (False, False)
    assert 29 < cells[5]["claim"]["age_s"] < 60
    assert cells[3]["failure"]["log"] == "runs/toy/fcn-basic.tiny-s3/failure.log"


@pytest.mark.usefixtures("grid")
def test_the_table_names_owner_speed_and_reason(segbench: Segbench) -> None:
    out = segbench("status").out
    lines = out.splitlines()
    assert lines[0] == "1 done, 2 running, 1 claimed, 1 failed, 2 waiting"
    assert max(map(len, lines)) <= 80
    running = next(line for line in lines if "10/40" in line)
    assert running.split()[:7] == ["fcn-basic.tiny", "1", "running", "10/40", "12.5", "15", "s"]
    assert f"{os.getpid()}" in running
    assert "evaluating  40/40" in out and "elsewhere" in out
    assert "OSError: the disk is gone." in out and "--retry-failed" in out


@pytest.mark.usefixtures("grid")
def test_silence_makes_a_claim_of_another_machine_worthless(segbench: Segbench) -> None:
    path = Path("runs/toy/fcn-basic.tiny-s5/claim.json")
    os.utime(path, (time.time() - 1000,) * 2)
    assert json.loads(segbench("status", ".", "--json").out)["counts"]["waiting"] == 3


def test_on_a_terminal_the_table_is_drawn_while_something_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, left = Terminal(), iter([True, True, False])
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    drawn = iter(["7/40", "8/40"])
    Console().follow(lambda: Table([Column("steps")], [[next(drawn)]], "2 running"), lambda: next(left), every_s=0)
    assert "7/40" in terminal.getvalue() and "8/40" in terminal.getvalue()
    Console(json=True).follow(lambda: pytest.fail("drawn"), lambda: True)


def test_a_folder_without_runs_is_wrong_use(segbench: Segbench) -> None:
    assert segbench("status", "nowhere") == (
        2,
        "",
        "Error: There are no runs below nowhere/runs. Plan some: segbench run MODEL --dataset D\n",
    )


def test_nothing_heavy_is_loaded(segbench: Segbench, grid: None) -> None:
    import subprocess
    import sys

    code = "import sys; from segbench.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code, "status", "--json"], capture_output=True, text=True, check=True)
    assert not {"torch", "datasets", "pyarrow", "pandas", "scipy", "skimage"} & {*run.stderr.split()}
