"""Help that is quick, complete and shows how."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import segbench as package
from segbench.cli import app
from tests.cli.conftest import Segbench

CHECKOUT = Path(__file__).parents[2]
HEAVY = ("torch", "datasets", "pyarrow", "pandas", "scipy", "skimage", "matplotlib", "rich")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below ``group``."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))
VERBS = [path for path, command in COMMANDS.items() if not hasattr(command, "commands")]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example(segbench: Segbench, path: tuple[str, ...]) -> None:
    code, out, err = segbench(*path, "--help")
    assert (code, err) == (0, "")
    example = out.rstrip().rpartition("\n\n")[2].strip()
    assert example.startswith("Example: segbench " + " ".join(path))
    assert max(map(len, out.splitlines())) <= 80
    assert segbench(*path, "-h").out == out


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_command_has_json_and_quiet(path: tuple[str, ...]) -> None:
    options = {name for parameter in COMMANDS[path].params for name in parameter.opts}
    assert {"--json", "--quiet"} <= options


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    assert [parameter.name for parameter in COMMANDS[path].params if not getattr(parameter, "help", "x")] == []


def test_nothing_asked_is_wrong_use_with_help(segbench: Segbench) -> None:
    code, out, err = segbench()
    assert (code, out) == (2, "")
    assert err == segbench("--help").out


def test_the_version(segbench: Segbench) -> None:
    assert segbench("--version") == (0, f"segbench {package.__version__}\n", "")


def test_the_module_runs_as_the_command_does() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "segbench", "--version"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == (f"segbench {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["run", "--help"], set()),
        (["--version"], set()),
        (["list", "models"], {"rich"}),
        (["list", "recipes"], {"rich"}),
        (["list", "datasets", "--json"], set()),
        (["leaderboard", "--check", "--out", "nowhere"], {"pyarrow"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_cheap_commands_import_little(arguments: list[str], allowed: set[str]) -> None:
    code = "import sys; from segbench.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert {*run.stderr.split()} & {*HEAVY} <= allowed


def test_names_complete() -> None:
    from segbench.cli.options import complete_dataset, complete_model

    assert complete_dataset("synth") == ["synthetic-roads"]
    assert complete_model("fcn-basic-no-a") == ["fcn-basic-no-addition", "fcn-basic-no-addition-no-dim-reduction"]
