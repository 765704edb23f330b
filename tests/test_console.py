"""What a person sees: tables that fit, results apart from everything else, bars on a terminal only."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence

import pytest

from segbench.console import (
    Bars,
    Cell,
    Column,
    Console,
    Lines,
    Table,
    byte_size,
    say_error,
)
from segbench.progress import SILENT, Progress

SCORES = {"global_accuracy": 0.871, "mean_iou": 0.4523, "epoch": 3, "loss": 0.51239, "images_per_s": 41.25}


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def plain(text: str) -> str:
    """Without what moves the cursor and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "2 KiB"), (5 * 1024**2, "5 MiB"), (3.26 * 1024**3, "3.3 GiB")],
)
def test_bytes_come_in_the_unit_that_suits(count: float, text: str) -> None:
    assert byte_size(count) == text


# --- tables and results ---


def shown(table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", f"{width}")
    Console().result(None, table)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def names(count: int) -> Sequence[Sequence[str | Cell]]:
    return [
        ["fcn-basic-no-addition-no-dim-reduction", f"{number}.0", Cell("grey", dim=True)] for number in range(count)
    ]


def test_a_wide_column_is_broken_at_hyphens_to_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(
        [Column("model", wide=True), Column("mIoU", right=True), Column("x")], names(1), "A title", ["A note."]
    )
    lines = shown(table, capsys, monkeypatch, 40)
    assert lines == [
        "A title",
        "model                      mIoU  x",
        "─" * 37,
        "fcn-basic-no-addition-no-   0.0  grey",
        "dim-reduction",
        "A note.",
    ]
    assert max(map(len, shown(table, capsys, monkeypatch, 80))) == 38 + 2 + 4 + 2 + 4


def test_paths_in_notes_stay_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/a/synthetic-roads/" + "b" * 60
    lines = shown(
        Table([Column("a")], [["b"]], "A title of synthetic-roads", [f"Folder: {path}"]), capsys, monkeypatch, 20
    )
    assert lines[:2] == ["A title of", "synthetic-roads"]
    assert lines[-2:] == ["Folder:", f"  {path}"]


def test_values_are_never_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table([Column("name"), Column("id")], [["x" * 30, "y" * 12]])
    assert "y" * 12 in shown(table, capsys, monkeypatch, 80)[-1]


def test_markup_in_names_is_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(Table([Column("a")], [["[red]x[/] :smile:"]]), capsys, monkeypatch, 80)[-1] == "[red]x[/] :smile:"


def test_grey_is_grey_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for file, grey in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stdout", file)
        Console().result(None, Table([Column("a")], [[Cell("old", dim=True)]]))
        assert ("\x1b[2mold" in file.getvalue()) is grey


def test_forced_colour_does_not_reach_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.StringIO()
    monkeypatch.setattr("sys.stdout", file)
    Console().result(None, Table([Column("a")], [[Cell("old", dim=True)]], "Title"))
    assert "\x1b" not in file.getvalue()


def test_json_is_all_that_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(json=True)
    console.note("a note")
    console.result(lambda: {"ü": [1, None]}, Table([Column("a")], [["b"]]), "a text")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"ü": [1, None]}
    assert err == "a note\n"


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Console(json=True).result({"loss": float("nan")})


def test_quiet_keeps_results_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.note("a note")
    console.result(None, "the result")
    say_error("a failure")
    assert capsys.readouterr() == ("the result\n", "Error: a failure\n")
    assert console.progress() is SILENT


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say_error("first\nsecond")
    assert capsys.readouterr().err == "Error: first second\n"


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Terminal()
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setenv("NO_COLOR", "1")
    say_error("x")
    assert file.getvalue() == "Error: x\n"
    monkeypatch.delenv("NO_COLOR")
    say_error("x")
    assert file.getvalue().endswith("\x1b[1;31mError:\x1b[0m x\n")


# --- progress ---


def test_lines_name_the_validation_and_leave_the_rest_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    with lines.task("Training segnet-basic.default", 100, "steps") as bar:
        bar.advance(3)
        bar.show(loss=0.4)
        lines.event("validation", SCORES)
        lines.event("epoch", SCORES)
    lines.event("validation", {"epoch": 1, "global_accuracy": None})
    assert capsys.readouterr() == (
        "",
        "Training segnet-basic.default: epoch 3, loss 0.5124, 41.2 images/s, validation G 87.1 %, "
        "mIoU 45.2 %\nValidation: epoch 1\n",
    )


def test_there_are_no_bars_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(Console().progress(), Lines)
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(Console().progress(), Bars)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(Console().progress(), Lines)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def test_a_bar_shows_where_the_work_is_and_its_figures(terminal: Terminal) -> None:
    bars = Bars(terminal)
    with bars.task("Training a.default", 200, "steps") as bar:
        bar.advance(150)
        bar.advance(-50)
        bar.show(epoch=2, loss=0.25, images_per_s=None, validation_mean_iou=0.5)
        bars.message("A line worth keeping, which is longer than the terminal is wide: " + "x" * 30)
    drawn = plain(terminal.getvalue())
    assert "Training a.default" in drawn
    assert "100/200 steps" in drawn
    assert "epoch 2, loss 0.2500, mIoU 50.0 %" in drawn
    assert "A line worth keeping, which is longer than the terminal is wide: " + "x" * 30 in drawn


def test_bars_may_be_nested_and_go_when_they_are_done(terminal: Terminal) -> None:
    bars = Bars(terminal)
    with bars.task("outer", 2):
        with bars.task("inner") as inner:
            inner.advance()
        with pytest.raises(KeyboardInterrupt), bars.task("stopped"):
            raise KeyboardInterrupt
    with bars.task("again", 1):
        pass
    assert all(title in plain(terminal.getvalue()) for title in ("outer", "inner", "stopped", "again"))
    bars.message("after")
    assert plain(terminal.getvalue()).endswith("after\n")


def test_both_are_progress() -> None:
    assert isinstance(Lines(), Progress)
    assert isinstance(Bars(Terminal()), Progress)
