"""Every end of a command has its exit code, and every error is one line that says what to do."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.errors import DataError, NonFiniteLossError, SegbenchError
from tests.cli.conftest import Segbench

Breaking = Callable[[BaseException], None]
CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("No image.", "Run: segbench prepare x"), 2, "Error: No image. Run: segbench prepare x"),
        (NonFiniteLossError("The loss is nan."), 1, "Error: The loss is nan."),
        (SegbenchError("One\nline."), 1, "Error: One line."),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            1,
            "Error: /x/y cannot be written or read: No space left on device.",
        ),
        (
            KeyError("weights"),
            1,
            "Error: KeyError: 'weights' – this is a bug in segbench. "
            "Please report it with the traceback that SEGBENCH_DEBUG=1 shows.",
        ),
        (
            AssertionError(),
            1,
            "Error: AssertionError – this is a bug in segbench. "
            "Please report it with the traceback that SEGBENCH_DEBUG=1 shows.",
        ),
        (KeyboardInterrupt(), 130, "Error: interrupted. The same command goes on where it stopped."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_an_exit_code(
    segbench: Segbench, broken: Breaking, error: BaseException, code: int, line: str
) -> None:
    broken(error)
    assert segbench("cache", "list", "--quiet", "--json") == (code, "", f"{line}\n")


def test_the_traceback_shows_where_it_is_asked_for(
    segbench: Segbench, broken: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(DataError("No image."))
    monkeypatch.setenv("SEGBENCH_DEBUG", "1")
    code, _, err = segbench("cache", "list")
    assert code == 2
    assert err.startswith("Traceback (most recent call last)")
    assert err.endswith("Error: No image.\n")
    monkeypatch.setenv("SEGBENCH_DEBUG", "0")
    assert segbench("cache", "list").err == "Error: No image.\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rn"], "No such command 'rn'. Did you mean 'run'? See 'segbench --help'."),
        (["cache"], "Missing command. See 'segbench cache --help'."),
        (["run"], "Missing argument 'MODEL'. See 'segbench run --help'."),
        (["run", "fcn-basic"], "Missing option '--dataset'. See 'segbench run --help'."),
        (
            ["run", "fcn-basi", "--dataset", "camvid"],
            "Unknown model 'fcn-basi'. Did you mean fcn-basic or fcn-8s or fcn-32s?",
        ),
        (["run", "fcn-basic", "--dataset", "camvi"], "Unknown dataset 'camvi'. Did you mean camvid?"),
        (
            ["run", "fcn-basic", "--dataset", "camvid"],
            "camvid 360x480-11 is not prepared. Run: segbench prepare camvid",
        ),
        (
            ["run", "fcn-basic", "--dataset", "camvid", "--recipe", "papr"],
            "No recipe 'papr' for fcn-basic on camvid. There is default, modern, paper.",
        ),
        (
            ["run", "fcn-basic", "--dataset", "camvid", "--set", "train.lr"],
            "--set 'train.lr' is not key=value. Example: --set train.lr=0.01",
        ),
        (
            ["run", "fcn-basic", "--dataset", "camvid", "--set", "train.l=1"],
            "Recipe with --set: unknown key 'train.l'. Did you mean lr?.",
        ),
        (
            ["run", "fcn-basic", "--dataset", "camvid", "--set", "model=segnet-basic"],
            "--set changes neither the model nor the dataset. Name them as MODEL and --dataset.",
        ),
        (
            ["run", "fcn-basic", "--dataset", "camvid", "--seeds", "0;1"],
            "--seeds '0;1' is not a list of whole numbers. Example: --seeds 0,1,2",
        ),
        (
            ["prepare", "camvid", "--variant", "360x480"],
            "Unknown variant '360x480' of camvid. Did you mean 360x480-11?",
        ),
        (["prepare", "camvid", "x.zip"], "'x.zip' is one dataset too many. Sources come after --from."),
        (
            ["prepare", "synthetic-roads", "--size", "96"],
            "--size '96' is not HEIGHTxWIDTH. Example: --size 360x480",
        ),
        (["list", "model"], "Nothing is listed as 'model'. Did you mean models?"),
        (
            ["cache", "clear", "--variant", "x"],
            "--variant x needs a dataset. Example: segbench cache clear camvid --variant x",
        ),
        (
            ["predict", "--weights", "w", "-o", "maps"],
            "Give either pictures or --dataset. Example: segbench predict street.jpg --weights RUN -o maps",
        ),
        (
            ["score", "maps"],
            "Give either --dataset or --labels. Example: segbench score maps --labels truth --num-classes 11",
        ),
        (
            ["score", "maps", "--labels", "truth"],
            "--num-classes comes with --labels; a prepared dataset knows its classes.",
        ),
        (["leaderboard", "--format", "xls"], "Unknown format 'xls'. Known: md, csv, html."),
        (
            ["leaderboard", "--check", "--dataset", "camvid"],
            "--check compares every file; --dataset does not go with it. Run: segbench leaderboard --check",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line_that_says_what_to_do(segbench: Segbench, arguments: list[str], line: str) -> None:
    assert segbench(*arguments) == (2, "", f"Error: {line}\n")
    assert list(Path.cwd().iterdir()) == []


def segbench_process(*arguments: str, **options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "segbench", *arguments],
        cwd=CHECKOUT,
        env=os.environ | options,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_reader_that_leaves_is_no_error() -> None:
    process = segbench_process("list", "--json")
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1


def test_ctrl_c_ends_with_one_line(tmp_path: Path) -> None:
    process = segbench_process("prepare", "synthetic-roads", "--variant", "360x480-11", SEGBENCH_HOME=str(tmp_path))
    until = time.monotonic() + 60
    while not list(tmp_path.rglob("*.partial")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Error: interrupted. The same command goes on where it stopped."
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("manifest.json"))
