"""Boundary F1 by tolerance from a run's files: equal to a sweep over the same maps, and computed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.leaderboard import store, tolerance_curve
from segbench.leaderboard.truths import Truth
from segbench.metrics import ToleranceSweep
from segbench.progress import SILENT
from tests.leaderboard.examples import CLASSES, LabelMap, Run, run
from tests.leaderboard.pages import saved


def curve(root: Path, one: Run, truth: Truth) -> list[tuple[int, float]] | None:
    predictions = store.result_files(root, one.record).predictions
    return tolerance_curve.tolerance_curve(one.record, predictions, truth, SILENT)


def refused(name: str) -> LabelMap:
    raise AssertionError(f"{name} was read again")


def test_a_curve_is_that_of_a_sweep_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path / "home"))
    one = run()
    saved(tmp_path, [one])
    sweep = ToleranceSweep(CLASSES, [f"{radius}px" for radius in tolerance_curve.PIXELS])
    for name, label in one.labels.items():
        sweep.update(name, label, one.predictions[name])
    wanted = list(zip(tolerance_curve.PIXELS, sweep.boundary_f1(), strict=True))
    found = curve(tmp_path, one, Truth(one.labels.__getitem__))
    assert found == wanted
    assert [value for _, value in wanted] == sorted(value or 0 for _, value in wanted)
    assert curve(tmp_path, one, Truth(refused)) == wanted


def test_of_many_images_some_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tolerance_curve, "MOST_IMAGES", 2)
    one = run()
    saved(tmp_path, [one])
    seen = set()

    def label(name: str) -> LabelMap:
        seen.add(name)
        return one.labels[name]

    assert curve(tmp_path, one, Truth(label)) is not None
    assert seen == {"image-0", "image-2"}


def test_a_damaged_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path / "home"))
    one = run()
    saved(tmp_path, [one])
    found = curve(tmp_path, one, Truth(one.labels.__getitem__))
    (kept,) = (tmp_path / "home" / "cache" / "tolerance-curves").iterdir()
    kept.write_text("[1, 2", encoding="utf-8")
    assert curve(tmp_path, one, Truth(one.labels.__getitem__)) == found
