"""The wheel holds all it needs and runs from an environment that has never seen the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import segbench

CHECKOUT = Path(__file__).parents[1]
SITE_PACKAGES = "import sysconfig; print(sysconfig.get_path('purelib'))"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a release would have it: built from the checkout by way of the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripts of a clean environment with the wheel; it borrows the dependencies, not the package."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, capture_output=True, check=True)
    packages = subprocess.run([python, "-c", SITE_PACKAGES], capture_output=True, text=True, check=True).stdout.strip()
    # A path in a .pth file is searched after the environment's own packages, and its .pth files are not read.
    (Path(packages) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def run(scripts: Path, *command: str) -> str:
    """Output of a command of the clean environment, run outside the checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [scripts / command[0], *command[1:]], capture_output=True, text=True, check=False, cwd=scripts, env=clean
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_wheel_holds_recipes_types_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    recipes = {path.relative_to(CHECKOUT / "recipes").as_posix() for path in (CHECKOUT / "recipes").rglob("*.toml")}
    assert {f"segbench/_recipes/{recipe}" for recipe in recipes} <= names
    assert "segbench/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "segbench").rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("segbench/_recipes/")} == {
        name for name in files if "__pycache__" not in name
    }


def test_the_package_runs_outside_the_checkout(scripts: Path) -> None:
    where = run(scripts, "python", "-c", "import segbench; print(segbench.__file__)")
    assert Path(where.strip()).is_relative_to(scripts.parent)
    assert segbench.__version__ in run(scripts, "segbench", "--version")
    assert segbench.__version__ in run(scripts, "python", "-m", "segbench", "--version")


def test_the_wheel_lists_its_recipes(scripts: Path) -> None:
    listed = json.dumps(json.loads(run(scripts, "segbench", "list", "recipes", "--json")))
    for recipe in (CHECKOUT / "recipes" / "camvid").glob("*.toml"):
        assert recipe.stem in listed
