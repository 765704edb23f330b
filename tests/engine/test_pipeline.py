"""From a recipe to a record and back to a network, on 30 images of noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segbench.data.preparation import prepare
from segbench.engine.checkpoint import WEIGHTS_FILE, load_model, load_weights
from segbench.engine.pipeline import Result, evaluate, find_cell, run_cell
from segbench.errors import CheckpointError, UsageError
from segbench.models.bayesian import Bayesian
from segbench.recipe import Recipe, override
from tests.data import toy
from tests.data.conftest import home, toy_dataset  # noqa: F401  fixtures
from tests.engine import tiny


@pytest.fixture(autouse=True)
def prepared(toy_dataset: list[toy.ToySource]) -> None:  # noqa: F811
    """Toy images of 32x32: 30 to train, two to validate."""
    groups = {
        name: [toy.sample(position, (32, 32)) for position in range(first, first + count)]
        for name, first, count in (("train", 0, 30), ("validation", 100, 2))
    }
    toy_dataset.append(toy.ToySource(groups))
    prepare("toy", jobs=1)


def recipe(**values: Any) -> Recipe:
    """Two steps of a thin Bayesian SegNet-Basic."""
    plain: dict[str, Any] = tiny.recipe(iterations=2, validate_every=2, precision="fp32").model_dump(mode="json")
    plain |= {"dataset": "toy", "model": "bayesian-segnet-basic", "evaluate": {"split": "validation"}}
    return Recipe.model_validate(plain | {"options": {"width": 4, "samples": 2}} | values)


def run(folder: Path, chosen: Recipe) -> tuple[Result, Path]:
    """The result of a run, and the folder of its weights."""
    cell = find_cell(chosen, 0, folder)
    return run_cell(cell, folder, device="cpu"), cell.folder


def test_options_reach_the_network_its_weights_and_its_record(tmp_path: Path) -> None:
    result, weights = run(tmp_path, recipe())
    model = load_model(weights)
    assert isinstance(model, Bayesian)
    assert model.samples == 2
    assert load_weights(weights / WEIGHTS_FILE)[1].config == result.record.recipe.options == {"width": 4, "samples": 2}
    assert result.record.parameters == sum(parameter.numel() for parameter in model.parameters()) < 10_000


def test_a_record_says_what_selected(tmp_path: Path) -> None:
    record = run(tmp_path, recipe())[0].record
    assert (record.selection, record.split, record.scores.num_images) == ("held-out", "validation", 2)
    assert record.validation is not None
    assert record.validation["mean_iou"] == record.curve.mean_iou[-1]


def test_weights_are_evaluated_with_other_options(tmp_path: Path) -> None:
    result, weights = run(tmp_path, recipe())
    assert evaluate(weights, "toy", split="validation", device="cpu") == result.record.scores
    again = evaluate(weights, "toy", split="validation", options={"samples": 2}, device="cpu")
    assert again == result.record.scores
    more = evaluate(weights, "toy", split="validation", options={"samples": 9}, device="cpu")
    assert more != result.record.scores
    with pytest.raises(CheckpointError, match="does not fit bayesian-segnet-basic"):
        evaluate(weights, "toy", split="validation", options={"width": 5}, device="cpu")


def test_an_option_that_does_not_exist_is_said_before_training(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^bayesian-segnet-basic has no option 'sample'\. Did you mean samples\?"):
        find_cell(recipe(options={"sample": 3}), 0, tmp_path)


def test_options_decide_the_cell(tmp_path: Path) -> None:
    options: list[dict[str, Any]] = [{}, {"width": 4}, {"width": 4, "samples": 2}, {"width": 4, "samples": 3}]
    assert len({find_cell(recipe(options=each), 0, tmp_path).cell_id for each in options}) == 4


def test_a_recipe_asks_for_checkpointing_and_compilation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("segbench.engine.pipeline.compile_network", lambda model: asked.append("compile"))
    monkeypatch.setattr("segbench.engine.pipeline.checkpoint_chains", lambda model: asked.append("checkpointing"))
    monkeypatch.setattr("shutil.which", lambda name: name)
    run(tmp_path / "plain", recipe())
    assert asked == []
    chosen = override(recipe(), ["train.checkpointing=true", "train.compile=true"])
    record = run(tmp_path / "both", chosen)[0].record
    assert asked == ["checkpointing", "compile"]
    assert record.environment.compiled
