"""A home of its own for every test of the data, and the toy dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from segbench.registry import DATASETS
from tests.data import toy
from tests.data.notes import Notes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``SEGBENCH_HOME``."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SEGBENCH_HOME", str(folder))
    return folder


@pytest.fixture
def toy_dataset(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[toy.ToySource]]:
    """Registers ``toy``; what is put into the list is opened in place of the ordinary samples."""
    monkeypatch.setitem(DATASETS._specs, "toy", toy.SPEC)
    yield toy.replacement
    toy.replacement.clear()


@pytest.fixture
def notes() -> Notes:
    return Notes()
