"""The tables of runs and classes, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segbench.cli.class_table import scores_table
from segbench.cli.run_table import board_table, run_table, run_tables
from segbench.console import Cell, Console, Table
from segbench.leaderboard.table import Board, build_boards
from tests.leaderboard import examples
from tests.leaderboard import test_certainty as certain

INCOMPARABLE = examples.with_paper(comparable=False, reason="trained at another size")


def texts(table: Table) -> list[list[str]]:
    return [[cell.text if isinstance(cell, Cell) else cell for cell in row] for row in table.rows]


def test_a_comparable_number_stands_beside_ours_with_the_distance() -> None:
    record = examples.named(0.512, recipe=examples.with_paper())
    table = run_table([record])
    assert [column.title for column in table.columns] == ["model", "G", "C", "mIoU", "BF", "paper", "time", "run"]
    assert texts(table) == [["segnet-basic", "83.5", "62.5", "51.2", "25.0", "50.0 +1.2", "1 h 12 min", record.run_id]]
    assert table.title == "Toy small, test at 30×41, recipe default"
    assert "Paper: its mIoU, and ours minus it in points." in table.notes


def test_a_number_that_cannot_be_compared_is_grey_with_its_reason() -> None:
    table = run_table([examples.named(0.512, recipe=INCOMPARABLE)])
    assert table.rows[0][5] == Cell("50.0 ¹", dim=True)
    assert table.notes[-1] == "¹ The paper's mIoU, not comparable: trained at another size."
    assert not any("minus" in note for note in table.notes)


def test_each_reason_has_its_mark_and_is_told_once() -> None:
    other = examples.with_paper(comparable=False, reason="other data")
    records = [
        examples.named(0.4, recipe=recipe, model=model)
        for recipe, model in ((INCOMPARABLE, "a"), (other, "b"), (INCOMPARABLE, "c"))
    ]
    table = run_table(records)
    assert [row[5] for row in texts(table)] == ["50.0 ¹", "50.0 ²", "50.0 ¹"]
    assert sum("not comparable" in note for note in table.notes) == 2


def test_without_a_paper_there_is_no_such_column() -> None:
    table = run_table([examples.named(None, None)])
    assert [column.title for column in table.columns] == ["model", "G", "C", "mIoU", "BF", "time", "run"]
    assert texts(table)[0][3:5] == ["–", "–"]
    assert len(table.notes) == 1


def test_recipe_and_seed_are_named_where_they_differ() -> None:
    half = examples.RECIPE.model_copy(update={"variant": "half"})
    records = [examples.named(0.4), examples.named(0.5, recipe=half, seed=1)]
    assert [row[0] for row in texts(run_table(records))] == ["segnet-basic default seed 0", "segnet-basic half seed 1"]


def test_what_a_run_started_from_is_told_where_there_is_something_to_tell() -> None:
    asking = examples.RECIPE.model_copy(update={"encoder": "lab/vgg16"})
    random = examples.named(0.4, recipe=asking)
    from_weights = examples.named(0.5, recipe=asking, encoder_weights="ab" * 32, run_id="1" * 12)
    assert run_table([random]).title == "Toy small, test at 30×41, recipe default, encoder: random"
    names = [row[0] for row in texts(run_table([random, from_weights]))]
    assert names == ["segnet-basic encoder random", "segnet-basic encoder abababab"]


def test_runs_keep_their_order_and_boards_begin_with_the_best() -> None:
    records = [examples.named(0.4, model="fcn-basic"), examples.named(0.5)]
    assert [row[0] for row in texts(run_table(records))] == ["fcn-basic", "segnet-basic"]
    assert [row[0] for row in texts(board_table(build_boards(records)[0]))] == ["segnet-basic", "fcn-basic"]


def test_a_run_on_a_part_of_the_images_is_shown_and_said() -> None:
    record = examples.named(0.4, dataset_partial=True)
    table = run_table([record])
    assert texts(table)[0][-1] == record.run_id
    assert table.notes[-1] == f"Prepared from a part of the images, on no board: {record.run_id}."


def test_the_longest_names_fit_into_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    recipe = examples.with_paper(mean_iou=0.999)
    records = [
        examples.named(0.012, recipe=recipe, model="fcn-basic-no-addition-no-dim-reduction", seed=seed)
        for seed in (0, 1000)
    ]
    Console().result(None, run_table(records))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(record.run_id in line for line in lines) for record in records)
    assert any("99.9 −98.7" in line for line in lines)


def certain_board(ids: list[str], *wrong: float) -> Board:
    found = certain.runs(*wrong, ids=ids)
    (board,) = build_boards(certain.records(found), certain.reader(found))
    return board


def test_a_board_shows_ranks_and_half_widths() -> None:
    board = certain_board(certain.NAMES, 0.2, 0.2, 0.4)
    table = board_table(board)
    assert [column.title for column in table.columns] == ["#", "model", "G", "C", "mIoU", "BF", "time", "run"]
    assert [row[0] for row in texts(table)] == ["1=", "1=", "3"]
    for row, shown in zip(board.rows, texts(table), strict=True):
        assert row.place is not None and row.mean_iou is not None
        half = row.place.intervals["mean_iou"].half_width
        assert half is not None and shown[4] == f"{100 * row.mean_iou:.1f}\n±{100 * half:.1f}"
    assert any("taken as independent" in note for note in table.notes)
    assert any("over seeds 0, 1, 2" in note for note in table.notes)


def test_a_board_of_a_video_says_so() -> None:
    notes = board_table(certain_board(certain.VIDEO, 0.2)).notes
    assert any("drawn in blocks of 7 frames" in note for note in notes)


def test_ranks_and_the_longest_names_fit_into_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    board = certain_board(certain.NAMES, 0.2, 0.2)
    recipe = examples.with_paper(mean_iou=0.999)
    model = "fcn-basic-no-addition-no-dim-reduction"
    paper = build_boards([examples.named(0.012, recipe=recipe, model=model)])[0].rows[0].paper
    rows = [replace(row, model=model, paper=paper) for row in board.rows]
    Console().result(None, board_table(replace(board, rows=tuple(rows))))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(row.run_id in line for line in lines) for row in rows)
    assert any("99.9 −98.7" in line for line in lines)
    assert sum("±" in line for line in lines) >= 2


def test_a_few_runs_are_shown_class_by_class() -> None:
    records = [examples.named(0.4), examples.named(0.5, model="fcn-basic")]
    classes, together = run_tables(records)
    assert texts(classes) == [
        ["sky", "81.2", "81.2"],
        ["road", "50.0", "50.0"],
        ["car", "–", "–"],
        ["mean", "40.0", "50.0"],
    ]
    assert [column.title for column in classes.columns] == ["IoU", "segnet-basic", "fcn-basic"]
    assert together == run_table(records)
    seeds = [examples.named(0.4, seed=seed) for seed in range(5)]
    assert [column.title for column in run_tables(seeds[:2])[0].columns] == ["IoU", *(r.run_id for r in seeds[:2])]
    assert run_tables(seeds) == [run_table(seeds)]
    assert run_tables([]) == []


def test_runs_that_cannot_be_compared_are_in_tables_of_their_own() -> None:
    other = examples.RECIPE.model_copy(update={"dataset_variant": "large"})
    records = [examples.named(0.4), examples.named(0.5, recipe=other), examples.named(0.6, seed=1)]
    titles = [table.title for table in run_tables(records) if table.title]
    assert titles == ["Toy small, test at 30×41, recipe default", "Toy large, test at 30×41, recipe default"]


def test_classes_come_with_their_means() -> None:
    table = scores_table("maps", examples.scores(0.4))
    assert [list(row) for row in table.rows] == [
        ["sky", "91.2", "81.2", "71.2", "500"],
        ["road", "60.0", "50.0", "–", "300"],
        ["car", "–", "–", "–", "200"],
        ["mean", "62.5", "40.0", "25.0", "1,000"],
        ["global", "83.5", "", "", ""],
    ]
    assert table.notes[0].startswith("Percent of 4 images at 30×41. Protocol segbench 1: 255 is void. ")
    assert "Boundary F1 per class and image by the matching rule" in table.notes[0]
