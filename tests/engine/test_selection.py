"""What selects the weights of a run, and what it reports."""

from __future__ import annotations

from typing import Any

import pytest

from segbench.data.held_out import is_held_out
from segbench.data.preparation import PreparedDataset, prepare
from segbench.data.sample import Sample
from segbench.engine.selection import selection, training_images
from segbench.recipe import Recipe
from tests.data import toy
from tests.data.conftest import home, toy_dataset  # noqa: F401  fixtures
from tests.engine import tiny

NONE: list[Sample] = []


def samples(first: int, count: int) -> list[Sample]:
    return [toy.sample(position, (32, 32)) for position in range(first, first + count)]


def prepared(opened: list[toy.ToySource], *splits: str) -> PreparedDataset:
    """The toy dataset with 30 training images, of which toy_002, toy_023 ... are held out, and other splits of two."""
    groups = {"train": samples(0, 30)} | {name: samples(100 * place, 2) for place, name in enumerate(splits, 1)}
    opened.append(toy.ToySource(groups))
    return prepare("toy", jobs=1)


def recipe(select: str, split: str) -> Recipe:
    values: dict[str, Any] = tiny.recipe(select=select, iterations=2, validate_every=2).model_dump(mode="json")
    return Recipe.model_validate(values | {"dataset": "toy", "evaluate": {"split": split}})


@pytest.mark.parametrize(
    ("splits", "select", "split", "selects", "counts"),
    [
        (("validation", "test"), "mean_iou", "test", "validation", (30, 2)),
        (("validation", "test"), "last", "test", "last", (30, 2)),
        (("test",), "last", "test", "last", (30, None)),
        (("test",), "mean_iou", "test", "held-out", None),
        # What is reported does not select.
        (("validation",), "mean_iou", "validation", "held-out", None),
        (("validation",), "last", "validation", "last", (30, 2)),
    ],
)
def test_what_selects(
    toy_dataset: list[toy.ToySource],  # noqa: F811
    splits: tuple[str, ...],
    select: str,
    split: str,
    selects: str,
    counts: tuple[int, int | None] | None,
) -> None:
    dataset, chosen = prepared(toy_dataset, *splits), recipe(select, split)
    assert selection(chosen, dataset) == selects
    images = training_images(chosen, dataset)
    found = len(images.train), None if images.validation is None else len(images.validation)
    held = sum(is_held_out(f"toy_{position:03d}") for position in range(30))
    assert held > 0
    assert found == (counts or (30 - held, held))
    if counts is None:
        assert images.validation is not None
        assert all(map(is_held_out, images.validation.ids))
        assert not any(map(is_held_out, images.train.ids))
