"""What counts as a fall, and which runs belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import UsageError
from segbench.leaderboard import store
from segbench.leaderboard.regression import Entry, RowChange, entries, regressions
from segbench.leaderboard.spreadsheet import to_csv
from segbench.leaderboard.table import build_boards
from segbench.record import RunRecord
from tests.leaderboard import examples
from tests.leaderboard.examples import PALETTE, RECIPE, Run, named

WEIGHTS = "ef" * 32


def table(tmp_path: Path, *records: RunRecord) -> list[Entry]:
    path = tmp_path / "board.csv"
    path.write_text(to_csv(build_boards(records)), encoding="utf-8")
    return entries(path)


def folder(root: Path, *runs: Run) -> list[Entry]:
    for one in runs:
        store.save_result(root, one.record, one.scorer.tallies, one.predictions.items(), PALETTE)
    return entries(root)


def states(rows: list[RowChange]) -> list[str]:
    return [row.state for row in rows]


def again(seed: int, wrong: float, **changes: Any) -> Run:
    """Another training of the same cell."""
    one = examples.run(seed, wrong)
    return replace(one, record=examples.record(one.scorer.scores(), RECIPE, WEIGHTS, seed=0, **changes))


def test_the_same_runs_have_not_changed(tmp_path: Path) -> None:
    found = folder(tmp_path, examples.run(), examples.run(seed=1))
    rows = regressions(found, found)
    assert states(rows) == ["same", "same"]
    assert all(change.difference == 0 and not change.fell for row in rows for change in row.changes.values())


@pytest.mark.parametrize(
    ("new", "tolerance", "state"),
    [
        (0.5, None, "same"),
        (0.499, None, "changed"),
        (0.4989, None, "fell"),
        (0.6, None, "changed"),
        (0.45, 0.05, "changed"),
        (0.4499, 0.05, "fell"),
        (0.4999, 0.0, "fell"),
        (None, 0.5, "fell"),
    ],
)
def test_a_fall_without_counts_is_one_beyond_the_tolerance(
    tmp_path: Path, new: float | None, tolerance: float | None, state: str
) -> None:
    old, now = table(tmp_path, named(0.5)), table(tmp_path, named(new, weights=WEIGHTS))
    (row,) = regressions(old, now, tolerance)
    assert row.state == state
    assert row.changes["mean_iou"].fell == (state == "fell")
    assert row.changes["mean_iou"].low is None and not row.changes["boundary_f1"].fell


def test_a_fall_with_counts_is_one_that_is_beyond_chance(tmp_path: Path) -> None:
    good = folder(tmp_path / "good", examples.run(0, 0.2))
    (fell,) = regressions(good, folder(tmp_path / "bad", again(9, 0.4)))
    change = fell.changes["mean_iou"]
    assert fell.state == "fell" and change.high is not None and change.high < 0
    assert change.low is not None and change.difference is not None and change.low < change.difference < change.high
    (rose,) = regressions(folder(tmp_path / "bad", again(9, 0.4)), good)
    assert rose.state == "changed"


def test_a_fall_within_the_interval_is_let_pass(tmp_path: Path) -> None:
    old, new = examples.run(0, 0.2), again(5, 0.206)
    (row,) = regressions(folder(tmp_path / "old", old), folder(tmp_path / "new", new))
    changes = [change for change in row.changes.values() if change.high is not None and change.high >= 0]
    assert changes and not any(change.fell for change in changes)
    falls = [change for change in row.changes.values() if (change.difference or 0) < 0]
    (strict,) = regressions(folder(tmp_path / "old"), folder(tmp_path / "new"), 0.0)
    assert sum(change.fell for change in strict.changes.values()) == len(falls) > 0


def test_new_and_vanished_runs_are_told(tmp_path: Path) -> None:
    old, new = table(tmp_path, named(0.5), named(0.4, seed=1)), table(tmp_path, named(0.5), named(0.6, seed=2))
    rows = regressions(old, new)
    assert [(row.state, row.shown.seed) for row in rows] == [("vanished", "1"), ("new", "2"), ("same", "0")]


def test_runs_of_another_protocol_or_scale_are_others(tmp_path: Path) -> None:
    rows = regressions(table(tmp_path, named(0.5)), table(tmp_path, named(0.4, scale="half")))
    assert states(rows) == ["vanished", "new"]


def test_a_changed_recipe_of_the_same_name_is_the_same_row(tmp_path: Path) -> None:
    train = RECIPE.train.model_copy(update={"lr": 0.2})
    changed = named(0.4, recipe=RECIPE.model_copy(update={"train": train}))
    (row,) = regressions(table(tmp_path, named(0.5)), table(tmp_path, changed))
    assert row.state == "fell" and row.old and row.new and row.old.cell_id != row.new.cell_id


def test_replicates_are_compared_one_by_one(tmp_path: Path) -> None:
    first, second = named(0.5), named(0.4, weights=WEIGHTS, created="2026-02-02T03:04:05+00:00")
    rows = regressions(table(tmp_path, first), table(tmp_path, first, second))
    assert [(row.state, row.shown.run_id) for row in rows] == [("new", second.run_id), ("same", first.run_id)]


def test_what_is_no_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder or file"):
        entries(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no records"):
        entries(tmp_path)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is no board as CSV: it lacks the column"):
        entries(tmp_path / "other.csv")
    text = to_csv(build_boards([named(0.5)])).replace("0.25", "much")
    (tmp_path / "board.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="holds no scores"):
        entries(tmp_path / "board.csv")
