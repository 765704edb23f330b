"""Imports point down only, never in a circle, and what a cheap command loads stays cheap."""

from __future__ import annotations

import subprocess
import sys
import time
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.source import PACKAGE, import_strings, imports, modules

# From the bottom up; a part may import what stands below it.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"specs", "progress", "processors", "durations", "atomic", "file_sha256", "homes"}),
    frozenset({"registry"}),
    frozenset({"recipe", "manifest", "overlay"}),
    frozenset({"record", "suite"}),
    frozenset({"metrics"}),
    frozenset({"data", "models", "leaderboard", "hub"}),
    frozenset({"engine"}),
    frozenset({"launch"}),
    frozenset({"cli", "console"}),
    frozenset({"testing"}),
)
STRANGERS = frozenset({"data", "models", "leaderboard", "hub"})
TORCH_FREE = frozenset().union(*LAYERS[:6], {"leaderboard", "cli", "console"})
DOORS = frozenset({"segbench", "segbench.__main__"})

# Starting a command must not pay for these.
HEAVY = ("torch", "datasets", "pyarrow", "pandas", "scipy", "skimage", "matplotlib")
COMMAND = "import sys; from segbench.cli import main; sys.argv[0] = 'segbench'; main()"


def part(module: str) -> str:
    """The layer's member that ``module`` belongs to: ``segbench.data.archive`` is of ``data``."""
    return module.split(".")[1]


def height(module: str) -> int:
    """The layer ``module`` stands in, 0 at the bottom."""
    return next(height for height, layer in enumerate(LAYERS) if part(module) in layer)


def inside() -> list[str]:
    """All modules but the two doors, which hold no code of their own."""
    return [module for module in modules() if module not in DOORS]


def own_imports(module: str) -> set[str]:
    """Imports of ``module`` within the package, the doors left out."""
    return {name for name in imports(module) if name.startswith("segbench.")}


def test_every_module_has_a_layer() -> None:
    known = frozenset().union(*LAYERS)
    assert {module for module in inside() if part(module) not in known} == set()


def test_imports_point_down_only() -> None:
    up = {(module, name) for module in inside() for name in own_imports(module) if height(name) > height(module)}
    assert up == set()


def test_data_models_leaderboard_and_hub_do_not_know_each_other() -> None:
    met = {
        (module, name)
        for module in inside()
        for name in own_imports(module)
        if part(module) in STRANGERS and part(name) in STRANGERS and part(module) != part(name)
    }
    assert met == set()


def test_the_console_does_not_know_the_commands() -> None:
    console = [module for module in inside() if part(module) == "console"]
    assert {name for module in console for name in own_imports(module) if part(name) == "cli"} == set()


def test_what_tests_share_is_imported_by_tests_alone() -> None:
    users = {
        module
        for module in inside()
        for name in own_imports(module)
        if part(name) == "testing" and part(module) != "testing"
    }
    assert users == set()


def test_no_import_goes_in_a_circle() -> None:
    graph = {module: own_imports(module) - {module} for module in inside()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_import_strings_point_down_too() -> None:
    up = {
        (module, target)
        for module in inside()
        for target, _ in import_strings(module)
        if height(target) > height(module)
    }
    assert up == set()


def test_the_package_itself_is_imported_for_its_version_alone() -> None:
    doors = {(module, name) for module in inside() for name in imports(module) if name.partition(":")[0] in DOORS}
    assert {(module, name) for module, name in doors if name != "segbench:__version__"} == set()


def test_nothing_below_the_engine_but_data_and_models_imports_torch() -> None:
    guilty = {
        module
        for module in inside()
        if part(module) in TORCH_FREE and any(name.split(".")[0] == "torch" for name in imports(module))
    }
    assert guilty == set()


def loaded_by(code: str, *arguments: str) -> set[str]:
    """The heavy packages that are loaded after ``code`` has run in a fresh interpreter."""
    report = f"lambda: sys.stderr.write('\\n' + ' '.join({set(HEAVY)} & {{*sys.modules}}))"
    command = [sys.executable, "-c", f"import atexit, sys; atexit.register({report})\n{code}", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr[-2000:]
    return set(run.stderr.rpartition("\n")[2].split())


def test_what_is_loaded_is_seen() -> None:
    assert loaded_by("import scipy") == {"scipy"}


def test_importing_segbench_loads_nothing_heavy() -> None:
    assert loaded_by("import segbench") == set()


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("list", "models"), ("list", "datasets"), ("run", "--help")]
)
def test_cheap_commands_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded_by(COMMAND, *arguments) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "recipes"),
        ("score", "--help"),
        ("leaderboard", "--help"),
        ("leaderboard", "--check"),
        ("compare", "--help"),
    ],
)
def test_commands_without_a_network_load_no_torch(arguments: tuple[str, ...]) -> None:
    assert "torch" not in loaded_by(COMMAND, *arguments)


@pytest.mark.slow
def test_help_takes_less_than_half_a_second() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.5
