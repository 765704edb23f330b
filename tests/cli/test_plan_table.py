"""The plan of a grid as people read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cli.plan_table import plan_table
from segbench.console import Console
from segbench.launch.plan import Planned
from tests.launch.test_plan import cell


def shown(plan: list[Planned], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    Console().result(None, plan_table(plan))
    return capsys.readouterr().out.splitlines()


def planned(root: Path, memory_mib: float | None) -> list[Planned]:
    done = Planned(cell(root, 0), "done", "0d5f53138d3d", None, None, seconds=0.0)
    return [done, Planned(cell(root, 1), "new", None, None, None, seconds=90.0, memory_mib=memory_mib)]


def test_time_and_memory_of_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(planned(tmp_path, 420.4), capsys, monkeypatch)
    assert lines[1].split() == ["run", "seed", "cell", "state", "record", "time", "memory"]
    assert lines[3].split() == ["segnet-basic.default", "0", "000000000000", "done", "0d5f53138d3d"]
    assert lines[4].split() == ["segnet-basic.default", "1", "000000000001", "new", "90", "s", "420", "MiB"]
    assert "Memory of a training step, by the newest profile of the network." in lines
    assert max(map(len, lines[:5])) <= 80


def test_memory_is_left_out_where_no_profile_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(planned(tmp_path, None), capsys, monkeypatch)
    assert lines[1].split() == ["run", "seed", "cell", "state", "record", "time"]
    assert not any(line.startswith("Memory") for line in lines)
