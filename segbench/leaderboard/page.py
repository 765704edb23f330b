"""The boards of a dataset as one HTML page that needs no network: table, charts, and each run's curves and pictures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from segbench.leaderboard.headings import board_title, commands
from segbench.leaderboard.page_charts import BoardCharts, RunCharts, board_charts, keys, run_charts
from segbench.leaderboard.page_pictures import ERROR_COLOURS, PHOTOGRAPH, Example
from segbench.leaderboard.page_table import Column, page_table
from segbench.leaderboard.svg import element
from segbench.leaderboard.table import Board, Row
from segbench.leaderboard.wording import (
    certainty_text,
    duration,
    machine,
    percent,
    protocol_text,
    rank_text,
    size_text,
)
from segbench.metrics.tallies import Tallies
from segbench.specs import Colour

__all__ = ["Evidence", "to_html"]


@dataclass(frozen=True)
class Evidence:
    """What a page shows of a run beside its record.

    Attributes:
        tallies: Counts per image.
        examples: Its best, median and worst image.
        palette: RGB colour of each class.
        tolerance_curve: Radius in pixels and boundary F1, 0..1; ``None`` where the dataset is not prepared.
    """

    tallies: Tallies
    examples: Sequence[Example] = ()
    palette: Sequence[Colour] = ()
    tolerance_curve: Sequence[tuple[int, float]] | None = None


@dataclass(frozen=True)
class RunSection:
    """All that the page says of one run."""

    row: Row
    charts: RunCharts
    evidence: Evidence
    facts: Mapping[str, str]
    swatches: Sequence[tuple[str, Markup]]


@dataclass(frozen=True)
class BoardSection:
    """All that the page says of one board.

    Attributes:
        filters: What it is shown for: protocol, size and scale.
    """

    board: Board
    number: int
    title: str
    protocol: str
    certainty: str
    filters: Mapping[str, str]
    columns: Sequence[Column]
    charts: BoardCharts
    runs: Sequence[RunSection]


def to_html(boards: Sequence[Board], evidence: Callable[[Row], Evidence], missing: Sequence[str] = ()) -> str:
    """One page; the same boards and evidence give the same bytes.

    Args:
        boards: Of one dataset, at least one.
        evidence: Gives what else there is of a row.
        missing: Sentences about what could not be drawn.

    Returns:
        HTML with style, script and pictures inside; its policy forbids whatever is not.
    """
    sections = [_section(number, board, evidence) for number, board in enumerate(boards, start=1)]
    photographs = any(picture.title == PHOTOGRAPH for one in _examples(sections) for picture in one.pictures)
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .from_string(_asset("page.jinja"))
        .render(
            title=boards[0].dataset_title,
            sections=sections,
            filters=_filters(sections),
            missing=missing,
            commands=commands(boards),
            photographs=photographs,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            percent=percent,
        )
    )


def _examples(sections: Sequence[BoardSection]) -> list[Example]:
    return [one for section in sections for run in section.runs for one in run.evidence.examples]


@cache
def _asset(name: str) -> str:
    return resources.files("segbench.leaderboard").joinpath(name).read_text(encoding="utf-8")


def _environment() -> Environment:
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and nothing runs but this very style and script."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _filters(sections: Sequence[BoardSection]) -> dict[str, list[str]]:
    """Values to choose from, where there is a choice."""
    found = {name: list(dict.fromkeys(one.filters[name] for one in sections)) for name in sections[0].filters}
    recipes = sorted({row.record.recipe.variant for one in sections for row in one.board.rows})
    return {name: values for name, values in {**found, "recipe": recipes}.items() if len(values) > 1}


def _section(number: int, board: Board, evidence: Callable[[Row], Evidence]) -> BoardSection:
    found = [evidence(row) for row in board.rows]
    named = keys(board)
    runs = [
        _run(board, row, key_evidence, run_charts(board, row, named[row.run_id], key_evidence.tallies))
        for row, key_evidence in zip(board.rows, found, strict=True)
    ]
    sweeps = {row.run_id: one.tolerance_curve for row, one in zip(board.rows, found, strict=True)}
    return BoardSection(
        board=board,
        number=number,
        title=board_title(board),
        protocol=protocol_text(board.protocol),
        certainty="" if board.resampling is None else certainty_text(board.resampling),
        filters=_filter_values(board),
        columns=page_table(board, named),
        charts=board_charts(board, named, sweeps),
        runs=runs,
    )


def _filter_values(board: Board) -> dict[str, str]:
    protocol = board.protocol
    boundary = protocol.boundary
    rules = f"{boundary.rule}, {boundary.void}, {boundary.average}, {boundary.tolerance:g} {boundary.unit}"
    return {
        "protocol": f"{protocol.name} {protocol.version} (BF {rules})",
        "size": size_text(protocol.size),
        "scale": board.scale,
    }


def _run(board: Board, row: Row, evidence: Evidence, charts: RunCharts) -> RunSection:
    colours = list(zip(board.class_names, evidence.palette, strict=False))
    errors = list(zip(("right", "wrong", "void"), ERROR_COLOURS, strict=True))
    truth = any(picture.title == "Errors" for one in evidence.examples for picture in one.pictures)
    swatches = [(name, _swatch(colour)) for name, colour in [*colours, *(errors if truth else [])]]
    return RunSection(row, charts, evidence, _facts(row), swatches)


def _swatch(colour: Colour) -> Markup:
    box = element("rect", width=12, height=12, rx=2, fill="#{:02x}{:02x}{:02x}".format(*colour))
    return element("svg", box, class_="chip", viewBox="0 0 12 12", width="12", height="12", aria_hidden="true")


def _facts(row: Row) -> dict[str, str]:
    record = row.record
    size, steps = record.recipe.input_size, max(record.curve.iteration, default=0)
    facts: dict[str, Any] = {
        "Run": row.run_id,
        "Model": row.model,
        "Recipe": f"{row.recipe}, seed {row.seed}",
        "Rank": "" if row.place is None else rank_text(row.place.rank, row.place.tied),
        "Input": "as prepared" if size is None else size_text(size),
        "Training": f"{row.epochs} epochs, {steps:,} steps, {duration(row.wall_time_s)}",
        "Weights": f"{row.parameters:,} parameters, sha256 {record.weights_sha256[:12]}…",
        "Finished": record.created[:16].replace("T", " "),
        "Machine": machine(record.environment),
    }
    return {name: str(value) for name, value in facts.items() if value}
