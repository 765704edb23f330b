"""Which images train a network and which select its weights: never those that are reported."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.data import raw_cache
from segbench.data.held_out import hold_out
from segbench.data.preparation import PreparedDataset
from segbench.engine.batches import Images
from segbench.progress import SILENT, Progress
from segbench.recipe import Recipe
from segbench.record import Selection

__all__ = ["TrainingImages", "selection", "training_images"]


@dataclass(frozen=True)
class TrainingImages:
    """What a training sees.

    Attributes:
        train: Trains.
        validation: Is watched, and selects unless the recipe takes the last weights; ``None`` where there is nothing.
    """

    train: Images
    validation: Images | None


def selection(recipe: Recipe, prepared: PreparedDataset) -> Selection:
    """What selects: nothing, the validation split, or a tenth of the training split.

    The training split gives a tenth of itself where there are no labels for validation, and where validation is what
    the recipe reports.
    """
    if recipe.train.select == "last":
        return "last"
    return "validation" if _has_validation(prepared) and recipe.evaluate.split != "validation" else "held-out"


def training_images(recipe: Recipe, prepared: PreparedDataset, progress: Progress = SILENT) -> TrainingImages:
    """The images of a training.

    Raises:
        DataError: Too few images to hold some out.
    """
    train = raw_cache.open_split(prepared, "train", progress)
    if selection(recipe, prepared) == "held-out":
        return TrainingImages(*hold_out(train))
    watched = raw_cache.open_split(prepared, "validation", progress) if _has_validation(prepared) else None
    return TrainingImages(train, watched)


def _has_validation(prepared: PreparedDataset) -> bool:
    found = prepared.manifest.splits.get("validation")
    return found is not None and found.labelled
