from __future__ import annotations

from pathlib import Path

import pytest

from segbench.errors import RecordError, UnknownNameError, UsageError
from segbench.leaderboard import store
from segbench.leaderboard.lookup import find_run
from tests.leaderboard import examples


@pytest.fixture
def saved(tmp_path: Path) -> list[examples.Run]:
    runs = [examples.run(seed=seed) for seed in (0, 1)]
    for run in runs:
        store.save_result(tmp_path, run.record, run.scorer.tallies, run.predictions.items(), examples.PALETTE)
    return runs


def test_a_run_by_its_id_and_by_its_beginning(tmp_path: Path, saved: list[examples.Run]) -> None:
    record = saved[0].record
    for text in (record.run_id, record.run_id[:5]):
        found = find_run(text, tmp_path)
        assert found.record == record
        assert found.tallies.image_ids == saved[0].scorer.tallies.image_ids
        assert found.predictions == store.result_files(tmp_path, record).predictions
        assert found.name == f"segnet-basic default, seed 0, run {record.run_id}"


def test_a_run_by_its_files(tmp_path: Path, saved: list[examples.Run]) -> None:
    files = store.result_files(tmp_path, saved[1].record)
    for path in (files.record, files.tallies):
        assert find_run(str(path), tmp_path / "elsewhere").record == saved[1].record


def test_a_folder_that_holds_one_run(tmp_path: Path, saved: list[examples.Run]) -> None:
    folder = store.result_files(tmp_path, saved[0].record).record.parent
    with pytest.raises(UsageError, match="stands for 2 runs: "):
        find_run(str(folder), tmp_path)
    for path in folder.glob(f"{saved[1].record.run_id}.*"):
        path.unlink()
    assert find_run(str(folder), tmp_path).record == saved[0].record


def test_tallies_alone_are_enough(tmp_path: Path) -> None:
    run = examples.run()
    run.scorer.tallies.to_parquet(tmp_path / "mine.parquet")
    found = find_run(str(tmp_path), tmp_path / "nowhere")
    assert (found.record, found.predictions, found.path.name) == (None, None, "mine.parquet")
    assert found.name == str(found.path)


def test_unknown_runs_name_what_may_be_given(tmp_path: Path, saved: list[examples.Run]) -> None:
    with pytest.raises(UnknownNameError, match=r"There is no run 'xyz' under .*records\. .*Give a run id"):
        find_run("xyz", tmp_path)
    with pytest.raises(UnknownNameError, match="There is no run ''"):
        find_run("", tmp_path)
    with pytest.raises(UnknownNameError, match="holds no tallies"):
        find_run(str(tmp_path), tmp_path)


def test_a_beginning_of_several_runs_is_refused(tmp_path: Path, saved: list[examples.Run]) -> None:
    path = store.result_files(tmp_path, saved[0].record).record
    for number in (1, 2):
        path.with_name(f"77{number}.json").write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="Run '77' stands for 2 runs: 771, 772"):
        find_run("77", tmp_path)


def test_a_record_without_tallies_is_refused(tmp_path: Path, saved: list[examples.Run]) -> None:
    files = store.result_files(tmp_path, saved[0].record)
    files.tallies.unlink()
    with pytest.raises(RecordError, match="Cannot read tallies"):
        find_run(str(files.record), tmp_path)
