"""Handmade runs: label maps, their tallies, and records whose scores are those of the tallies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.metrics import Scorer
from segbench.recipe import PaperNumbers, Recipe
from segbench.record import ClassScores, Curve, Environment, Protocol, RunRecord, Scores, cell_id, run_id

CLASSES = ("sky", "road", "car")
PALETTE = ((0, 0, 255), (128, 64, 128), (255, 0, 0))
IMAGES = 4
EPOCHS = 2

LabelMap = NDArray[np.uint8]

RECIPE = Recipe.model_validate(
    {
        "model": "segnet-basic",
        "variant": "default",
        "dataset": "toy",
        "dataset_variant": "small",
        "input_size": [16, 24],
        "train": {"epochs": EPOCHS, "batch_size": 2, "lr": 0.1},
    }
)

PAPER = PaperNumbers(
    source="A paper, Table 1",
    size=(30, 41),
    training="SGD",
    comparable=True,
    global_accuracy=0.827,
    class_accuracy=0.62,
    mean_iou=0.5,
    boundary_f1=0.3578,
)

ENVIRONMENT = Environment(
    versions={"python": "3.12.1", "torch": "2.13.0"},
    device="cpu",
    cpu="A Processor",
    features=["amx_bf16"],
    threads=2,
    precision="bf16",
    convolution="direct",
    git_commit="0123456789abcdef0123",
    git_dirty=False,
)

CURVE = Curve(
    iteration=[2, 4],
    epoch=[1, 2],
    loss=[2.0, 1.0],
    global_accuracy=[0.4, 0.5],
    mean_iou=[0.3, 0.35],
    selected_iteration=4,
    wall_time_s=4321.0,
    images_per_s=12.34,
)


@dataclass(frozen=True)
class Run:
    """A run as the engine hands it over."""

    record: RunRecord
    scorer: Scorer
    labels: dict[str, LabelMap]
    predictions: dict[str, LabelMap]


def label_maps(seed: int) -> dict[str, LabelMap]:
    """Blocky maps of 30 x 41 pixels with all classes and some void."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice(np.array([0, 1, 2, 255], np.uint8), (IMAGES, 6, 9), p=[0.4, 0.3, 0.25, 0.05])
    fine = coarse.repeat(5, axis=1).repeat(5, axis=2)[:, :, :41]
    return {f"image-{index}": label for index, label in enumerate(fine)}


def guesses(labels: dict[str, LabelMap], seed: int, wrong: float = 0.2) -> dict[str, LabelMap]:
    """The labels with a share of their pixels, and all void ones, replaced by classes drawn at random."""
    rng = np.random.default_rng(seed)
    found = {}
    for image_id, label in labels.items():
        drawn = rng.integers(0, len(CLASSES), label.shape, dtype=np.uint8)
        found[image_id] = np.where((label == 255) | (rng.random(label.shape) < wrong), drawn, label)
    return found


def scored(labels: dict[str, LabelMap], predictions: dict[str, LabelMap], protocol: Protocol | None = None) -> Scorer:
    """A scorer that has seen all images."""
    scorer = Scorer(CLASSES, protocol)
    for image_id, label in labels.items():
        scorer.update(image_id, label, predictions[image_id])
    return scorer


def run(seed: int = 0, wrong: float = 0.2, recipe: Recipe = RECIPE, **changes: Any) -> Run:
    """A run with predictions of its own; ``changes`` replace values of its record."""
    labels = label_maps(0)
    predictions = guesses(labels, seed, wrong)
    scorer = scored(labels, predictions)
    return Run(record(scorer.scores(), recipe, seed=seed, **changes), scorer, labels, predictions)


def record(scores: Scores, recipe: Recipe = RECIPE, weights: str = "ab" * 32, **changes: Any) -> RunRecord:
    """A record of ``scores``; its ids follow from its contents unless ``changes`` name them."""
    fingerprint, seed = changes.get("dataset_fingerprint", "cd" * 32), changes.get("seed", 0)
    cell = cell_id(recipe, fingerprint, seed)
    values: dict[str, Any] = {
        "run_id": run_id(cell, weights, scores.protocol),
        "cell_id": cell,
        "created": "2026-01-02T03:04:05+00:00",
        "model": recipe.model,
        "paper_name": {"segnet-basic": "SegNet-Basic", "fcn-basic": "FCN-Basic"}.get(recipe.model, recipe.model),
        "dataset": recipe.dataset,
        "dataset_variant": recipe.dataset_variant,
        "dataset_title": "Toy",
        "split": "test",
        "recipe": recipe,
        "scale": "full",
        "seed": seed,
        "encoder_weights": "random",
        "dataset_fingerprint": fingerprint,
        "dataset_partial": False,
        "weights_sha256": weights,
        "parameters": 1_416_587,
        "convolution_weights": 1_415_040,
        "paper_parameters": 1_425_000,
        "scores": scores,
        "validation": {"global_accuracy": 0.5, "class_accuracy": 0.4, "mean_iou": 0.35},
        "curve": CURVE,
        "environment": ENVIRONMENT,
    }
    return RunRecord.model_validate(values | changes)


def scores(mean_iou: float | None, boundary_f1: float | None = 0.25, **changes: Any) -> Scores:
    """Scores of three classes with these two figures."""
    per_class = {
        "sky": ClassScores(accuracy=0.9123, iou=0.8123, boundary_f1=0.7123, pixels=500),
        "road": ClassScores(accuracy=0.6, iou=0.5, boundary_f1=None, pixels=300),
        "car": ClassScores(accuracy=None, iou=None, boundary_f1=None, pixels=200),
    }
    values: dict[str, Any] = {
        "global_accuracy": 0.8349,
        "class_accuracy": 0.6251,
        "mean_iou": mean_iou,
        "boundary_f1": boundary_f1,
        "per_class": per_class,
        "num_images": IMAGES,
        "num_pixels": 1000,
        "protocol": Protocol(size=(30, 41)),
    }
    return Scores.model_validate(values | changes)


def named(
    mean_iou: float | None, boundary_f1: float | None = 0.25, model: str = "segnet-basic", **changes: Any
) -> RunRecord:
    """A record with these figures; ``changes`` replace values of the record."""
    recipe = changes.pop("recipe", RECIPE).model_copy(update={"model": model})
    return record(scores(mean_iou, boundary_f1), recipe, **changes)


def with_paper(**changes: Any) -> Recipe:
    """The recipe with the paper's numbers."""
    return RECIPE.model_copy(update={"paper": PAPER.model_copy(update=changes)})
