"""Profiles joined to boards: one device and size for all rows."""

from __future__ import annotations

from pathlib import Path

from segbench.leaderboard.markdown import to_markdown
from segbench.leaderboard.page import to_html
from segbench.leaderboard.profiles import file_profile, filed_profiles
from segbench.leaderboard.rendering import check_boards, write_boards
from segbench.leaderboard.spreadsheet import to_csv
from segbench.leaderboard.table import Board, build_boards
from segbench.record import ProfileRecord
from tests.leaderboard import examples
from tests.leaderboard.examples import named, run
from tests.leaderboard.pages import evidence, saved
from tests.leaderboard.test_profiles import profile, record
from tests.leaderboard.test_rendering import tables

OTHER = examples.ENVIRONMENT.model_copy(update={"cpu": "Another"})


def board(*profiles: ProfileRecord) -> Board:
    """Two networks of three classes that take 16 x 24 pixels."""
    (found,) = build_boards([named(0.5), named(0.4, model="fcn-basic")], profiles=profiles)
    return found


def costs(found: Board) -> list[float | None]:
    return [None if (cost := found.cost(row)) is None else cost.latency_ms for row in found.rows]


def test_without_a_profile_there_is_none() -> None:
    assert board().costs is None
    assert board(record(num_classes=11), record("segnet")).costs is None


def test_rows_have_the_last_profile_of_their_network() -> None:
    old, new = record(found=profile(9.0)), record(found=profile(7.0), created="2026-02-01T00:00:00+00:00")
    found = board(new, old)
    assert costs(found) == [7.0, None]
    assert found.costs is not None and "A Processor" in found.costs.heading and "360×480" in found.costs.heading


def test_the_device_that_knows_most_networks_is_taken() -> None:
    pair = [record(found=profile(1.0)), record("fcn-basic", profile(2.0))]
    newer = record(found=profile(3.0), environment=OTHER, created="2027-01-01T00:00:00+00:00")
    assert costs(board(newer, *pair)) == [1.0, 2.0]


def test_then_the_size_that_the_networks_take() -> None:
    fitting = record(found=profile(1.0), size=(16, 24))
    newer = record(found=profile(3.0), created="2027-01-01T00:00:00+00:00")
    assert costs(board(fitting, newer)) == [1.0, None]


def test_tables_name_the_device_and_leave_blank_what_was_not_measured() -> None:
    found = board(record(found=profile(12.34)))
    text = to_markdown([found])
    rows = tables(text)[0]
    assert [(row["ms"], row["Peak MiB"], row["Parameters, M"]) for row in rows] == [
        ("12.3", "300.5", "1.417"),
        ("", "", "1.417"),
    ]
    heading = text.partition("\n| ")[0]  # before the table
    assert "ms, peak MiB: inference of one image of 360×480, 3 classes, A Processor" in heading
    header, first, second = (line.split(",") for line in to_csv(found).splitlines())
    place = header.index("latency_ms")
    assert (first[place], second[place]) == ("12.34", "")


def test_a_page_has_columns_and_plots_of_what_was_measured(tmp_path: Path) -> None:
    one = run()
    saved(tmp_path, [one])
    (found,) = build_boards([one.record], profiles=[record(found=profile(12.34))])
    text = to_html([found], lambda row: evidence(tmp_path, row, [one]))
    assert "Mean IoU against time of inference" in text and "Mean IoU against memory of inference" in text
    assert 'data-value="12.34"' in text and "ms and MiB: one image of 360×480" in text
    (without,) = build_boards([one.record])
    assert "of inference" not in to_html([without], lambda row: evidence(tmp_path, row, [one]))


def test_filed_profiles_are_no_runs_and_belong_there(tmp_path: Path) -> None:
    saved(tmp_path, [run()])
    file_profile(tmp_path, record(found=profile(12.34)))
    assert len(filed_profiles(tmp_path)) == 1
    write_boards(tmp_path)
    assert check_boards(tmp_path) == []
    assert "12.3" in (tmp_path / "toy.md").read_text(encoding="utf-8")
