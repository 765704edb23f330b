"""Rows chosen and ordered as asked; scores under other protocols."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.errors import RecordError, UnknownNameError
from segbench.leaderboard import store
from segbench.leaderboard.selection import Selection, under_protocol
from segbench.leaderboard.spreadsheet import COLUMNS
from segbench.leaderboard.table import Board, build_boards
from segbench.metrics.protocols import PROTOCOLS
from segbench.record import Protocol
from tests.leaderboard import examples
from tests.leaderboard.examples import PALETTE, RECIPE, named

BASE = Path(__file__).parents[2] / "leaderboards"


def board(*, sort: str, **paper: float | None) -> Board:
    """Three rows: their mean IoU falls as their boundary F1 rises; one has no paper's numbers."""
    beside = examples.with_paper(**paper)
    records = [
        named(0.6, 0.1, seed=0, recipe=beside, parameters=3),
        named(0.5, None, seed=1, parameters=1),
        named(0.4, 0.3, seed=2, recipe=beside, parameters=2),
    ]
    (found,) = Selection(sort=sort).of(build_boards(records))
    return found


@pytest.mark.parametrize(
    ("sort", "seeds"),
    [
        ("mIoU", [0, 1, 2]),
        ("mean_iou", [0, 1, 2]),
        ("-mIoU", [2, 1, 0]),
        ("BF", [2, 0, 1]),
        ("-BF", [0, 2, 1]),  # what is undefined comes last whichever way
        ("parameters", [1, 2, 0]),
        ("-parameters", [0, 2, 1]),
        ("delta_mean_iou", [0, 2, 1]),
        ("run_id", None),
    ],
)
def test_rows_are_ordered_by_any_column(sort: str, seeds: list[int] | None) -> None:
    rows = board(sort=sort).rows
    assert seeds in (None, [row.seed for row in rows])
    if seeds is None:
        assert [row.run_id for row in rows] == sorted(row.run_id for row in rows)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_of_the_csv_orders_rows(name: str) -> None:
    assert {row.seed for row in board(sort=name).rows} == {0, 1, 2}


def test_equal_rows_keep_their_order() -> None:
    assert [row.seed for row in board(sort="dataset").rows] == [0, 1, 2]
    assert [row.seed for row in board(sort="-dataset").rows] == [0, 1, 2]


def test_nothing_asked_is_everything_as_it_is() -> None:
    boards = build_boards([named(0.5), named(0.4, scale="half")])
    assert Selection().of(boards) == boards


def test_a_board_without_a_fitting_row_is_not_shown() -> None:
    short = RECIPE.model_copy(update={"variant": "short"})
    boards = build_boards([named(0.5), named(0.4, recipe=short, scale="short")])
    assert [one.scale for one in Selection(recipe="short").of(boards)] == ["short"]


def test_a_size_that_no_board_has_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"No board is of size 3x4\. Known: 30x41\."):
        Selection(size=(3, 4)).of(build_boards([named(0.5)]))


def test_a_row_keeps_its_rank_among_all(tmp_path: Path) -> None:
    runs = [examples.run(0, 0.1), examples.run(1, 0.6, RECIPE.model_copy(update={"variant": "short"}))]
    for one in runs:
        store.save_result(tmp_path, one.record, one.scorer.tallies, one.predictions.items(), PALETTE)
    (found,) = Selection(recipe="short").of(build_boards([one.record for one in runs], store.tallies_under(tmp_path)))
    (row,) = found.rows
    assert row.place is not None and row.place.rank == 2


# --- other protocols --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_scores_under_another_protocol_are_those_of_its_definition(name: str) -> None:
    one = examples.run()
    (found,) = under_protocol([one.record], name, lambda record: one.scorer.tallies)
    again = examples.scored(one.labels, one.predictions, PROTOCOLS[name])
    assert found.scores == again.scores()
    assert found.run_id == one.record.run_id


def test_the_boards_own_protocol_changes_nothing() -> None:
    one = examples.run()
    assert under_protocol([one.record], Protocol().name, lambda record: one.scorer.tallies) == [one.record]


def test_a_paper_is_not_compared_with_scores_of_another_protocol() -> None:
    one = examples.run(recipe=examples.with_paper())
    for name, comparable in ((Protocol().name, True), ("segnet-script", False)):
        (found,) = build_boards(under_protocol([one.record], name, lambda record: one.scorer.tallies))
        (row,) = found.rows
        assert row.paper is not None and row.paper.comparable is comparable


def test_what_tallies_do_not_hold_is_said() -> None:
    records = store.load_records(BASE, "synthetic-roads")
    with pytest.raises(RecordError, match="counts predictions on void pixels"):
        under_protocol(records, "torchmetrics-miou", store.tallies_under(BASE))
