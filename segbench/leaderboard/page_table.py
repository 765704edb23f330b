"""The columns of a page's table: texts to read and values to sort by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from segbench.leaderboard.axis import Axis
from segbench.leaderboard.charts import Key, chip, whisker
from segbench.leaderboard.starts import start_text, tells_start
from segbench.leaderboard.svg import element
from segbench.leaderboard.table import SHORT_NAMES, Board, Row
from segbench.leaderboard.wording import UNDEFINED, duration, millions, percent, points, rank_text

__all__ = ["Column", "TableCell", "page_table"]

TITLES = {
    "G": "Global accuracy, per cent",
    "C": "Mean accuracy of the classes, per cent",
    "mIoU": "Mean intersection over union, per cent",
    "BF": "Boundary F1, per cent",
}
WHISKER = 4.0, 60.0


@dataclass(frozen=True)
class TableCell:
    """What stands in a cell, and the value it is sorted by: a number, a text, or ``None`` for last."""

    shown: str
    value: float | str | None


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        head: Its name.
        title: What the name means; empty where it says all.
        kind: A class of the style sheet.
        cells: One a row.
        sorted: ``aria-sort`` at first.
    """

    head: str
    title: str
    kind: str
    cells: Sequence[TableCell]
    sorted: str = "none"


def page_table(board: Board, keys: Mapping[str, Key]) -> list[Column]:
    """The columns of a board that any of its rows fills."""
    rows = board.rows
    told = any(tells_start(row.record) for row in rows)
    found = [
        _column("Rank", "Rows of one rank are tied", "rank", rows, _rank),
        _column("Model", "", "model", rows, lambda row: _model(row, rows, keys[row.run_id])),
        _column("Recipe", "", "text minor", rows, lambda row: TableCell(escape(row.recipe), row.recipe)),
        _column("Seed", "", "number minor", rows, _seed),
        _column(
            "Encoder",
            "What it started from; random: He initialisation",
            "text minor",
            rows,
            lambda row: _start(row, told),
        ),
        *(_scores(rows, name, short) for name, short in SHORT_NAMES.items()),
        _column("Paper", "The paper’s mean IoU; grey where it cannot be compared", "number", rows, _paper),
        _column("Δ", "Ours minus the paper’s mean IoU, percentage points", "number", rows, _delta),
        _column("Params", "Trainable parameters, millions", "number", rows, _parameters),
        _column("Training", "Time of training", "number", rows, _time),
        _column("ms", "Median time of one batch", "number", rows, lambda row: _cost(board, row, "latency_ms")),
        _column("MiB", "Peak memory of inference", "number", rows, lambda row: _cost(board, row, "peak_memory_mib")),
        _column("Run", "", "id", rows, _run),
    ]
    return [column for column in found if any(cell.shown for cell in column.cells)]


def _column(head: str, title: str, kind: str, rows: Sequence[Row], cell: Callable[[Row], TableCell]) -> Column:
    return Column(head, title, kind, [cell(row) for row in rows])


def _rank(row: Row) -> TableCell:
    if row.place is None:
        return TableCell("", None)
    return TableCell(escape(rank_text(row.place.rank, row.place.tied)), row.place.rank)


def _model(row: Row, rows: Sequence[Row], key: Key) -> TableCell:
    link = element("a", row.paper_name, href=f"#run-{row.run_id}")
    rank = [f"rank {rank_text(row.place.rank, row.place.tied)}"] if row.place else []
    # What the columns say that a phone has no room for.
    recipe = [row.recipe] if len({other.recipe for other in rows}) > 1 else []
    seed = [f"seed {row.seed}"] if len({other.seed for other in rows}) > 1 else []
    small = element("small", ", ".join([*rank, *recipe, *seed]), class_="phone")
    return TableCell(chip(key) + Markup(" ") + link + small, row.paper_name)


def _start(row: Row, told: bool) -> TableCell:
    text = start_text(row.record) if told else ""
    return TableCell(escape(text), text)


def _seed(row: Row) -> TableCell:
    place, count = row.replicate
    again = f" ({place} of {count})" if count > 1 else ""
    return TableCell(f"{row.seed}{again}", row.seed + place / 1000)


def _scores(rows: Sequence[Row], name: str, short: str) -> Column:
    """A score with its interval below it, on one scale for the column; the page begins sorted by mean IoU."""
    axis = _interval_axis(rows, name)
    cells = [TableCell(_score(row, name, axis), getattr(row, name)) for row in rows]
    kind = "number score main" if name == "mean_iou" else "number score"
    return Column(short, TITLES[short], kind, cells, "descending" if name == "mean_iou" else "none")


def _interval_axis(rows: Sequence[Row], name: str) -> Axis | None:
    intervals = [row.place.intervals[name] for row in rows if row.place]
    ends = [end for one in intervals for end in (one.low, one.high) if end is not None]
    ends += [value for row in rows if (value := getattr(row, name)) is not None]
    if not intervals or len(ends) < 2 or max(ends) <= min(ends):
        return None
    return Axis(min(ends), max(ends), *WHISKER)


def _score(row: Row, name: str, axis: Axis | None) -> str:
    value: float | None = getattr(row, name)
    text = element("b" if name == "mean_iou" else "span", percent(value))
    found = row.place.intervals[name] if row.place else None
    if value is None or axis is None or found is None or found.low is None or found.high is None:
        return text
    ends = element("small", f"{percent(found.low)}–{percent(found.high)}")
    return text + whisker(axis, value, found.low, found.high) + ends


def _paper(row: Row) -> TableCell:
    value = row.paper.scores["mean_iou"] if row.paper else None
    if row.paper is None or value is None:
        return TableCell("", None)
    if row.paper.comparable:
        return TableCell(percent(value), value)
    return TableCell(element("span", percent(value), class_="grey", title=row.paper.reason), value)


def _delta(row: Row) -> TableCell:
    value = row.paper.deltas["mean_iou"] if row.paper else None
    return TableCell("" if value is None else points(value), value)


def _parameters(row: Row) -> TableCell:
    return TableCell(millions(row.parameters), row.parameters)


def _time(row: Row) -> TableCell:
    return TableCell(duration(row.wall_time_s), row.wall_time_s)


def _cost(board: Board, row: Row, name: str) -> TableCell:
    if board.costs is None:
        return TableCell("", None)
    value: float | None = getattr(board.cost(row), name, None)
    return TableCell(UNDEFINED if value is None else f"{value:,.1f}", value)


def _run(row: Row) -> TableCell:
    return TableCell(element("code", row.run_id), row.run_id)
