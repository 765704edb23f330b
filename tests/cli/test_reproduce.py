"""``segbench reproduce``: the plan, the budget, and a suite run from nothing to its table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import RECIPE, Segbench
from tests.leaderboard import examples

SUITE = """
version = 1
name = "toy-table"
title = "Toy"
source = "A paper, Table 9"
size = [360, 480]
training = "SGD"
settings = { "evaluate.training_split" = true }
[balancings.natural]
"loss.class_weights" = "none"
[balancings.median-frequency]
"loss.class_weights" = "median-frequency"
[scales.smoke]
dataset = "toy"
recipe = "tiny"
reason = "another dataset"
settings = { "train.iterations" = 3 }
[[rows]]
model = "bilinear-interpolation"
natural = { test = [0.4, 0.3, 0.2, 0.1], train = [0.9, 0.8, 0.7] }
median-frequency = { test = [0.4, 0.3, 0.2, 0.1], train = [0.9, 0.8, 0.7] }
[[rows]]
model = "fcn-basic"
natural = { test = [0.4, 0.3, 0.2, 0.1], train = [0.9, 0.8, 0.7] }
median-frequency = { test = [0.4, 0.3, 0.2, 0.1], train = [0.9, 0.8, 0.7] }
"""
COMMAND = ("reproduce", "toy-table", "--scale", "smoke")
ONE = ("--only", "bilinear-interpolation/natural")


@pytest.fixture
def suite(segbench: Segbench, toy_dataset: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of two networks on a prepared toy dataset, found as the shipped ones are."""
    assert segbench("prepare", "toy", "--size", "32x48", "--quiet").code == 0
    for name in ("toy", "suites"):
        Path("recipes", name).mkdir(parents=True)
    for model in ("bilinear-interpolation", "fcn-basic"):
        Path(f"recipes/toy/{model}.tiny.toml").write_text(RECIPE.format(model=model), encoding="utf-8")
    Path("recipes/suites/toy-table.toml").write_text(SUITE, encoding="utf-8")
    folder = Path("recipes").absolute()
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: folder)


@pytest.mark.usefixtures("suite")
def test_a_suite_is_run_once_and_set_beside_the_paper(segbench: Segbench) -> None:
    code, out, err = segbench(*COMMAND, *ONE, "--json")
    assert code == 0, err
    found = json.loads(out)
    (row,) = found["rows"]
    assert (row["model"], row["balancing"]) == ("bilinear-interpolation", "natural")
    assert row["test"]["mean_iou"]["paper"] == 0.2
    assert row["test"]["mean_iou"]["delta"] == pytest.approx(row["test"]["mean_iou"]["ours"] - 0.2)
    assert row["train"]["mean_iou"]["ours"] is not None
    assert len(found["missing"]) == 3
    table = Path("leaderboards/toy-table-smoke.md")
    assert f"Table    {table}\n" in err
    before = table.read_bytes()

    states = [cell["state"] for cell in json.loads(segbench(*COMMAND, "--dry-run", "--json").out)["cells"]]
    assert states == ["done", "new", "new", "new"]
    again = segbench(*COMMAND, *ONE)
    assert again.code == 0
    assert "toy-table, scale smoke, natural balancing" in again.out
    assert max(map(len, again.out.splitlines())) <= 80
    assert table.read_bytes() == before
    assert segbench("leaderboard", "--check").code == 0


@pytest.mark.usefixtures("suite")
def test_the_plan_tells_how_long_it_takes_here(segbench: Segbench) -> None:
    cells = json.loads(segbench(*COMMAND, "--dry-run", "--json").out)["cells"]
    assert [(cell["model"], cell["balancing"]) for cell in cells] == [
        ("bilinear-interpolation", "natural"),
        ("fcn-basic", "natural"),
        ("bilinear-interpolation", "median-frequency"),
        ("fcn-basic", "median-frequency"),
    ]
    assert all(0 < cell["seconds"] < 60 for cell in cells)
    assert not Path("runs").exists()
    assert "Training and scoring that is left" in segbench(*COMMAND, "--dry-run").out


@pytest.mark.usefixtures("suite")
def test_networks_are_timed_once_whatever_their_balancing(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    from segbench.engine import pipeline

    timed: list[str] = []

    def estimate_training(cell: Any, device: str) -> float:
        timed.append(cell.recipe.model)
        return 2.0

    monkeypatch.setattr(pipeline, "estimate_training", estimate_training)
    cells = json.loads(segbench(*COMMAND, "--dry-run", "--json").out)["cells"]
    assert timed == ["bilinear-interpolation", "fcn-basic"]
    assert [cell["seconds"] for cell in cells] == [2.0] * 4


@pytest.mark.usefixtures("suite")
def test_seeds_are_those_of_the_suite_unless_others_are_asked_for(segbench: Segbench) -> None:
    path = Path("recipes/suites/toy-table.toml")
    more = SUITE.replace("reason =", 'more_seeds = { "fcn-basic" = [3] }\nreason =')
    path.write_text(more, encoding="utf-8")

    def runs(*options: str) -> list[tuple[str, str, int]]:
        cells = json.loads(segbench(*COMMAND, "--dry-run", "--json", *options).out)["cells"]
        return [(cell["model"], cell["balancing"], cell["seed"]) for cell in cells]

    assert [seed for *_, seed in runs()] == [0, 0, 0, 0, 3, 3]
    assert runs("--only", "fcn-basic/natural") == [("fcn-basic", "natural", 0), ("fcn-basic", "natural", 3)]
    assert runs("--only", "fcn-basic/natural", "--seeds", "7") == [("fcn-basic", "natural", 7)]


@pytest.mark.usefixtures("suite")
def test_what_does_not_fit_into_the_budget_is_not_begun(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    from segbench.engine import pipeline

    begun: list[Any] = []
    seconds = {"bilinear-interpolation": 50.0, "fcn-basic": 5000.0}
    monkeypatch.setattr(pipeline, "estimate_training", lambda cell, device: seconds[cell.recipe.model])

    def run_cell(cell: Any, out: Path, **options: Any) -> Any:
        begun.append(cell.recipe.model)
        return pipeline.Result(examples.named(0.4, model=cell.recipe.model), out / "record.json", [], fresh=True)

    monkeypatch.setattr(pipeline, "run_cell", run_cell)
    code, out, err = segbench(*COMMAND, "--budget", "1min", "--json")
    assert (code, json.loads(out)["rows"]) == (0, [])
    assert begun == ["bilinear-interpolation"] * 2
    assert err.count("fcn-basic natural seed 0 did not fit into the budget; give the same command again.") == 1


@pytest.mark.usefixtures("suite")
def test_one_failure_does_not_stop_the_others(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    from segbench.engine import pipeline

    def fail(cell: Any, out: Path, **options: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pipeline, "run_cell", fail)
    code, _, err = segbench(*COMMAND)
    assert code == 1
    assert err.count("no space left") == 4


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--scale", "smoky"), "Unknown scale 'smoky' of toy-table. Did you mean smoke?"),
        (("--only", "fcn-basics"), "--only 'fcn-basics' is no run of toy-table. Did you mean fcn-basic"),
        (("--budget", "2 fortnights"), "--budget '2 fortnights' is no time. Give a number with s, m, min, h, d"),
        (("--seeds", "a"), "--seeds 'a' is not a list of whole numbers."),
    ],
)
def test_wrong_use_is_one_line(segbench: Segbench, arguments: tuple[str, ...], line: str) -> None:
    code, out, err = segbench("reproduce", "toy-table", "--scale", "smoke", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert line in err
