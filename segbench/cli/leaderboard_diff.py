"""``segbench leaderboard --diff OLD``: what changed since, as a table; a fall ends with exit code 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from segbench.cli.outcome import FAILED
from segbench.console import Cell, Column, Console, Table
from segbench.errors import UsageError
from segbench.leaderboard.regression import LEAST_FALL, Change, Entry, RowChange, entries, regressions
from segbench.leaderboard.table import SHORT_NAMES
from segbench.leaderboard.wording import UNDEFINED, percent, points

__all__ = ["parse_tolerance", "show_diff"]


def parse_tolerance(text: str | None) -> float | None:
    """Points as a fraction.

    Raises:
        UsageError: It is no number of at least 0.
    """
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise UsageError(f"--tolerance '{text}' is no number of points from 0 to 100.", "Example: --tolerance 0.5")
    return found / 100


def show_diff(console: Console, old: Path, root: Path, dataset: str | None, tolerance: float | None) -> None:
    """Shows what changed from ``old`` to the boards at ``root``.

    Raises:
        typer.Exit: A score fell.
    """
    before, after = ([one for one in entries(path) if dataset in (None, one.place[0])] for path in (old, root))
    if old.is_file():  # a table of one dataset says nothing of the others
        known = {one.place[0] for one in before}
        after = [one for one in after if one.place[0] in known]
    rows = regressions(before, after, tolerance)
    counts = Counter(row.state for row in rows)
    console.result(
        lambda: {"ok": not counts["fell"], "counts": dict(counts), "rows": [_values(row) for row in rows]},
        *_tables(rows, f"{old} to {root}", tolerance),
        _sentence(counts),
    )
    if counts["fell"]:
        raise typer.Exit(FAILED)


def _sentence(counts: Counter[str]) -> str:
    names = {"fell": "fell", "changed": "changed otherwise", "same": "unchanged", "new": "new", "vanished": "vanished"}
    return f"Runs: {', '.join(f'{counts[state]} {name}' for state, name in names.items())}."


def _tables(rows: Sequence[RowChange], title: str, tolerance: float | None) -> list[Table]:
    shown = [row for row in rows if row.state != "same"]
    if not shown:
        return []
    several = len({row.shown.place for row in shown}) > 1
    columns = [
        Column("run", wide=True),
        *(Column(short, right=True) for short in SHORT_NAMES.values()),
        Column("state"),
        Column("id"),
    ]
    cells = [[_name(row.shown, several), *_scores(row), row.state, row.shown.run_id] for row in shown]
    return [Table(columns, cells, title, _legend(tolerance))]


def _name(entry: Entry, several: bool) -> str:
    where = f"{entry.place[0]} {entry.place[3]} " if several else ""
    return f"{where}{entry.model} {entry.recipe} seed {entry.seed}"


def _scores(row: RowChange) -> list[str | Cell]:
    if not row.changes:
        return [Cell(percent(value), dim=row.state == "vanished") for value in row.shown.scores.values()]
    return [_score(change) for change in row.changes.values()]


def _score(change: Change) -> str:
    """The new score, below it the difference; ``!`` marks a fall."""
    second = "lost" if change.new is None and change.old is not None else points(change.difference)
    mark = "!" if change.fell else ""
    return percent(change.new) + ("" if second == UNDEFINED else f"\n{second}{mark}")


def _legend(tolerance: float | None) -> list[str]:
    rule = (
        "the paired 95 % interval of the difference lies below 0; without counts per image on both sides, a fall by "
        f"more than {100 * LEAST_FALL:g} points"
        if tolerance is None
        else f"a fall by more than {100 * tolerance:g} points"
    )
    return [f"Percent; below it the difference from the old score in points. !: fell, {rule}."]


def _values(row: RowChange) -> dict[str, Any]:
    shown = row.shown
    return {
        "state": row.state,
        "dataset": shown.place[0],
        "dataset_variant": shown.place[1],
        "split": shown.place[2],
        "scale": shown.place[3],
        "model": shown.model,
        "recipe": shown.recipe,
        "seed": int(shown.seed),
        "old_run_id": row.old.run_id if row.old else None,
        "new_run_id": row.new.run_id if row.new else None,
        "old": row.old.scores if row.old else None,
        "new": row.new.scores if row.new else None,
        "changes": {name: asdict(change) for name, change in row.changes.items()},
    }
