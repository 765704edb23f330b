"""The shortest form of the main job, as a process of its own: data on stdout, the rest on stderr, and twice is once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.real_process import run_segbench

COMMAND = ("run", "bilinear-interpolation", "--dataset", "synthetic-roads", "--set", "train.iterations=6", "--json")


def run(folder: Path) -> tuple[Any, str]:
    """What the command printed on stdout, parsed, and on stderr."""
    out, err = run_segbench(folder, *COMMAND)
    return json.loads(out), err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_leaves_record_board_and_pictures_and_is_not_run_again(tmp_path: Path) -> None:
    values, err = run(tmp_path)
    (first,) = values["runs"]
    assert first["fresh"]
    assert first["record"]["scores"]["num_images"] == 80
    assert "epoch 1, loss " in err and "━" not in err
    made = [first["path"], *first["pictures"], *values["boards"]]
    assert [Path(path).suffix for path in made] == [".json", ".png", ".md", ".csv"]
    assert all(Path(path).is_relative_to(tmp_path) and Path(path).stat().st_size > 300 for path in made)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}

    again, err = run(tmp_path)
    assert again["runs"] == [{**first, "fresh": False}]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files
    assert "epoch" not in err
