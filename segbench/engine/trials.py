"""A trial: a recipe with some settings changed, trained and scored on the validation split alone."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from segbench.engine.pipeline import Cell, compute_of, train_cell
from segbench.errors import NonFiniteLossError
from segbench.progress import SILENT, Progress
from segbench.record import Trial

__all__ = ["run_trial"]


def run_trial(
    cell: Cell, recipe: str, settings: Mapping[str, JsonValue], *, device: str = "auto", progress: Progress = SILENT
) -> Trial:
    """Trains a cell, or finishes what was begun; the test split is neither opened nor scored.

    Args:
        cell: Of the recipe with the settings changed.
        recipe: The recipe without them, as ``model.variant``.
        settings: What was changed, by key.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The trial; a training whose loss becomes infinite has diverged, which is a result.
    """
    trial = Trial(settings=dict(settings), validation={}, recipe=recipe, cell_id=cell.cell_id)
    try:
        scores = train_cell(cell, compute_of(cell, device), progress).validation or {}
    except NonFiniteLossError as error:
        progress.message(f"{error}")
        return trial.model_copy(update={"diverged": True})
    return trial.model_copy(update={"validation": {name: one for name, one in scores.items() if one is not None}})
