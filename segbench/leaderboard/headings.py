"""What a board is called and holds, and the commands that repeat it; plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.starts import start_option
from segbench.leaderboard.table import Board, Row
from segbench.leaderboard.wording import size_text
from segbench.recipe import list_suites
from segbench.record import Protocol
from segbench.suite import load_suite

__all__ = ["board_title", "commands"]

FULL_SCALE = "full"


def board_title(board: Board) -> str:
    """Unique among the boards of a dataset, as far as people can tell them apart at all."""
    parts = [f"{board.dataset_title} {board.dataset_variant}", f"{board.split} split"]
    parts.append(f"scored at {size_text(board.protocol.size)}")
    if board.scale != FULL_SCALE:
        parts.append(f"scale {board.scale}")
    if board.protocol.name != Protocol().name:
        parts.append(f"protocol {board.protocol.name}")
    elif board.protocol != Protocol(size=board.protocol.size):
        boundary = board.protocol.boundary
        unit = "px" if boundary.unit == "px" else " of the diagonal"
        parts.append(f"BF {boundary.rule}, {boundary.void}, {boundary.average}, {boundary.tolerance:g}{unit}")
    return ", ".join(parts)


def commands(boards: Sequence[Board]) -> list[str]:
    """Command lines that prepare the dataset, repeat the runs of its boards, and draw them."""
    dataset = boards[0].dataset
    variants = dict.fromkeys(board.dataset_variant for board in boards)
    return [
        *(f"segbench prepare {dataset} --variant {variant}" for variant in variants),
        *_run_commands(dataset, [row for board in boards for row in board.rows]),
        f"segbench leaderboard --dataset {dataset}",
    ]


def _run_commands(dataset: str, rows: Sequence[Row]) -> Iterator[str]:
    """One command for the models that ran the same recipe with the same seeds."""
    runs = grouped(rows, lambda row: (row.record.recipe.variant, row.model, start_option(row.record)))
    seeds = {run: sorted({row.seed for row in same}) for run, same in runs.items()}
    suites = _suite_scales(dataset)
    together = grouped(seeds, lambda run: (run[0], run[2], tuple(seeds[run])))
    for (variant, start, chosen), same in sorted(together.items()):
        models = sorted(model for _, model, _ in same)
        option = "" if chosen == (0,) else f" --seeds {','.join(map(str, chosen))}"
        if variant in suites:
            only = "".join(f" --only {model}" for model in models)
            yield f"segbench reproduce {suites[variant]} --scale {variant}{only}{option}"
        else:
            yield f"segbench run {' '.join(models)} --dataset {dataset} --recipe {variant}{start}{option}"


def _suite_scales(dataset: str) -> dict[str, str]:
    """Suites by those scales that run on a dataset."""
    suites = map(load_suite, list_suites())
    return {name: suite.name for suite in suites for name, scale in suite.scales.items() if scale.dataset == dataset}
