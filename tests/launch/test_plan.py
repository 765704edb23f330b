"""What a plan knows: records, failures, claims, time, memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from segbench.launch import plan
from segbench.launch.cell_files import CLAIM_FILE, Done, Facts, Failure, read, write
from segbench.launch.claims import acquire
from segbench.launch.plan import announce, estimate, plan_cells
from segbench.progress import SILENT
from segbench.recipe import Recipe
from tests.launch.test_claims import put
from tests.leaderboard import examples


@dataclass(frozen=True)
class FakeCell:
    """What the plan reads of a cell."""

    cell_id: str
    folder: Path
    recipe: Recipe
    seed: int
    prepared: Any


def cell(root: Path, number: int = 0, recipe: Recipe = examples.RECIPE) -> Any:
    prepared = SimpleNamespace(manifest=SimpleNamespace(counts={"train": 5}, num_classes=3, size=(30, 41)))
    return FakeCell(f"{number:012x}", root / "runs" / "toy" / f"cell-{number}", recipe, number, prepared)


FAILURE = Failure("no memory", 3, "2026-01-01T00:00:00+00:00", "failure.log")


def test_states(tmp_path: Path) -> None:
    cells = [cell(tmp_path, number) for number in range(6)]
    (tmp_path / "record").touch()
    write(cells[1].folder, Done("1" * 12, "record", []))
    write(cells[2].folder, FAILURE)
    acquire(cells[3].folder / CLAIM_FILE)
    put(cells[4].folder / CLAIM_FILE)
    (cells[4].folder / "state.safetensors").touch()
    write(cells[5].folder, Done("1" * 12, "no record", []))
    found = plan_cells(cells, tmp_path)
    assert [one.state for one in found] == ["new", "done", "failed", "claimed", "partly", "new"]
    assert [one.failure for one in found] == [None, None, FAILURE, None, None, None]
    assert [one.claim is not None for one in found] == [False, False, False, True, False, False]
    assert [one.seconds for one in found] == [None, 0.0, None, None, None, None]


def test_a_run_that_is_older_than_the_mark_is_done_by_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    one, other = cell(tmp_path, 0), cell(tmp_path, 1)
    for number, each in enumerate((one, other)):
        each.folder.mkdir(parents=True)
        (each.folder / "weights.safetensors").write_bytes(b"%d" % number)
    hashed = hashlib.sha256(b"0").hexdigest()
    records = [
        examples.named(0.4).model_copy(update={"cell_id": each.cell_id, "weights_sha256": hashed})
        for each in (one, other)
    ]
    monkeypatch.setattr("segbench.leaderboard.store.load_records", lambda root: records)
    found = plan_cells([one, other], tmp_path)
    assert [each.state for each in found] == ["done", "new"]  # the other's record was made elsewhere
    assert [each.record for each in found] == [record.run_id for record in records]


def test_cells_of_one_recipe_are_timed_once_unless_they_are_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[int] = []

    def seconds(one: Any, device: str, progress: Any) -> float:
        timed.append(one.seed)
        return 10.0 + float(one.seed)

    monkeypatch.setattr(plan, "_seconds", seconds)
    cells = [cell(tmp_path, number) for number in range(4)]
    cells[2].folder.mkdir(parents=True)
    (cells[2].folder / "state.safetensors").touch()
    (tmp_path / "record").touch()
    write(cells[3].folder, Done("1" * 12, "record", []))
    found = estimate(plan_cells(cells, tmp_path), "cpu", SILENT)
    assert [one.seconds for one in found] == [10.0, 10.0, 12.0, 0.0]
    assert timed == [0, 2]


def test_memory_is_that_of_the_newest_profile_of_the_same_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def profile(created: str, mib: float, **other: Any) -> Any:
        usual = {"model": "segnet-basic", "size": (16, 24), "batch": 2, "num_classes": 3, "config": {}}
        measured = SimpleNamespace(training_memory_mib=mib)
        return SimpleNamespace(**(usual | other), created=created, profile_id=created, profile=measured)

    profiles = [
        profile("2026-03", 300.0),
        profile("2026-01", 100.0),
        profile("2026-04", 400.0, batch=1),
        profile("2026-05", 500.0, config={"width": 8}),
    ]
    monkeypatch.setattr("segbench.leaderboard.profiles.filed_profiles", lambda root: profiles)
    larger = examples.RECIPE.model_copy(update={"input_size": None})
    found = plan_cells([cell(tmp_path, 0), cell(tmp_path, 1, larger)], tmp_path)
    assert [one.memory_mib for one in found] == [300.0, None]


def test_a_cell_says_what_it_is_before_anybody_begins_it(tmp_path: Path) -> None:
    one = cell(tmp_path, 7)
    announce([one])
    facts = read(one.folder, Facts)
    # 2 epochs of 5 images by 2
    assert facts == Facts("000000000007", "segnet-basic", "default", "toy", "small", 7, 6)
