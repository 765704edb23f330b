"""``segbench leaderboard``: the tables, drawn from the records or compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Out, Quiet, complete_dataset, parse_size
from segbench.cli.outcome import FAILED
from segbench.console import Console
from segbench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from segbench.leaderboard.selection import Selection
    from segbench.leaderboard.table import Board, Row
    from segbench.metrics.resampling import Resampling
    from segbench.record import RunRecord

__all__ = ["draw_boards", "resampling_values"]

FORMATS = ("md", "csv", "html")


def draw_boards(
    dataset: Annotated[
        str | None, typer.Option(metavar="D", autocompletion=complete_dataset, help="Show this dataset alone.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Show the scores under this protocol ('segbench list protocols')."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="Show what was scored at this size alone.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="R", help="Show runs of this recipe alone.")] = None,
    sort: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Order by G, C, mIoU, BF or a column of the CSV; -COLUMN turns it."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="F", help="Show md or csv, what the files hold; or write html.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("-o", metavar="FILE", help="Where html goes, in place of leaderboards/D.html."),
    ] = None,
    photographs: Annotated[
        bool, typer.Option("--photographs", help="html with photographs, which may not be passed on.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; compare the files with the records.")] = False,
    old: Annotated[
        Path | None,
        typer.Option("--diff", metavar="OLD", help="Compare with an older leaderboards folder or CSV; 1 if one fell."),
    ] = None,
    tolerance: Annotated[
        str | None, typer.Option(metavar="POINTS", help="Falls that --diff lets pass; its interval if left out.")
    ] = None,
    out: Out = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw the tables from the records, and show them."""
    console = Console(json=as_json, quiet=quiet)
    _check_options(dataset, form, check)
    _check_diff(old, tolerance, form, check)
    _check_shown({"--protocol": protocol, "--size": size, "--recipe": recipe, "--sort": sort}, form, check, old)
    if form != "html" and (file is not None or photographs):
        raise UsageError(f"{'-o' if file is not None else '--photographs'} goes with --format html.")
    from segbench.leaderboard.selection import Selection

    root = out / "leaderboards"
    if check:
        _compare(console, root)
    elif old is not None:
        _differ(console, old, root, dataset, tolerance)
    elif form == "html":
        _write_html(console, root, dataset, file, photographs)
    else:
        height_width = None if size is None else parse_size(size)
        _draw(console, root, Selection(dataset, height_width, recipe, sort), protocol, form)


def _check_options(dataset: str | None, form: str | None, check: bool) -> None:
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.registry import DATASETS

    if dataset is not None:
        _ = DATASETS[dataset]
    if form is not None and form not in FORMATS:
        raise UnknownNameError(f"Unknown format '{form}'. Known: {', '.join(FORMATS)}.")
    if check and (dataset or form):
        raise UsageError(
            f"--check compares every file; {'--dataset' if dataset else '--format'} does not go with it.",
            "Run: segbench leaderboard --check",
        )


def _check_diff(old: Path | None, tolerance: str | None, form: str | None, check: bool) -> None:
    if old is None and tolerance is not None:
        raise UsageError("--tolerance goes with --diff OLD.", "Run: segbench leaderboard --diff OLD --tolerance 0.5")
    if old is not None and (form or check):
        raise UsageError(f"--diff changes no file; {'--format' if form else '--check'} does not go with it.")


def _check_shown(given: dict[str, str | None], form: str | None, check: bool, old: Path | None) -> None:
    """What is shown can be chosen where something is shown; the page chooses by itself."""
    other = "--check" if check else "--diff" if old is not None else "--format html" if form == "html" else ""
    for name, value in given.items():
        if other and value is not None:
            hint = "The page itself sorts and filters." if form == "html" else "Leave one of them out."
            raise UsageError(f"{name} does not go with {other}.", hint)


def _differ(console: Console, old: Path, root: Path, dataset: str | None, tolerance: str | None) -> None:
    from segbench.cli.leaderboard_diff import parse_tolerance, show_diff

    show_diff(console, old, root, dataset, parse_tolerance(tolerance))


def _compare(console: Console, root: Path) -> None:
    from segbench.leaderboard.rendering import check_boards
    from segbench.leaderboard.store import record_paths

    findings = check_boards(root)
    console.result({"ok": not findings, "findings": findings}, *(["\n".join(findings)] if findings else []))
    if findings:
        raise typer.Exit(FAILED)
    console.note(f"The tables in {root} are what its {len(record_paths(root))} records say.")


def _write_html(console: Console, root: Path, dataset: str | None, file: Path | None, photographs: bool) -> None:
    from segbench.cli.leaderboard_page import write_pages
    from segbench.registry import DATASETS

    paths = write_pages(root, dataset, file, photographs=photographs, progress=console.progress())
    console.result({"files": [str(path) for path in paths], "photographs": photographs}, *map(str, paths))
    if photographs and not (dataset and DATASETS[dataset].redistributable):
        console.note("Do not pass these pages on: they show photographs of the dataset.")
    if not paths:
        console.note(f"There are no records{f' of {dataset}' if dataset else ''} in {root}.")


def _draw(console: Console, root: Path, chosen: Selection, protocol: str | None, form: str | None) -> None:
    from segbench.cli.run_table import board_table
    from segbench.launch.truths import find_truth
    from segbench.leaderboard.rendering import to_csv, to_markdown, write_boards
    from segbench.leaderboard.table import left_out

    drawn = write_boards(root, find_truth)
    records = [record for record in drawn.records if chosen.dataset in (None, record.dataset)]
    boards = chosen.of(drawn.boards if protocol is None else _boards_under(protocol, records, root))
    values = {"boards": [_board_values(board) for board in boards], "files": [str(path) for path in drawn.files]}
    written = {"md": to_markdown, "csv": to_csv}
    shown = [board_table(board) for board in boards] if form is None else [written[form](boards).rstrip("\n")]
    console.result(values, *(shown if boards else []))
    for line in [*left_out(records), *(f"Board    {path}" for path in drawn.files)]:
        console.note(line)
    if not records:
        console.note(f"There are no records{f' of {chosen.dataset}' if chosen.dataset else ''} in {root}.")


def _boards_under(protocol: str, records: Sequence[RunRecord], root: Path) -> list[Board]:
    """The boards that the same runs give under another protocol; they are shown and not filed."""
    from segbench.leaderboard.profiles import filed_profiles
    from segbench.leaderboard.selection import under_protocol
    from segbench.leaderboard.store import tallies_under
    from segbench.leaderboard.table import build_boards

    read = tallies_under(root)
    originals = {record.run_id: record for record in records}
    scored = under_protocol(records, protocol, read)
    return build_boards(scored, lambda record: read(originals[record.run_id]), filed_profiles(root))


def _board_values(board: Board) -> dict[str, Any]:
    values = _shallow(board, "rows", "protocol", "resampling", "costs")
    return {
        **values,
        "protocol": board.protocol.model_dump(mode="json"),
        "resampling": None if board.resampling is None else resampling_values(board.resampling),
        "costs": None if board.costs is None else asdict(board.costs),
        "rows": [_row_values(row) for row in board.rows],
    }


def resampling_values(resampling: Resampling) -> dict[str, Any]:
    """How images were drawn, without the list of them."""
    return {
        "method": resampling.method,
        "runs_of_frames": sum(len(run) > 1 for run in resampling.runs),
        **{name: getattr(resampling, name) for name in ("num_images", "block_length", "resamples", "seed")},
    }


def _row_values(row: Row) -> dict[str, Any]:
    return {
        **_shallow(row, "record", "paper", "place"),
        "paper": None if row.paper is None else asdict(row.paper),
        "place": None if row.place is None else asdict(row.place),
    }


def _shallow(value: Board | Row, *without: str) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value) if field.name not in without}
