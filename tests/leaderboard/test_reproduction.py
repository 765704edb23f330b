"""Suites beside the paper: the right runs in the right rows, differences, verdicts and the order of the networks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segbench.errors import RecordError
from segbench.leaderboard.rendering import check_boards, write_boards
from segbench.leaderboard.reproduction import Reproduction, build_reproduction, spearman, verdict
from segbench.leaderboard.reproduction_table import reproduction_to_csv, reproduction_to_markdown
from segbench.leaderboard.store import save_result
from segbench.metrics.tallies import Tallies
from segbench.record import RunRecord
from segbench.suite import SuiteCell, find_suite
from tests.leaderboard import examples

SUITE = find_suite("segnet-table1")
TRAINING = {"global_accuracy": 0.9, "class_accuracy": 0.8, "mean_iou": 0.7}


def run(cell: SuiteCell, wrong: float, seed: int = 0, **changes: object) -> examples.Run:
    """A run of a cell with that share of wrong pixels, filed under the cell's scale."""
    return examples.run(seed, wrong, cell.recipe, scale=cell.scale, training=TRAINING, **changes)


def build(scale: str, runs: Sequence[examples.Run]) -> Reproduction | None:
    return build_reproduction(SUITE, scale, [one.record for one in runs], reader(runs))


def reader(runs: Sequence[examples.Run]) -> Callable[[RunRecord], Tallies]:
    tallies = {one.record.run_id: one.scorer.tallies for one in runs}
    return lambda record: tallies[record.run_id]


def cells(scale: str, balancing: str = "median-frequency") -> list[SuiteCell]:
    return [cell for cell in SUITE.cells(scale) if cell.balancing == balancing]


def test_there_is_no_table_without_runs() -> None:
    assert build("half", []) is None
    assert build("half", [run(cells("short")[0], 0.2)]) is None
    assert build("half", [run(cells("half")[0], 0.2, dataset_partial=True)]) is None


def test_runs_find_their_row_and_what_is_missing_is_named() -> None:
    balanced, natural = cells("half")[1], cells("half", "natural")[4]
    found = build("half", [run(natural, 0.3), run(balanced, 0.2), run(cells("short")[0], 0.1)])
    assert found is not None
    assert [(row.cell.model, row.cell.balancing) for row in found.rows] == [
        ("segnet-basic", "median-frequency"),
        ("fcn-basic", "natural"),
    ]
    assert len(found.missing) == 14
    first = found.rows[0]
    assert first.test["mean_iou"].paper == 0.477
    assert first.test["mean_iou"].ours == first.runs[0].scores.mean_iou
    assert first.test["mean_iou"].delta == pytest.approx((first.runs[0].scores.mean_iou or 0) - 0.477)
    assert (first.train["mean_iou"].paper, first.train["mean_iou"].ours) == (0.927, 0.7)
    assert found.correlations == ()


def test_a_run_without_scores_of_the_training_split_has_none() -> None:
    found = build("half", [examples.run(0, 0.2, cells("half")[0].recipe, scale="half")])
    assert found is not None
    assert found.rows[0].train["mean_iou"].ours is None
    assert ",0.827,,," not in reproduction_to_csv(found).splitlines()[0]


def test_seeds_are_averaged_and_replicates_of_a_seed_are_not() -> None:
    cell = cells("full")[0]
    runs = [run(cell, 0.2, seed) for seed in (0, 1, 2)]
    again = run(cell, 0.5, 0, created="2026-06-01T00:00:00+00:00", weights="ef" * 32)
    found = build("full", [again, *runs])
    assert found is not None
    (row,) = found.rows
    assert [one.seed for one in row.runs] == [0, 1, 2]
    assert row.runs[0].run_id == runs[0].record.run_id
    values = [one.record.scores.mean_iou or 0 for one in runs]
    assert row.test["mean_iou"].ours == pytest.approx(np.mean(values))
    assert found.seed_deviation["mean_iou"] == pytest.approx(np.std(values, ddof=1))


def test_there_are_verdicts_at_full_scale_with_three_seeds_only() -> None:
    def verdicts(scale: str, seeds: int) -> set[str | None]:
        found = build(scale, [run(cells(scale)[0], 0.2, seed) for seed in range(seeds)])
        assert found is not None
        return {figure.verdict for figure in found.rows[0].test.values()}

    assert verdicts("half", 3) == {None}
    assert verdicts("full", 2) == {None}
    assert verdicts("full", 3) <= {"agrees", "better", "worse"}


# Twice the root of 0.03^2 + 0.04^2 is 0.1.
@pytest.mark.parametrize(
    ("delta", "expected"),
    [(0.0999, "agrees"), (-0.0999, "agrees"), (0.1001, "better"), (-0.1001, "worse"), (None, None)],
)
def test_a_verdict_weighs_images_and_seeds(delta: float | None, expected: str | None) -> None:
    assert verdict(delta, 0.03, 0.04) == expected
    assert verdict(delta, None, 0.04) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=8))
def test_rho_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    paper, ours = (np.array(values, float) for values in zip(*pairs, strict=True))
    (rho,) = spearman(paper, ours[:, None])
    if len(set(paper)) == 1 or len(set(ours)) == 1:
        assert rho == 0
    else:
        assert rho == pytest.approx(stats.spearmanr(paper, ours).statistic)


def test_the_order_of_the_networks_is_compared() -> None:
    # The paper's mIoU of these four: 43.3, 47.7, 48.5, 46.1; fewer wrong pixels where it is higher.
    runs = [run(cell, wrong) for cell, wrong in zip(cells("half"), (0.6, 0.3, 0.1, 0.45), strict=False)]
    found = build("half", runs)
    assert found is not None
    (order,) = (one for one in found.correlations if one.score == "mean_iou")
    assert (order.networks, order.rho) == (4, 1.0)
    assert -1 <= order.low <= order.high == 1.0
    assert "mIoU 1.00 [" in reproduction_to_markdown(found)


def test_tables_say_what_they_are_not() -> None:
    found = build("half", [run(cells("half")[0], 0.2)])
    assert found is not None
    text = reproduction_to_markdown(found)
    assert text.split("\n\n")[2] == (
        "These runs are no reproduction of the paper's numbers: trained at 180x240 for 40 epochs, short of "
        "convergence. So there are no verdicts."
    )
    assert "Not run yet: segnet-basic (median-frequency)" in text
    (row,) = csv.DictReader(io.StringIO(reproduction_to_csv(found)))
    assert (row["model"], row["scale"], row["paper_mean_iou"]) == ("bilinear-interpolation", "half", "0.433")
    assert float(row["ours_mean_iou"]) == found.rows[0].test["mean_iou"].ours
    assert float(row["ours_mean_iou_low"]) <= float(row["ours_mean_iou"]) <= float(row["ours_mean_iou_high"])
    assert row["verdict_mean_iou"] == ""


def test_what_a_reader_has_to_know_is_among_the_notes() -> None:
    found = build("half", [run(cells("half")[0], 0.2)])
    assert found is not None
    lines = reproduction_to_markdown(found).split("## Notes\n\n")[1].splitlines()
    assert len(SUITE.notes) >= 6
    assert lines[: len(SUITE.notes)] == [f"- {note}" for note in SUITE.notes]


def test_runs_say_whether_they_converged_where_their_curve_tells() -> None:
    def curve(*losses: float) -> object:
        steps, unknown = [1000 * number for number in range(1, len(losses) + 1)], [None] * len(losses)
        entries = {"iteration": steps, "epoch": steps, "loss": losses}
        return examples.CURVE.model_copy(update={**entries, "global_accuracy": unknown, "mean_iou": unknown})

    first, second = cells("full")[:2]
    runs = [run(first, 0.2, seed, curve=curve(3.0, 2.0, last)) for seed, last in ((0, 1.9), (1, 1.99))]
    found = build("full", [*runs, run(second, 0.3)])
    assert found is not None
    rows = list(csv.DictReader(io.StringIO(reproduction_to_csv(found))))
    assert [row["converged"] for row in rows] == ["no yes", ""]
    text = reproduction_to_markdown(found)
    assert "| no, yes " in text and "| –  " in text
    assert "is less than 1 % below that of the 1,000 before" in text
    shorter = build("half", [run(cells("half")[0], 0.2)])
    assert shorter is not None and "Converged" not in reproduction_to_markdown(shorter)


def test_tables_are_drawn_with_the_boards_and_checked(tmp_path: Path) -> None:
    one = run(cells("half")[0], 0.2, curve=examples.CURVE.model_copy(update={"epoch": [20, 40]}))
    save_result(tmp_path, one.record, one.scorer.tallies, one.predictions.items(), examples.PALETTE)
    names = {path.name for path in write_boards(tmp_path).files}
    assert {"segnet-table1-half.md", "segnet-table1-half.csv"} < names
    board = (tmp_path / "camvid.md").read_text(encoding="utf-8")
    assert "\nsegbench reproduce segnet-table1 --scale half --only bilinear-interpolation\n" in board
    assert check_boards(tmp_path) == []
    for name in ("segnet-table1-half.md", "segnet-table1-half.csv"):
        kept = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(kept + "more\n", encoding="utf-8")
        assert [name in line for line in check_boards(tmp_path)] == [True]
        (tmp_path / name).write_text(kept, encoding="utf-8")
    stale = tmp_path / "segnet-table1-full.md"
    stale.write_text((tmp_path / "segnet-table1-half.md").read_text(encoding="utf-8"), encoding="utf-8")
    assert check_boards(tmp_path) == [f"{stale} has no record. Delete it."]


def test_runs_on_different_data_are_not_set_side_by_side() -> None:
    first, second = run(cells("half")[0], 0.2), run(cells("half")[1], 0.2, dataset_fingerprint="ef" * 32)
    with pytest.raises(RecordError, match="trained on different data"):
        build("half", [first, second])
