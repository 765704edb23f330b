"""Command lines run in this process, in an empty folder with a home of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from segbench.cli import main
from segbench.registry import DATASETS
from tests.data import toy

RECIPE = """
version = 1
model = "{model}"
variant = "tiny"
dataset = "toy"
dataset_variant = "small"

[train]
iterations = 4
batch_size = 2
lr = 0.01
validate_every = 2
select = "last"
precision = "fp32"
convolution = "direct"
"""
MODEL = "bilinear-interpolation"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Segbench = Callable[..., Ended]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``SEGBENCH_HOME``; the working folder is empty, too."""
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("SEGBENCH_DEBUG", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.fixture
def segbench(home: Path, capsys: pytest.CaptureFixture[str]) -> Segbench:
    """Runs a command line and returns its exit code and what it printed."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    return run


@pytest.fixture
def toy_dataset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers ``toy``, five images of noise."""
    monkeypatch.setitem(DATASETS._specs, "toy", toy.SPEC)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes ``segbench cache list`` raise something."""

    def breaking(error: BaseException) -> None:
        def list_caches() -> Any:
            raise error

        monkeypatch.setattr("segbench.data.raw_cache.list_caches", list_caches)

    return breaking


@pytest.fixture
def prepared(segbench: Segbench, toy_dataset: None) -> Path:
    """A prepared toy dataset whose images a network accepts, and a recipe; returns the recipe's folder."""
    assert segbench("prepare", "toy", "--size", "32x48", "--quiet").code == 0
    folder = Path("recipes/toy")
    folder.mkdir(parents=True)
    for model in (MODEL, "fcn-basic"):
        (folder / f"{model}.tiny.toml").write_text(RECIPE.format(model=model))
    return Path("recipes").absolute()


@pytest.fixture
def command(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A run of two models whose recipes are found as the shipped ones are."""
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: prepared)
    return ("run", MODEL, "fcn-basic", "--dataset", "toy", "--recipe", "tiny")
