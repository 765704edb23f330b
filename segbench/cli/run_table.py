"""Runs side by side as the terminal shows them: scores, and the paper's mean IoU beside ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from segbench.cli.class_table import class_table
from segbench.console import Cell, Column, Table
from segbench.leaderboard.starts import start_text, tells_start
from segbench.leaderboard.table import Board, Row, build_boards
from segbench.leaderboard.wording import duration, percent, points, rank_text, size_text
from segbench.metrics.tallies import Tallies
from segbench.record import RunRecord

Reader = Callable[[RunRecord], Tallies]

__all__ = ["board_table", "run_table", "run_tables"]

SCORES = (("G", "global_accuracy"), ("C", "class_accuracy"), ("mIoU", "mean_iou"), ("BF", "boundary_f1"))
MARKS = "¹²³⁴⁵⁶⁷⁸⁹"
FEW, NARROW = 4, 50
LEGEND = "Percent: G global accuracy, C class accuracy, mIoU mean IoU, BF boundary F1. Time of training."
HALF_WIDTHS = "±: half of the 95 % interval over images."
RANKS = "# with =: tied with the best row of the rank, by paired bootstrap of mIoU."


def run_tables(records: Sequence[RunRecord], tallies: Reader | None = None) -> list[Table]:
    """For the runs of each dataset variant, split and size: IoU class by class where that fits, then all scores.

    Args:
        records: Of any datasets.
        tallies: Gives the tallies of a record; scores have intervals then.
    """
    groups: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in records:
        key = (record.dataset_variant, record.split, record.scores.protocol.size)
        groups.setdefault(key, []).append(record)
    return [table for same in groups.values() for table in [*_classes(same), run_table(same, tallies)]]


def _classes(records: Sequence[RunRecord]) -> list[Table]:
    """IoU class by class for a few runs, named by model where that is enough; the boards hold it for all."""
    if len(records) > FEW:
        return []
    models = [record.model for record in records]
    short = len(set(models)) == len(models) and sum(map(len, models)) <= NARROW
    return [class_table({record.model if short else record.run_id: record.scores for record in records})]


def run_table(records: Sequence[RunRecord], tallies: Reader | None = None) -> Table:
    """Runs of one dataset in the order given; those on a part of a dataset too, which no board shows."""
    whole = [record.model_copy(update={"dataset_partial": False}) for record in records]
    boards = build_boards(whole, tallies)
    rows = {row.run_id: row for board in boards for row in board.rows}
    partial = [record.run_id for record in records if record.dataset_partial]
    notes = [f"Prepared from a part of the images, on no board: {', '.join(partial)}."] if partial else []
    drawn = [f"{HALF_WIDTHS} {board.resampling.sentence}" for board in boards[:1] if board.resampling]
    return _table([rows[record.run_id] for record in records], [*drawn, *notes])


def board_table(board: Board) -> Table:
    """A board, best row first, with ranks and intervals where it has them."""
    if board.resampling is None:
        return _table(board.rows, [])
    seeds = [note for note in board.notes if "over seeds" in note]
    table = _table(board.rows, [f"{HALF_WIDTHS} {board.resampling.sentence}", RANKS, *seeds])
    ranks = [rank_text(row.place.rank, row.place.tied) if row.place else "" for row in board.rows]
    rows = [[rank, *cells] for rank, cells in zip(ranks, table.rows, strict=True)]
    return replace(table, columns=[Column("#"), *table.columns], rows=rows)


def _table(rows: Sequence[Row], notes: Sequence[str]) -> Table:
    """At most 80 columns wide, with ranks before it.

    The paper's mean IoU comes with ours minus it in points where the two can be compared; where they cannot it is
    grey, and the reason is a note.
    """
    reasons = list(dict.fromkeys(row.paper.reason for row in rows if row.paper and row.paper.reason))
    paper = any(map(_paper_mean_iou, rows))
    columns = [Column("model", wide=True), *(Column(title, right=True) for title, _ in SCORES)]
    columns += [Column("paper")] if paper else []
    columns += [Column("time", right=True), Column("run")]
    cells = [_cells(row, rows, reasons, paper) for row in rows]
    return Table(columns, cells, _title(rows), [LEGEND, *_reasons(rows, reasons), *notes])


def _cells(row: Row, rows: Sequence[Row], reasons: Sequence[str], paper: bool) -> list[str | Cell]:
    scores = [_score(row, name) for _, name in SCORES]
    beside = [_paper(row, reasons)] if paper else []
    return [_name(row, rows), *scores, *beside, duration(row.wall_time_s), row.run_id]


def _score(row: Row, name: str) -> str:
    """A score, and below it half of its interval."""
    half = None if row.place is None else row.place.intervals[name].half_width
    return percent(getattr(row, name)) + ("" if half is None else f"\n±{percent(half)}")


def _name(row: Row, rows: Sequence[Row]) -> str:
    """The model, with recipe, start and seed where these differ."""
    recipe = f" {row.recipe}" if len({other.recipe for other in rows}) > 1 else ""
    seed = f" seed {row.seed}" if len({other.seed for other in rows}) > 1 else ""
    started = f" encoder {start_text(row.record)}" if len({start_text(other.record) for other in rows}) > 1 else ""
    return f"{row.model}{recipe}{started}{seed}"


def _title(rows: Sequence[Row]) -> str:
    first = rows[0].record
    recipe = f", recipe {rows[0].recipe}" if len({row.recipe for row in rows}) == 1 else ""
    protocol = first.scores.protocol
    name = "" if protocol.name == first.recipe.evaluate.protocol else f", protocol {protocol.name}"
    starts = {start_text(row.record) for row in rows}
    start = f", encoder: {starts.pop()}" if len(starts) == 1 and any(tells_start(row.record) for row in rows) else ""
    at = size_text(protocol.size)
    return f"{first.dataset_title} {first.dataset_variant}, {first.split} at {at}{recipe}{start}{name}"


def _paper_mean_iou(row: Row) -> float | None:
    return row.paper.scores["mean_iou"] if row.paper else None


def _paper(row: Row, reasons: Sequence[str]) -> Cell:
    theirs = _paper_mean_iou(row)
    if row.paper is None or theirs is None:
        return Cell("")
    if row.paper.reason:
        return Cell(f"{percent(theirs)} {MARKS[reasons.index(row.paper.reason) % len(MARKS)]}", dim=True)
    return Cell(f"{percent(theirs)} {points(row.paper.deltas['mean_iou'])}")


def _reasons(rows: Sequence[Row], reasons: Sequence[str]) -> list[str]:
    compared = any(row.paper and row.paper.comparable for row in rows)
    told = ["Paper: its mIoU, and ours minus it in points."] if compared else []
    return told + [
        f"{mark} The paper's mIoU, not comparable: {why}." for mark, why in zip(MARKS, reasons, strict=False)
    ]
