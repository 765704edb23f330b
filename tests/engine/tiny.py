"""A training small enough for tests: six drawn images of 32x48, networks of 8 maps a level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from segbench.engine.environment import Compute
from segbench.engine.training import Job
from segbench.models import create_model
from segbench.recipe import Recipe
from segbench.record import WeightsHeader

CLASSES = ("sky", "road", "car")
SIZE = (32, 48)
CPU = Compute(torch.device("cpu"), "fp32", "direct")


@dataclass
class Drawn:
    """``count`` images whose colour tells the class: sky above, road below, a car somewhere, a void row."""

    count: int = 6
    size: tuple[int, int] = SIZE
    first: int = 0

    @property
    def ids(self) -> list[str]:
        return [f"drawn_{index}" for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def label(self, index: int) -> NDArray[np.uint8]:
        height, width = self.size
        dice = np.random.default_rng(self.first + index)
        label = np.zeros(self.size, np.uint8)
        label[dice.integers(height // 3, height // 2) :] = 1
        left = int(dice.integers(0, width - 12))
        label[height // 2 : height // 2 + 8, left : left + 12] = 2
        label[-1] = 255
        return label

    def image(self, index: int) -> NDArray[np.uint8]:
        colours = np.zeros((256, 3))
        colours[:3] = (60, 120, 220), (110, 110, 110), (200, 40, 30)
        noise = np.random.default_rng(1000 + self.first + index).normal(0, 12, (*self.size, 3))
        return np.clip(colours[self.label(index)] + noise, 0, 255).astype(np.uint8)


def recipe(augment: dict[str, Any] | None = None, **train: Any) -> Recipe:
    """A recipe for the drawn images; keywords replace values of its ``train`` section."""
    values: dict[str, Any] = {"batch_size": 2, "lr": 0.05, "validate_every": 3}
    if "epochs" not in train:
        values["iterations"] = 9
    return Recipe.model_validate(
        {
            "model": "segnet-basic",
            "variant": "tiny",
            "dataset": "drawn",
            "dataset_variant": "small",
            "train": values | train,
            "augment": {"flip": True} if augment is None else augment,
        }
    )


def header(**values: Any) -> WeightsHeader:
    """A weights header for the drawn images; keywords replace its values."""
    plain = WeightsHeader(
        model="segnet-basic",
        num_classes=3,
        class_names=list(CLASSES),
        palette=[(0, 0, 255), (128, 64, 128), (255, 0, 0)],
        ignore_index=255,
        dataset="drawn",
        dataset_variant="small",
        dataset_fingerprint="f" * 16,
        input_size=None,
        recipe=recipe(),
        seed=0,
        iteration=0,
        config={"width": 8},
    )
    return plain.model_copy(update=values)


def job(folder: Path, settings: Recipe | None = None, **fields: Any) -> Job:
    """A training in ``folder``; keywords replace fields of the job."""
    torch.manual_seed(0)
    chosen = settings or recipe()
    plain = Job(
        model=create_model("segnet-basic", 3, width=8),
        recipe=chosen,
        header=header(recipe=chosen),
        train=Drawn(),
        validation=Drawn(2, first=100),
        class_weights=(0.5, 0.7, 3.0),
        compute=CPU,
        cell="a1b2c3d4e5f6",
        folder=folder,
    )
    return replace(plain, **fields)
