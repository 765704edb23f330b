"""Boards as CSV: one row a run, raw fractions, the protocol in columns of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from segbench.leaderboard.starts import tells_start
from segbench.leaderboard.table import Board, Row
from segbench.metrics.statistics import LEVEL
from segbench.record import SCORE_NAMES

__all__ = ["COLUMNS", "START_COLUMNS", "Value", "row_values", "to_csv"]

# Readers of CSV take the word null for a missing value.
ABSENT = {"null": "undefined", "zero": "zero", "one": "one"}

Value = str | int | float | bool | None


def to_csv(boards: Board | Iterable[Board]) -> str:
    """One row a run, in the boards' order; undefined values are empty, numbers are exact.

    Returns:
        Text with ``\\n`` line ends; empty where there is no row.
    """
    chosen = [boards] if isinstance(boards, Board) else list(boards)
    # Tables of runs that all began at random are older than the columns that say so.
    told = any(tells_start(row.record) for board in chosen for row in board.rows)
    rows = [row_values(board, row) | (_start_values(row) if told else {}) for board in chosen for row in board.rows]
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, *START_COLUMNS) if told else COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def row_values(board: Board, row: Row) -> dict[str, Value]:
    """What the CSV holds of a row, by column; a column that is left out is empty."""
    return {**_board_values(board), **_row_values(row), **_certainty_values(board, row), **_cost_values(board, row)}


def _start_values(row: Row) -> dict[str, Value]:
    return {"encoder_weights": row.record.encoder_weights, "initial_weights": row.record.initial_weights}


def _board_values(board: Board) -> dict[str, Value]:
    protocol = board.protocol
    height, width = protocol.size or (None, None)
    return {
        "dataset": board.dataset,
        "dataset_variant": board.dataset_variant,
        "dataset_fingerprint": board.dataset_fingerprint,
        "split": board.split,
        "num_images": board.num_images,
        "num_pixels": board.num_pixels,
        "scale": board.scale,
        "protocol": protocol.name,
        "protocol_version": protocol.version,
        "height": height,
        "width": width,
        "ignore_index": protocol.ignore_index,
        "absent": ABSENT[protocol.absent],
        **{f"boundary_{name}": value for name, value in protocol.boundary.model_dump().items()},
    }


def _row_values(row: Row) -> dict[str, Value]:
    record = row.record
    return {
        "model": row.model,
        "paper_name": row.paper_name,
        "recipe": row.recipe,
        "seed": row.seed,
        "replicate": row.replicate[0],
        **{name: getattr(row, name) for name in SCORE_NAMES},
        "validation_mean_iou": row.validation_mean_iou,
        **dict(_paper_values(row)),
        "parameters": row.parameters,
        "convolution_weights": row.convolution_weights,
        "paper_parameters": row.paper_parameters,
        "epochs": row.epochs,
        "selected_iteration": record.curve.selected_iteration,
        "wall_time_s": row.wall_time_s,
        "images_per_s": row.images_per_s,
        "device": record.environment.device,
        "cpu": record.environment.cpu,
        "threads": record.environment.threads,
        "precision": record.environment.precision,
        "convolution": record.environment.convolution,
        "created": record.created,
        "cell_id": record.cell_id,
        "run_id": row.run_id,
        "weights_sha256": record.weights_sha256,
    }


def _certainty_values(board: Board, row: Row) -> dict[str, Value]:
    if board.resampling is None or row.place is None:
        return {}
    ends = {
        f"{name}_{end}": getattr(found, end) for name, found in row.place.intervals.items() for end in ("low", "high")
    }
    return ends | {
        "rank": row.place.rank,
        "rank_tied": row.place.tied,
        "interval_level": LEVEL,
        "interval_resamples": board.resampling.resamples,
        "interval_block_length": board.resampling.block_length,
    }


def _cost_values(board: Board, row: Row) -> dict[str, Value]:
    cost = board.cost(row)
    if board.costs is None or cost is None:
        return {}
    return {
        "latency_ms": cost.latency_ms,
        "peak_memory_mib": cost.peak_memory_mib,
        "profile": board.costs.heading,
    }


def _paper_values(row: Row) -> Iterator[tuple[str, Value]]:
    paper = row.paper
    for name in SCORE_NAMES:
        yield f"paper_{name}", paper.scores[name] if paper else None
    for name in SCORE_NAMES:
        yield f"delta_{name}", paper.deltas[name] if paper else None
    yield "paper_comparable", paper.comparable if paper else None
    yield "paper_reason", paper.reason if paper else None
    yield "paper_source", paper.source if paper else None


COLUMNS = (
    *("dataset", "dataset_variant", "dataset_fingerprint", "split", "num_images", "num_pixels", "scale"),
    *("protocol", "protocol_version", "height", "width", "ignore_index", "absent"),
    *("boundary_rule", "boundary_void", "boundary_average", "boundary_tolerance", "boundary_unit"),
    *("model", "paper_name", "recipe", "seed", "replicate"),
    *SCORE_NAMES,
    *(f"{name}_{end}" for name in SCORE_NAMES for end in ("low", "high")),
    *("rank", "rank_tied", "interval_level", "interval_resamples", "interval_block_length"),
    "validation_mean_iou",
    *(f"paper_{name}" for name in SCORE_NAMES),
    *(f"delta_{name}" for name in SCORE_NAMES),
    *("paper_comparable", "paper_reason", "paper_source"),
    *("parameters", "convolution_weights", "paper_parameters"),
    *("latency_ms", "peak_memory_mib", "profile"),
    *("epochs", "selected_iteration", "wall_time_s", "images_per_s"),
    *("device", "cpu", "threads", "precision", "convolution"),
    *("created", "cell_id", "run_id", "weights_sha256"),
)
"""Names of the columns, in order."""

START_COLUMNS = ("encoder_weights", "initial_weights")
"""Further columns, where runs started from weights or recipes ask for some."""
