"""A reproduction as the terminal and ``--json`` show it."""

from __future__ import annotations

from typing import Any

from segbench.console import Cell, Column, Table
from segbench.leaderboard.convergence import converged, loss_fall
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.reproduction import Figure, Reproduction, ReproductionRow
from segbench.leaderboard.table import SHORT_NAMES
from segbench.leaderboard.wording import percent, points
from segbench.record import RunRecord

__all__ = ["reproduction_tables", "reproduction_values"]

LEGEND = "Percent; in brackets ours minus the paper's, in points."


def reproduction_tables(found: Reproduction) -> list[Table]:
    """One table a balancing."""
    reason = found.suite.scale(found.scale).reason
    notes = [f"No reproduction of the paper's numbers: {reason}." if reason else LEGEND]
    if reason:
        notes.append(LEGEND)
    groups = grouped(found.rows, lambda row: row.cell.balancing)
    return [_table(found, balancing, rows, notes) for balancing, rows in groups.items()]


def _table(found: Reproduction, balancing: str, rows: list[ReproductionRow], notes: list[str]) -> Table:
    columns = [Column("model", wide=True), *(Column(short, right=True) for short in SHORT_NAMES.values())]
    texts: list[list[str | Cell]] = [[row.cell.model, *(_text(row.test[name]) for name in SHORT_NAMES)] for row in rows]
    return Table(columns, texts, f"{found.suite.name}, scale {found.scale}, {balancing} balancing", notes)


def _text(figure: Figure) -> str:
    mark = {"agrees": " ✓", "better": " ▲", "worse": " ▼"}.get(figure.verdict or "", "")
    return f"{percent(figure.ours)} ({points(figure.delta)}){mark}"


def reproduction_values(found: Reproduction) -> dict[str, Any]:
    """JSON values; fractions."""
    return {
        "suite": found.suite.name,
        "scale": found.scale,
        "rows": [_row_values(row) for row in found.rows],
        "missing": [{"model": cell.model, "balancing": cell.balancing} for cell in found.missing],
        "correlations": [vars(one) for one in found.correlations],
        "seed_deviation": dict(found.seed_deviation),
    }


def _row_values(row: ReproductionRow) -> dict[str, Any]:
    return {
        "model": row.cell.model,
        "balancing": row.cell.balancing,
        "runs": [_run_values(run) for run in row.runs],
        "test": {name: _figure_values(figure) for name, figure in row.test.items()},
        "train": {name: _figure_values(figure) for name, figure in row.train.items()},
    }


def _run_values(run: RunRecord) -> dict[str, Any]:
    fall = loss_fall(run.curve)
    return {"seed": run.seed, "run_id": run.run_id, "loss_fall": fall, "converged": converged(run.curve)}


def _figure_values(figure: Figure) -> dict[str, Any]:
    ends = figure.interval
    return {
        "paper": figure.paper,
        "ours": figure.ours,
        "low": None if ends is None else ends.low,
        "high": None if ends is None else ends.high,
        "delta": figure.delta,
        "verdict": figure.verdict,
    }
