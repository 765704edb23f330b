"""Intervals and shared ranks of a board's rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import RecordError
from segbench.leaderboard import store
from segbench.leaderboard.certainty import certainty
from segbench.leaderboard.store import record_paths
from segbench.leaderboard.table import build_boards
from segbench.metrics.comparison import compare
from segbench.metrics.resampling import choose_resampling
from segbench.metrics.statistics import bootstrap
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, Protocol, RunRecord, load_record
from tests.leaderboard import examples

BOARDS = Path(__file__).parents[2] / "leaderboards"
VIDEO = [f"clip_{30 * frame:05d}" for frame in range(40)]
NAMES = [f"{2007 + frame % 3}_{frame * frame + 7:06d}" for frame in range(40)]


def runs(*wrong: float, ids: list[str] = NAMES) -> dict[str, examples.Run]:
    """Runs on the same 40 images with this share of pixels wrong, by id, best first."""
    truth = {
        image_id: label
        for number, image_id in enumerate(ids)
        for label in [examples.label_maps(number // 4)[f"image-{number % 4}"]]
    }
    made = [run(truth, seed, share) for seed, share in enumerate(wrong)]
    made.sort(key=lambda one: -(one.record.scores.mean_iou or 0))
    return {one.record.run_id: one for one in made}


def run(truth: dict[str, examples.LabelMap], seed: int, wrong: float) -> examples.Run:
    predictions = examples.guesses(truth, seed, wrong)
    scorer = examples.scored(truth, predictions)
    return examples.Run(examples.record(scorer.scores(), seed=seed), scorer, truth, predictions)


def reader(found: dict[str, examples.Run]) -> Any:
    return lambda record: found[record.run_id].scorer.tallies


def records(found: dict[str, examples.Run]) -> list[RunRecord]:
    return [one.record for one in found.values()]


def test_a_rows_intervals_are_the_bootstraps() -> None:
    found = runs(0.2, 0.4)
    places = certainty(records(found), reader(found)).places
    for run_id, one in found.items():
        wanted = bootstrap(one.scorer.tallies, one.record.scores.protocol)
        assert places[run_id].intervals == {name: getattr(wanted, name) for name in SCORE_NAMES}


def test_rows_that_differ_have_ranks_of_their_own() -> None:
    found = runs(0.2, 0.3, 0.4)
    assert [(one.rank, one.tied) for one in certainty(records(found), reader(found)).places.values()] == [
        (1, False),
        (2, False),
        (3, False),
    ]


def test_rows_that_are_tied_with_the_best_share_its_rank() -> None:
    found = runs(0.2, 0.2, 0.2, 0.4, 0.4)
    places = list(certainty(records(found), reader(found)).places.values())
    assert [(one.rank, one.tied) for one in places] == [(1, True), (1, True), (1, True), (4, True), (4, True)]
    assert [one.behind is None for one in places] == [True, False, False, True, False]


def test_a_tie_is_what_compare_says() -> None:
    found = runs(0.2, 0.203)
    best, other = (one.scorer.tallies for one in found.values())
    paired = compare(best, other, Protocol(size=(30, 41))).mean_iou
    place = list(certainty(records(found), reader(found)).places.values())[1]
    assert (place.rank == 1) == paired.tied
    assert place.behind is None or place.behind == paired


def test_a_board_of_a_video_is_drawn_in_blocks_and_says_so() -> None:
    found = runs(0.2, 0.3, ids=VIDEO)
    (board,) = build_boards(records(found), reader(found))
    assert board.resampling is not None
    assert (board.resampling.block_length, len(board.resampling.runs)) == (7, 1)
    single, *_ = build_boards(records(runs(0.2)), reader(runs(0.2)))
    assert single.resampling is not None and single.resampling.runs == ()


def test_an_undefined_row_has_no_rank() -> None:
    found = runs(0.2, 0.3)
    best, other = found.values()
    nothing = other.record.model_copy(
        update={"run_id": "f" * 12, "scores": other.record.scores.model_copy(update={"mean_iou": None})}
    )
    places = certainty([best.record, nothing], lambda record: (best if record is best.record else other).scorer.tallies)
    assert [(one.rank, one.tied) for one in places.places.values()] == [(1, False), (None, False)]


def test_the_order_of_images_in_a_tally_does_not_matter() -> None:
    found = runs(0.2, 0.21)

    def turned(record: RunRecord) -> Tallies:
        tallies: Tallies = reader(found)(record)
        if record.run_id != list(found)[1]:
            return tallies
        return Tallies(tallies.class_names, 255, tallies.tolerance, tallies.image_ids[::-1], tallies.images[::-1])

    assert certainty(records(found), turned) == certainty(records(found), reader(found))


def test_runs_on_other_images_are_refused() -> None:
    first = runs(0.2)
    (other,) = runs(0.3, ids=VIDEO).values()
    second = {"f" * 12: replace(other, record=other.record.model_copy(update={"run_id": "f" * 12}))}
    with pytest.raises(RecordError, match="cannot be compared image by image"):
        certainty([*records(first), *records(second)], reader(first | second))


def test_tallies_that_do_not_give_the_record_are_refused(tmp_path: Path) -> None:
    one, other = runs(0.2, 0.4).values()
    store.save_result(tmp_path, one.record, one.scorer.tallies, one.predictions.items())
    other.scorer.tallies.to_parquet(store.result_files(tmp_path, one.record).tallies)
    with pytest.raises(RecordError, match=f"The tallies of run {one.record.run_id} do not give the scores"):
        build_boards([one.record], store.tallies_under(tmp_path))


# --- seeds -----------------------------------------------------------------------------------------------------------


def test_several_seeds_of_a_recipe_have_a_spread() -> None:
    (board,) = build_boards([examples.named(value, seed=seed) for seed, value in enumerate((0.4, 0.5, 0.6))])
    (note,) = board.notes
    assert note.startswith("SegNet-Basic, default, over seeds 0, 1, 2, mean ± standard deviation: G 83.5 ± 0.0")
    assert "mIoU 50.0 ± 10.0" in note


def test_replicates_and_other_recipes_are_no_seeds() -> None:
    half = examples.RECIPE.model_copy(update={"variant": "half"})
    replicates = [examples.named(0.4), examples.named(0.5, weights="01" * 32), examples.named(0.6, recipe=half, seed=1)]
    (board,) = build_boards(replicates)
    assert not any("over seeds" in note for note in board.notes)


# --- the committed records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", record_paths(BOARDS, "camvid"), ids=lambda path: path.stem)
def test_blocks_make_the_intervals_of_camvid_wider(path: Path) -> None:
    """Its test split is two videos: frames taken as independent would be too sure."""
    record = load_record(path)
    tallies = store.tallies_under(BOARDS)(record)
    chosen = choose_resampling(tallies.image_ids)
    assert len(chosen.runs) == 2
    blocks = bootstrap(tallies, record.scores.protocol, chosen)
    single = bootstrap(tallies, record.scores.protocol, choose_resampling(tallies.image_ids, 1))
    for name in SCORE_NAMES:
        widths = getattr(blocks, name).half_width, getattr(single, name).half_width
        assert widths[0] > 1.2 * widths[1]
