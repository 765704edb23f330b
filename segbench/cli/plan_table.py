"""The plan of a grid as the command line shows it, and what it calls a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segbench.console import Cell as Text
from segbench.console import Column, Table, byte_size

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.launch.cell_files import Failure
    from segbench.launch.plan import Planned

__all__ = ["cell_values", "failure_values", "plan_table", "plan_values", "run_name"]


def run_name(cell: Cell) -> str:
    """What people call a cell."""
    return f"{cell.recipe.label} seed {cell.seed}"


def cell_values(cell: Cell, state: str) -> dict[str, Any]:
    """What a cell is, as JSON values."""
    return {
        "cell_id": cell.cell_id,
        "model": cell.recipe.model,
        "recipe": cell.recipe.variant,
        "dataset": cell.recipe.dataset,
        "dataset_variant": cell.recipe.dataset_variant,
        "seed": cell.seed,
        "encoder_weights": cell.start.encoder_weights,
        "initial_weights": cell.start.initial_weights,
        "folder": str(cell.folder),
        "state": state,
    }


def failure_values(cell: Cell, failure: Failure) -> dict[str, Any]:
    """A failed cell as JSON values, with the reason and where the traceback is."""
    return {
        **cell_values(cell, "failed"),
        "error": failure.error,
        "step": failure.step,
        "time": failure.time,
        "log": str(cell.folder / failure.log),
    }


def plan_values(plan: Sequence[Planned]) -> dict[str, Any]:
    """The plan as JSON values; times are seconds of training."""
    return {
        "cells": [_planned_values(one) for one in plan],
        "left": sum(one.state != "done" for one in plan),
        "seconds": round(_total_seconds(plan), 3),
    }


def _planned_values(one: Planned) -> dict[str, Any]:
    from segbench.launch.plan import facts_of

    return {
        **cell_values(one.cell, one.state),
        "record": one.record,
        "iterations": facts_of(one.cell).iterations,
        "seconds": None if one.seconds is None else round(one.seconds, 3),
        "memory_mib": one.memory_mib,
        "claim": None if one.claim is None else {"pid": one.claim.pid, "age_s": round(one.claim.age_s, 1)},
        "failure": None if one.failure is None else failure_values(one.cell, one.failure),
    }


def _total_seconds(plan: Sequence[Planned]) -> float:
    return sum(one.seconds or 0.0 for one in plan)


def plan_table(plan: Sequence[Planned]) -> Table:
    """The plan as people read it; the memory of training where a profile of the network tells it."""
    from segbench.leaderboard.wording import duration

    columns = [Column("run", wide=True), Column("seed", right=True), Column("cell"), Column("state"), Column("record")]
    columns += [Column("time", right=True)]
    measured = any(one.memory_mib is not None for one in plan)
    columns += [Column("memory", right=True)] if measured else []
    rows = [[*_cells(one), *([_memory(one)] if measured else [])] for one in plan]
    title = f"{len(plan)} run{'s' if len(plan) > 1 else ''}"
    total = f"Training and scoring that is left, by a few steps timed here: {duration(_total_seconds(plan))}."
    profiled = ["Memory of a training step, by the newest profile of the network."] if measured else []
    reasons = [f"{run_name(one.cell)} failed: {one.failure.error}" for one in plan if one.failure is not None]
    return Table(columns, rows, title, [total, *profiled, *reasons, *(f"Folder: {one.cell.folder}" for one in plan)])


def _cells(one: Planned) -> list[str | Text]:
    from segbench.leaderboard.wording import duration

    left = "" if one.state == "done" else "?" if one.seconds is None else duration(one.seconds)
    state = Text(one.state, dim=one.state == "done")
    return [one.cell.recipe.label, f"{one.cell.seed}", one.cell.cell_id, state, one.record or "", left]


def _memory(one: Planned) -> str:
    return "" if one.memory_mib is None else byte_size(one.memory_mib * 2**20)
