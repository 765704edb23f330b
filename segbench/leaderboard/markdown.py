"""Boards as Markdown that GitHub renders and that reads well unrendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.headings import board_title, commands
from segbench.leaderboard.markdown_table import aligned, plain
from segbench.leaderboard.starts import start_text, tells_start
from segbench.leaderboard.store import result_name
from segbench.leaderboard.table import SHORT_NAMES, Board, Row
from segbench.leaderboard.wording import (
    UNDEFINED,
    certainty_text,
    duration,
    machine,
    millions,
    percent,
    points,
    protocol_text,
    rank_text,
    size_text,
)
from segbench.record import ClassScores

__all__ = ["MARKER", "to_markdown"]

MARKER = "<!-- Drawn by `segbench leaderboard` from the records in records/; edits are lost. -->"

Column = tuple[str, Callable[[Row], str]]


def to_markdown(boards: Sequence[Board]) -> str:
    """The boards as one document, a chapter each dataset; the same boards give the same bytes.

    Returns:
        Text that ends with a newline; empty where there is no board.
    """
    datasets = grouped(boards, lambda board: board.dataset)
    blocks = [block for same in datasets.values() for block in _chapter(same)]
    return "\n\n".join([MARKER, *blocks]) + "\n" if blocks else ""


def _chapter(boards: Sequence[Board]) -> Iterator[str]:
    dataset = boards[0].dataset
    yield f"# {plain(boards[0].dataset_title)}"
    yield (
        "Scores are in per cent. A table holds only what may be compared: one variant and split, scored at one size "
        f"under one protocol. The same rows as raw fractions: [{dataset}.csv]({dataset}.csv)."
    )
    for board in boards:
        yield from _sections(board)
    yield "## How to reproduce"
    yield "\n".join(["```sh", *commands(boards), "```"])


def _sections(board: Board) -> Iterator[str]:
    yield f"## {plain(board_title(board))}"
    yield _facts(board)
    yield f"**Protocol** `{board.protocol.name}`, version {board.protocol.version}. {protocol_text(board.protocol)}"
    yield _table((*SCORE_COLUMNS, *_start_columns(board), *_cost_columns(board), *FILE_COLUMNS), board.rows)
    yield _legend(board)
    if board.resampling is not None:
        yield certainty_text(board.resampling)
    if any(row.paper for row in board.rows):
        yield "### Beside the paper"
        yield _table(PAPER_COLUMNS, [row for row in board.rows if row.paper])
        yield PAPER_LEGEND
    yield "### Cost"
    yield _table(COST_COLUMNS, board.rows)
    yield "### Classes"
    yield from _class_sections(board)
    yield "### Notes"
    yield "\n".join(f"- {note}" for note in (*map(plain, board.notes), *_machines(board.rows)))


def _facts(board: Board) -> str:
    return (
        f"{board.num_images:,} images, {board.num_pixels:,} labelled pixels, {len(board.class_names)} classes; "
        f"scale `{board.scale}`; dataset fingerprint `{board.dataset_fingerprint[:12]}`."
        + (f" ms, peak MiB: inference of {plain(board.costs.heading)}." if board.costs else "")
    )


# --- columns ---------------------------------------------------------------------------------------------------------


def _seed(row: Row) -> str:
    place, count = row.replicate
    return str(row.seed) if count == 1 else f"{row.seed} (replicate {place} of {count})"


def _grey(text: str) -> str:
    """What may be read but not compared."""
    return f"*({text})*"


def _paper_mean_iou(row: Row) -> str:
    return "" if row.paper is None else _paper_score(row, "mean_iou")


def _paper_score(row: Row, name: str) -> str:
    value = row.paper.scores[name] if row.paper else None
    if row.paper is None or value is None:
        return UNDEFINED
    return percent(value) if row.paper.comparable else _grey(percent(value))


def _paper_delta(row: Row, name: str) -> str:
    return points(row.paper.deltas[name]) if row.paper and row.paper.comparable else ""


def _beside_paper(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        ours, theirs, delta = percent(getattr(row, name)), _paper_score(row, name), _paper_delta(row, name)
        if theirs == UNDEFINED or (row.paper and not row.paper.comparable):
            return f"{ours} {theirs}".removesuffix(f" {UNDEFINED}")
        return f"{ours} ({theirs}, {delta})"

    return cell


def _rank(row: Row) -> str:
    return "" if row.place is None else rank_text(row.place.rank, row.place.tied)


def _score(name: str) -> Callable[[Row], str]:
    """A score with its interval; the one that orders the table is bold."""

    def cell(row: Row) -> str:
        value = percent(getattr(row, name))
        shown = f"**{value}**" if name == "mean_iou" else value
        ends = None if row.place is None else row.place.intervals[name]
        return shown if ends is None or ends.low is None else f"{shown} [{percent(ends.low)}, {percent(ends.high)}]"

    return cell


def _run_link(row: Row) -> str:
    return f"[`{row.run_id}`]({result_name(row.record)}.json)"


def _file_links(row: Row) -> str:
    stem = result_name(row.record)
    return f"[tallies]({stem}.tallies.parquet), [maps]({stem}.predictions.zip)"


def _paper_parameters(row: Row) -> str:
    return "" if row.paper_parameters is None else millions(row.paper_parameters)


def _input(row: Row) -> str:
    size = row.record.recipe.input_size
    return "as prepared" if size is None else size_text(size)


SCORE_COLUMNS: tuple[Column, ...] = (
    ("Rank", _rank),
    ("Model", lambda row: plain(row.paper_name)),
    ("Recipe", lambda row: plain(row.recipe)),
    ("Seed", _seed),
    *((f"{short} >", _score(name)) for name, short in SHORT_NAMES.items()),
    ("Paper's mIoU >", _paper_mean_iou),
    ("Δ mIoU >", lambda row: _paper_delta(row, "mean_iou")),
    ("Validation mIoU >", lambda row: "" if row.validation_mean_iou is None else percent(row.validation_mean_iou)),
    ("Parameters, M >", lambda row: millions(row.parameters)),
)

FILE_COLUMNS: tuple[Column, ...] = (
    ("Run", _run_link),
    ("Files", _file_links),
)


def _start_columns(board: Board) -> tuple[Column, ...]:
    """What each run started from, where that is to be told of any."""
    told = any(tells_start(row.record) for row in board.rows)
    return (("Encoder", lambda row: start_text(row.record) if told else ""),)


def _cost_columns(board: Board) -> tuple[Column, ...]:
    """What was measured on the device of the board's profiles; empty where there are none."""
    return (
        ("ms >", lambda row: "" if (cost := board.cost(row)) is None else f"{cost.latency_ms:.1f}"),
        ("Peak MiB >", lambda row: "" if (cost := board.cost(row)) is None else f"{cost.peak_memory_mib:.1f}"),
    )


PAPER_COLUMNS: tuple[Column, ...] = (
    ("Model", lambda row: plain(row.label)),
    *((f"{short} >", _beside_paper(name)) for name, short in SHORT_NAMES.items()),
)

PAPER_LEGEND = (
    "Ours (the paper's, and ours minus the paper's in percentage points); *(in italics)* what cannot be compared."
)

COST_COLUMNS: tuple[Column, ...] = (
    ("Model", lambda row: plain(row.label)),
    ("Parameters >", lambda row: f"{row.parameters:,}"),
    ("Convolution weights, M >", lambda row: millions(row.convolution_weights)),
    ("Paper's, M >", _paper_parameters),
    ("Input >", _input),
    ("Epochs >", lambda row: str(row.epochs)),
    ("Steps >", lambda row: f"{max(row.record.curve.iteration, default=0):,}"),
    ("Selected step >", lambda row: f"{row.record.curve.selected_iteration:,}"),
    ("Training time >", lambda row: duration(row.wall_time_s)),
    ("Images/s >", lambda row: f"{row.images_per_s:.1f}"),
    ("Precision", lambda row: row.record.environment.precision),
)


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A table of what the rows have; a column that none fills is left out."""
    filled = [[head, *(cell(row) for row in rows)] for head, cell in columns]
    kept = [column for column in filled if any(column[1:])]
    return aligned([list(line) for line in zip(*kept, strict=True)])


# --- text ------------------------------------------------------------------------------------------------------------


def _legend(board: Board) -> str:
    grey = any(row.paper and not row.paper.comparable for row in board.rows)
    return (
        "G: global accuracy. C: mean accuracy of the classes. mIoU: mean intersection over union; it orders the table. "
        "BF: boundary F1. Files: counts per image and predicted label maps, from which a row can be scored again."
        + (" *(In italics)*: a paper's number that cannot be compared with ours; the notes say why." if grey else "")
    )


def _machines(rows: Sequence[Row]) -> Iterator[str]:
    """Where the runs happened, one line each different machine."""
    for text, same in grouped(rows, lambda row: machine(row.record.environment)).items():
        yield f"{', '.join(plain(row.label) for row in same)}: {plain(text)}."


# --- classes ---------------------------------------------------------------------------------------------------------


def _class_sections(board: Board) -> Iterator[str]:
    yield "Intersection over union of each class; share is its part of the labelled pixels."
    yield _class_table(board, lambda scores: scores.iou)
    yield _folded("Accuracy of each class", _class_table(board, lambda scores: scores.accuracy))
    yield _folded("Boundary F1 of each class", _class_table(board, lambda scores: scores.boundary_f1))


def _folded(title: str, content: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{content}\n\n</details>"


def _class_table(board: Board, value: Callable[[ClassScores], float | None]) -> str:
    """Classes go down the page unless there are more runs than classes."""
    shares = [f"{100 * pixels / max(board.num_pixels, 1):.1f}" for pixels in board.class_pixels]
    columns = [["Class", *map(plain, board.class_names)], ["Share >", *shares]]
    for row in board.rows:
        scores = row.record.scores.per_class
        columns.append([f"{plain(row.label)} >", *(percent(value(scores[name])) for name in board.class_names)])
    if len(board.rows) <= len(board.class_names):
        return aligned([list(line) for line in zip(*columns, strict=True)])
    head, *lines = [[cell.removesuffix(" >") for cell in column] for column in columns]
    return aligned([["Model", *(f"{name} >" for name in head[1:])], *lines])
