from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.errors import RecordError
from segbench.leaderboard.table import Board, build_boards, left_out
from segbench.record import BoundaryProtocol, Protocol, RunRecord, Trial
from tests.leaderboard import examples
from tests.leaderboard.examples import RECIPE, named, with_paper

FRACTIONS = st.none() | st.floats(0, 1)


def only(records: list[RunRecord]) -> Board:
    (board,) = build_boards(records)
    return board


def seeded(number: int, **changes: Any) -> RunRecord:
    return named(0.5, seed=number, **changes)


def test_no_record_no_board() -> None:
    assert build_boards([]) == []


@given(st.permutations([0.2, 0.9, None, 0.5]))
def test_the_best_comes_first_and_the_undefined_last(values: list[float | None]) -> None:
    board = only([named(value, seed=index) for index, value in enumerate(values)])
    assert [row.mean_iou for row in board.rows] == [0.9, 0.5, 0.2, None]


def test_boundary_f1_then_the_name_decide_between_equals() -> None:
    records = [
        named(0.5, 0.3, "segnet-basic"),
        named(0.5, 0.3, "fcn-basic"),
        named(0.5, None, "a"),
        named(0.5, 0.4, "z"),
    ]
    assert [row.model for row in only(records).rows] == ["z", "fcn-basic", "segnet-basic", "a"]


@settings(max_examples=25)
@given(st.lists(st.tuples(FRACTIONS, FRACTIONS, st.sampled_from(["a", "b"])), min_size=1, max_size=6), st.randoms())
def test_the_order_of_the_records_does_not_matter(
    values: list[tuple[float | None, float | None, str]], random: Any
) -> None:
    records = [named(iou, f1, model, seed=index) for index, (iou, f1, model) in enumerate(values)]
    shuffled = random.sample(records, len(records))
    assert build_boards(shuffled) == build_boards(records)
    assert sorted(row.run_id for row in only(records).rows) == sorted(record.run_id for record in records)


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "other"},
        {"dataset_variant": "large"},
        {"split": "validation"},
        {"scale": "short"},
        {"dataset_fingerprint": "ef" * 32},
        {"scores": examples.scores(0.5, protocol=Protocol(size=(60, 82)))},
        {"scores": examples.scores(0.5, protocol=Protocol(size=(30, 41), version=2))},
        {"scores": examples.scores(0.5, protocol=Protocol(size=(30, 41), boundary=BoundaryProtocol(rule="distance")))},
    ],
)
def test_what_cannot_be_compared_is_on_two_boards(changes: dict[str, Any]) -> None:
    one = named(0.5)
    other = one.model_copy(update={"run_id": "f" * 12, **changes})
    assert [len(board.rows) for board in build_boards([one, other])] == [1, 1]
    assert len(only([one, one.model_copy(update={"run_id": "f" * 12})]).rows) == 2


def test_scores_on_other_images_are_refused() -> None:
    other = examples.record(examples.scores(0.5, num_images=3), seed=1)
    with pytest.raises(RecordError, match="were not scored on the same images"):
        build_boards([named(0.5), other])


def test_partial_datasets_are_left_out_and_named() -> None:
    partial = named(0.9, seed=1, dataset_partial=True, dataset_fingerprint="ef" * 32)
    assert build_boards([partial]) == []
    board = only([partial, named(0.5)])
    assert [row.seed for row in board.rows] == [0]
    assert left_out([partial]) == list(board.notes)
    assert partial.run_id in board.notes[0]


def test_a_row_carries_what_the_board_shows() -> None:
    (row,) = only([named(0.4321)]).rows
    assert (row.model, row.paper_name, row.recipe, row.seed) == ("segnet-basic", "SegNet-Basic", "default", 0)
    assert (row.global_accuracy, row.class_accuracy, row.mean_iou, row.boundary_f1) == (0.8349, 0.6251, 0.4321, 0.25)
    assert (row.validation_mean_iou, row.epochs, row.wall_time_s, row.images_per_s) == (0.35, 2, 4321.0, 12.34)
    assert (row.parameters, row.convolution_weights, row.paper_parameters) == (1_416_587, 1_415_040, 1_425_000)


def test_the_board_carries_what_its_rows_share() -> None:
    board = only([named(0.5)])
    assert (board.class_names, board.class_pixels) == (("sky", "road", "car"), (500, 300, 200))
    assert (board.num_images, board.num_pixels, board.protocol.size) == (4, 1000, (30, 41))


def test_without_validation_there_is_no_validation_score() -> None:
    assert only([named(0.5, validation=None)]).rows[0].validation_mean_iou is None


# --- the paper -------------------------------------------------------------------------------------------------------


def test_a_comparable_number_has_a_delta() -> None:
    (row,) = only([named(0.4, None, recipe=with_paper(class_accuracy=None))]).rows
    assert row.paper is not None and row.paper.comparable
    assert row.paper.scores == {
        "global_accuracy": 0.827,
        "class_accuracy": None,
        "mean_iou": 0.5,
        "boundary_f1": 0.3578,
    }
    assert row.paper.deltas == {
        "global_accuracy": pytest.approx(0.0079),
        "class_accuracy": None,
        "mean_iou": pytest.approx(-0.1),
        "boundary_f1": None,
    }


@pytest.mark.parametrize(
    ("recipe", "changes", "reason"),
    [
        (with_paper(comparable=False, reason="trained at another size"), {}, "trained at another size"),
        (with_paper(size=(360, 480)), {}, "the paper scored at 360×480"),
        (with_paper(), {"scale": "short"}, "run at the reduced scale 'short'"),
    ],
)
def test_a_number_that_cannot_be_compared_has_a_reason_in_place_of_deltas(
    recipe: Any, changes: dict[str, Any], reason: str
) -> None:
    board = only([named(0.4, recipe=recipe, **changes)])
    paper = board.rows[0].paper
    assert paper is not None and not paper.comparable
    assert paper.scores["mean_iou"] == 0.5
    assert set(paper.deltas.values()) == {None}
    assert any("SegNet-Basic" in note and reason in note for note in board.notes)


def test_without_numbers_of_a_paper_there_is_no_comparison() -> None:
    board = only([named(0.4)])
    assert board.rows[0].paper is None
    assert board.notes == ()


def test_a_run_whose_recipe_was_tuned_says_so() -> None:
    trials = [Trial(settings={"train.lr": rate}, validation={"mean_iou": 0.2}) for rate in (0.1, 0.01)]
    board = only([named(0.4, trials=trials), named(0.5, model="fcn-basic")])
    assert board.notes == ("SegNet-Basic: 2 trials on the validation split led to its recipe; the record lists all.",)


# --- seeds, replicates, settings -------------------------------------------------------------------------------------


def test_a_model_alone_goes_by_its_name() -> None:
    assert {row.label for row in only([named(0.5), named(0.4, model="fcn-basic")]).rows} == {
        "SegNet-Basic",
        "FCN-Basic",
    }


def test_seeds_are_rows_of_their_own() -> None:
    rows = only([seeded(0), seeded(1), named(0.4, model="fcn-basic")]).rows
    assert [row.label for row in rows] == ["SegNet-Basic, seed 0", "SegNet-Basic, seed 1", "FCN-Basic"]
    assert {row.replicate for row in rows} == {(1, 1)}


def test_replicates_are_counted_oldest_first_and_noted() -> None:
    late = named(0.5, weights="01" * 32)
    early = named(0.5, weights="02" * 32, created="2025-12-31T23:59:59+00:00")
    board = only([late, early])
    assert [(row.run_id, row.replicate) for row in board.rows] == [(early.run_id, (1, 2)), (late.run_id, (2, 2))]
    assert [row.label for row in board.rows] == [f"SegNet-Basic, run {run.run_id}" for run in (early, late)]
    assert any(f"{early.run_id}, {late.run_id} are replicates" in note for note in board.notes)


def test_recipes_of_one_name_with_other_settings_are_told_apart() -> None:
    train = RECIPE.train.model_copy(update={"lr": 0.5, "schedule": "cosine"})
    changed = RECIPE.model_copy(update={"train": train})
    board = only([named(0.5), named(0.4, recipe=changed)])
    assert [row.recipe for row in board.rows] == [
        "default (train.lr=0.1)",
        "default (train.lr=0.5, train.schedule=cosine)",
    ]
    assert board.rows[0].label == "SegNet-Basic, default (train.lr=0.1)"
