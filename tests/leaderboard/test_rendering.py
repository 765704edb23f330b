from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.errors import RecordError
from segbench.leaderboard import store
from segbench.leaderboard.rendering import check_boards, to_csv, to_markdown, write_boards
from segbench.leaderboard.spreadsheet import COLUMNS
from segbench.leaderboard.table import build_boards
from segbench.record import SCORE_NAMES, ClassScores, Protocol, RunRecord
from tests.leaderboard import examples
from tests.leaderboard.examples import PALETTE, RECIPE, named, with_paper

Table = list[dict[str, str]]


def drawn(*records: RunRecord) -> str:
    return to_markdown(build_boards(records))


def tables(markdown: str) -> list[Table]:
    """The tables of a document, a row a mapping from heading to cell, as a renderer takes them."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n?)+", markdown, re.MULTILINE):
        head, _, *lines = (
            [cell.strip() for cell in line.strip("|").split(" | ")] for line in block.strip().split("\n")
        )
        found.append([dict(zip(head, line, strict=True)) for line in lines])
    return found


def save(root: Path, *runs: examples.Run) -> None:
    for run in runs:
        store.save_result(root, run.record, run.scorer.tallies, run.predictions.items(), PALETTE)


# --- Markdown --------------------------------------------------------------------------------------------------------


def test_no_board_no_text() -> None:
    assert to_markdown([]) == ""
    assert to_csv([]) == ""


@settings(max_examples=30)
@given(st.lists(st.none() | st.floats(0, 1), min_size=4, max_size=4))
def test_the_table_shows_the_records_rounded_values(values: list[float | None]) -> None:
    scores = examples.scores(None).model_copy(update=dict(zip(SCORE_NAMES, values, strict=True)))
    row = tables(drawn(examples.record(scores)))[0][0]
    shown = [row[name].strip("*") for name in ("G", "C", "mIoU", "BF")]
    assert shown == ["–" if value is None else str(round(100 * value, 1)) for value in values]


def test_a_row_names_its_run_and_its_files() -> None:
    record = named(0.5)
    row = tables(drawn(record))[0][0]
    assert (row["Model"], row["Recipe"], row["Seed"], row["Validation mIoU"]) == (
        "SegNet-Basic",
        "default",
        "0",
        "35.0",
    )
    stem = f"records/toy/segnet-basic/{record.run_id}"
    assert row["Run"] == f"[`{record.run_id}`]({stem}.json)"
    assert row["Files"] == f"[tallies]({stem}.tallies.parquet), [maps]({stem}.predictions.zip)"


def test_links_lead_to_the_files(tmp_path: Path) -> None:
    save(tmp_path, examples.run())
    markdown, _ = write_boards(tmp_path).files
    links = re.findall(r"\]\(([^)]+)\)", markdown.read_text(encoding="utf-8"))
    assert len(links) == 4
    assert [link for link in links if not (tmp_path / link).is_file()] == []


def test_columns_that_no_row_fills_are_left_out() -> None:
    heads = set(tables(drawn(named(0.5, validation=None)))[0][0])
    assert heads == {"Model", "Recipe", "Seed", "G", "C", "mIoU", "BF", "Parameters, M", "Run", "Files"}
    assert "Beside the paper" not in drawn(named(0.5))


def test_what_training_cost() -> None:
    cost = tables(drawn(named(0.5)))[1][0]
    assert cost == {
        "Model": "SegNet-Basic",
        "Parameters": "1,416,587",
        "Convolution weights, M": "1.415",
        "Paper's, M": "1.425",
        "Input": "16×24",
        "Epochs": "2",
        "Steps": "4",
        "Selected step": "4",
        "Training time": "1 h 12 min",
        "Images/s": "12.3",
        "Precision": "bf16",
    }


def test_classes_go_down_the_page() -> None:
    iou, accuracy, boundary = tables(drawn(named(0.5)))[2:]
    assert iou == [
        {"Class": "sky", "Share": "50.0", "SegNet-Basic": "81.2"},
        {"Class": "road", "Share": "30.0", "SegNet-Basic": "50.0"},
        {"Class": "car", "Share": "20.0", "SegNet-Basic": "–"},
    ]
    assert [row["SegNet-Basic"] for row in accuracy] == ["91.2", "60.0", "–"]
    assert [row["SegNet-Basic"] for row in boundary] == ["71.2", "–", "–"]


def test_runs_go_down_the_page_where_they_are_more_than_the_classes() -> None:
    iou = tables(drawn(*(named(0.5, seed=seed) for seed in range(4))))[2]
    assert iou[0] == {"Model": "Share", "sky": "50.0", "road": "30.0", "car": "20.0"}
    assert iou[4] == {"Model": "SegNet-Basic, seed 3", "sky": "81.2", "road": "50.0", "car": "–"}


def test_a_comparable_number_stands_beside_ours_with_the_difference() -> None:
    text = drawn(named(0.4321, recipe=with_paper(class_accuracy=None)))
    row, beside = tables(text)[0][0], tables(text)[1][0]
    assert (row["Paper's mIoU"], row["Δ mIoU"]) == ("50.0", "−6.8")
    assert beside == {
        "Model": "SegNet-Basic",
        "G": "83.5 (82.7, +0.8)",
        "C": "62.5",
        "mIoU": "43.2 (50.0, −6.8)",
        "BF": "25.0 (35.8, −10.8)",
    }


def test_a_number_that_cannot_be_compared_is_grey_and_has_no_difference() -> None:
    text = drawn(named(0.4321, recipe=with_paper(comparable=False, reason="trained on more images")))
    row, beside = tables(text)[0][0], tables(text)[1][0]
    assert row["Paper's mIoU"] == "*(50.0)*"
    assert "Δ mIoU" not in row
    assert beside["mIoU"] == "43.2 *(50.0)*"
    assert "cannot be compared with ours: trained on more images." in text


def test_headings_name_what_a_board_holds() -> None:
    text = drawn(named(0.5))
    assert "# Toy\n" in text
    assert "## Toy small, test split, scored at 30×41\n" in text
    assert "within 0.75 % of the image diagonal (0.381 pixels)" in text


def test_boards_of_one_dataset_have_headings_of_their_own() -> None:
    one = named(0.5)
    distance = Protocol(size=(30, 41)).boundary.model_copy(update={"rule": "distance"})
    scores = examples.scores(0.5, protocol=Protocol(size=(30, 41), boundary=distance))
    changes: list[dict[str, Any]] = [{"split": "validation"}, {"scale": "short"}, {"scores": scores}]
    others = [one.model_copy(update={"run_id": f"{index:012x}", **values}) for index, values in enumerate(changes)]
    headings = re.findall(r"^## .*scored.*$", drawn(one, *others), re.MULTILINE)
    assert len(set(headings)) == 4


def test_the_commands_that_repeat_the_runs() -> None:
    records = [
        named(0.5, seed=2),
        named(0.4, model="fcn-basic"),
        named(0.5),
        named(0.3, model="bilinear-interpolation"),
    ]
    paper = named(0.4, model="fcn-basic", recipe=RECIPE.model_copy(update={"variant": "paper"}))
    (commands,) = re.findall(r"```sh\n(.*?)```", drawn(*records, paper), re.DOTALL)
    assert commands.splitlines() == [
        "segbench prepare toy --variant small",
        "segbench run bilinear-interpolation fcn-basic --dataset toy --recipe default",
        "segbench run segnet-basic --dataset toy --recipe default --seeds 0,2",
        "segbench run fcn-basic --dataset toy --recipe paper",
        "segbench leaderboard --dataset toy",
    ]


def test_names_cannot_break_a_table() -> None:
    (row,) = tables(drawn(named(0.5, paper_name="A|B *c* <d>\n[e]")))[0]
    assert row["Model"] == r"A\|B \*c\* \<d\> \[e\]"


def test_each_machine_is_named_once() -> None:
    other = examples.ENVIRONMENT.model_copy(update={"cpu": "Another"})
    text = drawn(named(0.5), named(0.4, seed=1), named(0.3, seed=2, environment=other))
    assert text.count("- SegNet-Basic, seed 0, SegNet-Basic, seed 1: A Processor (amx_bf16)") == 1
    assert text.count("- SegNet-Basic, seed 2: Another (amx_bf16)") == 1


# --- CSV -------------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=4))
def test_pandas_reads_the_exact_values(values: list[float | None]) -> None:
    records = [named(value, seed=index, recipe=with_paper()) for index, value in enumerate(values)]
    (board,) = build_boards(records)
    exact = {"mean_iou": lambda text: float(text) if text else None}  # pandas' own reader may be off by the last bit
    frame = pd.read_csv(io.StringIO(to_csv(board)), converters=exact)
    assert tuple(frame.columns) == COLUMNS
    assert [None if pd.isna(value) else value for value in frame["mean_iou"]] == [row.mean_iou for row in board.rows]
    assert frame["seed"].tolist() == [row.seed for row in board.rows]
    assert frame["paper_boundary_f1"].tolist() == [0.3578] * len(values)


def test_the_protocol_has_columns_of_its_own() -> None:
    (row,) = pd.read_csv(io.StringIO(to_csv(build_boards([named(0.5)])))).to_dict("records")
    protocol = {name: row[name] for name in COLUMNS[7:18]}
    assert protocol == {
        "protocol": "segbench",
        "protocol_version": 1,
        "height": 30,
        "width": 41,
        "ignore_index": 255,
        "absent": "undefined",
        "boundary_rule": "matching",
        "boundary_void": "asis",
        "boundary_average": "script",
        "boundary_tolerance": 0.0075,
        "boundary_unit": "diagonal",
    }


def test_one_row_a_run_and_one_heading_for_all_boards() -> None:
    records = [named(0.5), named(0.4, seed=1), named(0.3, split="validation", seed=2)]
    lines = to_csv(build_boards(records)).splitlines()
    assert len(lines) == 4
    assert lines[0] == ",".join(COLUMNS)


# --- files -----------------------------------------------------------------------------------------------------------


def test_boards_are_written_and_found_in_order(tmp_path: Path) -> None:
    save(tmp_path, examples.run(), examples.run(recipe=RECIPE.model_copy(update={"dataset": "other"})))
    names = ["other.md", "other.csv", "toy.md", "toy.csv"]
    assert write_boards(tmp_path).files == [tmp_path / name for name in names]
    assert check_boards(tmp_path) == []
    before = [(tmp_path / name).read_bytes() for name in names]
    write_boards(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_what_is_written_is_the_records_and_their_tallies_alone(tmp_path: Path) -> None:
    run = examples.run()
    save(tmp_path, run)
    markdown, table = write_boards(tmp_path).files
    boards = build_boards([run.record], store.tallies_under(tmp_path))
    assert markdown.read_bytes() == to_markdown(boards).encode()
    assert table.read_bytes() == to_csv(boards).encode()


def test_scores_come_with_intervals_and_ranks(tmp_path: Path) -> None:
    runs = [examples.run(), examples.run(seed=1, wrong=0.6)]
    save(tmp_path, *runs)
    markdown, table = write_boards(tmp_path).files
    text = markdown.read_text(encoding="utf-8")
    best, other = tables(text)[0]
    assert (best["Rank"], other["Rank"]) == ("1", "2")
    frame = pd.read_csv(table)
    assert frame["rank"].tolist() == [1, 2] and frame["rank_tied"].tolist() == [False, False]
    assert frame["interval_block_length"].tolist() == [1, 1] and frame["interval_resamples"].tolist() == [10_000] * 2
    for row, shown in zip(frame.to_dict("records"), (best, other), strict=True):
        for name, short in zip(SCORE_NAMES, ("G", "C", "mIoU", "BF"), strict=True):
            score, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
            assert low < score < high
            assert shown[short].replace("*", "") == f"{score:.1f} [{low:.1f}, {high:.1f}]"
    assert "bootstrap of independent images. The images were taken as independent" in text


def test_tied_rows_share_a_rank(tmp_path: Path) -> None:
    save(tmp_path, examples.run(), examples.run(seed=1))
    markdown, _ = write_boards(tmp_path).files
    text = markdown.read_text(encoding="utf-8")
    assert [row["Rank"] for row in tables(text)[0]] == ["1=", "1="]
    assert "SegNet-Basic, default, over seeds 0, 1, mean ± standard deviation: G " in text
    assert check_boards(tmp_path) == []


def test_damaged_tallies_are_a_finding(tmp_path: Path) -> None:
    run = examples.run()
    save(tmp_path, run)
    write_boards(tmp_path)
    store.result_files(tmp_path, run.record).tallies.write_bytes(b"nothing")
    (problem,) = check_boards(tmp_path)
    assert "tallies" in problem and run.record.run_id in problem


def test_without_records_nothing_is_written(tmp_path: Path) -> None:
    assert write_boards(tmp_path).files == []
    assert check_boards(tmp_path) == []
    assert check_boards(tmp_path / "nowhere") == []
    assert list(tmp_path.iterdir()) == []


def test_edited_and_missing_boards_are_found(tmp_path: Path) -> None:
    save(tmp_path, examples.run())
    markdown, table = write_boards(tmp_path).files
    lines = markdown.read_text(encoding="utf-8").split("\n")
    markdown.write_text("\n".join([*lines[:2], "# Mine", *lines[3:]]), encoding="utf-8")
    table.unlink()
    assert check_boards(tmp_path) == [
        f"{markdown} differs from its records at line 3. Draw it anew: segbench leaderboard",
        f"{table} is missing. Draw it: segbench leaderboard",
    ]


def test_a_new_record_makes_the_boards_old(tmp_path: Path) -> None:
    save(tmp_path, examples.run())
    write_boards(tmp_path)
    save(tmp_path, examples.run(seed=1))
    assert len(check_boards(tmp_path)) == 2


def test_boards_without_records_are_found_and_other_files_left_alone(tmp_path: Path) -> None:
    run = examples.run()
    save(tmp_path, run)
    markdown, table = write_boards(tmp_path).files
    (tmp_path / "README.md").write_text("Mine.", encoding="utf-8")
    for path in (tmp_path / "records").rglob(f"{run.record.run_id}.*"):
        path.unlink()
    assert check_boards(tmp_path) == [f"{table} has no record. Delete it.", f"{markdown} has no record. Delete it."]


def test_files_that_belong_to_no_record_are_found(tmp_path: Path) -> None:
    run = examples.run()
    save(tmp_path, run)
    write_boards(tmp_path)
    stray = store.result_files(tmp_path, run.record).tallies.with_name("0123.tallies.parquet")
    stray.touch()
    assert check_boards(tmp_path) == [f"{stray} belongs to no record. Delete it."]


def test_all_damaged_records_are_found(tmp_path: Path) -> None:
    runs = [examples.run(), examples.run(seed=1), examples.run(seed=2)]
    save(tmp_path, *runs)
    write_boards(tmp_path)
    first, second, _ = (store.result_files(tmp_path, run.record) for run in runs)
    first.record.write_text("{}", encoding="utf-8")
    second.predictions.unlink()
    problems = check_boards(tmp_path)
    assert len(problems) == 2
    assert any(f"{first.record} is not valid" in problem for problem in problems)
    assert any(f"lacks {second.predictions.name}" in problem for problem in problems)
    with pytest.raises(RecordError):
        write_boards(tmp_path)


def test_records_that_contradict_each_other_are_a_finding(tmp_path: Path) -> None:
    runs = [examples.run(), examples.run(seed=1)]
    save(tmp_path, *runs)
    path = store.result_files(tmp_path, runs[0].record).record
    classes = {"sky": ClassScores(accuracy=1, iou=1, boundary_f1=1, pixels=1)}
    other = runs[0].record.scores.model_copy(update={"per_class": classes})
    path.write_text(runs[0].record.model_copy(update={"scores": other}).model_dump_json(), encoding="utf-8")
    (problem,) = check_boards(tmp_path)
    assert "were not scored on the same images" in problem
