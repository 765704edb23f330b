from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segbench.errors import DataError, RecordError
from segbench.leaderboard import store
from segbench.metrics import Tallies
from tests.leaderboard import examples
from tests.leaderboard.examples import CURVE, PALETTE, RECIPE, LabelMap, Run


def save(root: Path, run: Run) -> Path:
    return store.save_result(root, run.record, run.scorer.tallies, run.predictions.items(), PALETTE)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_result_is_three_files_that_read_back(tmp_path: Path) -> None:
    run = examples.run()
    path = save(tmp_path, run)
    stem = f"records/toy/segnet-basic/{run.record.run_id}"
    assert sorted(contents(tmp_path)) == [f"{stem}.json", f"{stem}.predictions.zip", f"{stem}.tallies.parquet"]
    assert path == tmp_path / f"{stem}.json"
    assert store.load_records(tmp_path) == [run.record]
    files = store.result_files(tmp_path, run.record)
    assert Tallies.from_parquet(files.tallies).image_ids == list(run.labels)
    for image_id, prediction in store.read_predictions(files.predictions):
        np.testing.assert_array_equal(prediction, run.predictions[image_id])


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    save(tmp_path / "a", examples.run())
    save(tmp_path / "b", examples.run())
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_file_of_predictions_is_moved_into_place(tmp_path: Path) -> None:
    run, root, spool = examples.run(), tmp_path / "boards", tmp_path / "run" / "maps.zip"
    with store.PredictionsWriter(spool, PALETTE) as writer:
        for image_id, prediction in run.predictions.items():
            writer.add(image_id, prediction)
    store.save_result(root, run.record, run.scorer.tallies, spool)
    assert not spool.exists()
    save(tmp_path / "other", run)
    assert contents(root) == contents(tmp_path / "other")


def test_saving_twice_changes_nothing(tmp_path: Path) -> None:
    run = examples.run()
    path = save(tmp_path, run)
    before = {file: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    assert save(tmp_path, run) == path
    assert {file: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before


def test_saving_again_restores_a_lost_part(tmp_path: Path) -> None:
    run = examples.run()
    save(tmp_path, run)
    before = contents(tmp_path)
    store.result_files(tmp_path, run.record).tallies.unlink()
    save(tmp_path, run)
    assert contents(tmp_path) == before


def test_other_scores_under_the_same_id_are_refused(tmp_path: Path) -> None:
    run = examples.run()
    save(tmp_path, run)
    before = contents(tmp_path)
    other = examples.run(wrong=0.4, run_id=run.record.run_id)
    with pytest.raises(RecordError, match=rf"{run.record.run_id}\.json holds other scores"):
        save(tmp_path, other)
    assert contents(tmp_path) == before


def test_tallies_of_another_run_are_refused(tmp_path: Path) -> None:
    run, other = examples.run(), examples.run(seed=1)
    with pytest.raises(RecordError, match="do not give the scores of its record"):
        save(tmp_path, replace(run, scorer=other.scorer))
    assert contents(tmp_path) == {}


def test_predictions_of_other_images_are_refused(tmp_path: Path) -> None:
    run = examples.run()
    fewer = dict(list(run.predictions.items())[1:])
    with pytest.raises(RecordError, match="3 images, the tallies have 4; only one has image-0"):
        save(tmp_path, replace(run, predictions=fewer))
    assert contents(tmp_path) == {}


def test_a_run_shorter_than_its_recipe_is_refused(tmp_path: Path) -> None:
    short = CURVE.model_copy(update={"epoch": [1, 1]})
    with pytest.raises(RecordError, match="has 1 of the 2 epochs of its recipe"):
        save(tmp_path, examples.run(curve=short))
    train = RECIPE.train.model_copy(update={"epochs": None, "iterations": 5})
    with pytest.raises(RecordError, match="has 4 of the 5 iterations of its recipe"):
        save(tmp_path, examples.run(recipe=RECIPE.model_copy(update={"train": train})))
    assert contents(tmp_path) == {}


def test_the_record_is_written_last(tmp_path: Path) -> None:
    run = examples.run()

    def breaking() -> Iterator[tuple[str, LabelMap]]:
        yield from list(run.predictions.items())[:2]
        raise DataError("the disk is gone")

    with pytest.raises(DataError, match="the disk is gone"):
        store.save_result(tmp_path, run.record, run.scorer.tallies, breaking())
    assert contents(tmp_path) == {}
    assert store.find_record(tmp_path, run.record.cell_id) is None


def test_what_a_killed_save_left_does_not_hinder_the_next(tmp_path: Path) -> None:
    run = examples.run()
    files = store.result_files(tmp_path, run.record)
    run.scorer.tallies.to_parquet(files.tallies)
    assert store.load_records(tmp_path) == []
    assert list(store.orphans(tmp_path)) == [files.tallies]
    save(tmp_path, run)
    assert store.load_records(tmp_path) == [run.record]
    assert list(store.orphans(tmp_path)) == []


def test_records_of_one_dataset(tmp_path: Path) -> None:
    toy, other = examples.run(), examples.run(recipe=RECIPE.model_copy(update={"dataset": "other"}))
    save(tmp_path, toy)
    save(tmp_path, other)
    assert store.load_records(tmp_path, "other") == [other.record]
    assert store.load_records(tmp_path, "third") == []
    assert len(store.load_records(tmp_path)) == 2
    assert store.load_records(tmp_path / "nowhere") == []


def test_a_cell_is_found_by_its_first_run(tmp_path: Path) -> None:
    early = examples.run(weights="01" * 32, created="2026-01-01T00:00:00+00:00")
    late = examples.run(weights="02" * 32)
    save(tmp_path, late)
    save(tmp_path, early)
    assert early.record.cell_id == late.record.cell_id
    assert store.find_record(tmp_path, early.record.cell_id) == early.record
    assert store.find_record(tmp_path, early.record.cell_id, "02" * 32) == late.record
    assert store.find_record(tmp_path, early.record.cell_id, "03" * 32) is None
    assert store.find_record(tmp_path, "0" * 12) is None


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, examples.run())
    path.write_text(path.read_text(encoding="utf-8").replace('"seed": 0', '"seed": "none"'), encoding="utf-8")
    with pytest.raises(RecordError, match=rf"{path.name} is not valid at seed"):
        store.load_records(tmp_path)


@pytest.mark.parametrize("part", ["tallies", "predictions"])
def test_a_record_without_its_parts_is_named(tmp_path: Path, part: str) -> None:
    run = examples.run()
    path = save(tmp_path, run)
    getattr(store.result_files(tmp_path, run.record), part).unlink()
    with pytest.raises(RecordError, match=rf"{path.name} lacks {run.record.run_id}\.{part}\."):
        store.load_records(tmp_path)


def test_a_record_in_the_wrong_place_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, examples.run())
    path.parent.rename(path.parent.with_name("fcn-basic"))
    with pytest.raises(RecordError, match=r"which belongs at .*segnet-basic"):
        store.load_records(tmp_path)


@pytest.mark.parametrize(
    ("model", "folder"),
    [("segnet-basic", "segnet-basic"), ("hf:org/name", "hf-org-name"), ("../my nets/a.py:make", "my-nets-a.py-make")],
)
def test_a_model_from_elsewhere_has_a_folder_of_its_own(model: str, folder: str) -> None:
    record = examples.named(0.5, model=model)
    assert str(store.result_name(record)) == f"records/toy/{folder}/{record.run_id}"
