"""Suites: every shipped one resolves to runs, and wrong ones are answered in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.errors import RecipeError, UnknownNameError
from segbench.recipe import find_recipe, list_suites
from segbench.record import SCORE_NAMES, cell_id
from segbench.suite import Suite, find_suite, load_suite

every_suite = pytest.mark.parametrize("path", list_suites(), ids=lambda path: path.stem)

TOY = """
version = 1
name = "toy"
title = "Toy"
source = "nowhere"
size = [360, 480]
training = "none"
[balancings.natural]
"loss.class_weights" = "none"
[scales.smoke]
dataset = "synthetic-roads"
recipe = "default"
reason = "another dataset"
settings = { "train.epochs" = 2 }
[[rows]]
model = "fcn-basic"
natural = { test = [0.4, 0.3, 0.2, 0.1], train = [0.9, 0.8, 0.7] }
"""


def toy(tmp_path: Path, old: str = "", new: str = "") -> Path:
    path = tmp_path / "toy.toml"
    assert old in TOY
    path.write_text(TOY.replace(old, new) if old else TOY, encoding="utf-8")
    return path


@every_suite
def test_every_run_of_every_scale_is_a_cell_of_its_own(path: Path) -> None:
    suite = load_suite(path)
    assert suite.name == path.stem
    cells = [cell for scale in suite.scales for cell in suite.cells(scale)]
    assert len(cells) == len(suite.scales) * len(suite.rows) * len(suite.balancings)
    assert len({cell_id(cell.recipe, "f" * 16, 0) for cell in cells}) == len(cells)
    for cell in cells:
        assert (cell.recipe.model, cell.recipe.variant) == (cell.model, cell.scale)
        assert cell.recipe.dataset == suite.scales[cell.scale].dataset
        assert cell.recipe.paper is not None
        assert cell.recipe.paper.comparable == suite.scales[cell.scale].verdicts
        assert tuple(getattr(cell.recipe.paper, name) for name in SCORE_NAMES) == cell.printed.test


def test_table_1_agrees_with_the_recipes_that_were_written_apart_from_it() -> None:
    suite = find_suite("segnet-table1")
    balanced = [cell for cell in suite.cells("full") if cell.balancing == "median-frequency"]
    assert len(balanced) == len(suite.rows) == 8
    for cell in balanced:
        paper = find_recipe(cell.model, "camvid", "paper").paper
        assert paper is not None and cell.recipe.paper is not None
        assert tuple(getattr(paper, name) for name in SCORE_NAMES) == cell.printed.test


def test_scales_of_table_1_are_what_they_are_called() -> None:
    suite = find_suite("segnet-table1")
    full, short, half = (suite.cells(name)[0].recipe for name in ("full", "short", "half"))
    assert (full.input_size, full.train.iterations, full.train.validate_every) == (None, 6000, 1000)
    assert (short.input_size, short.train.iterations, short.train.validate_every) == (None, 1500, 250)
    assert (half.input_size, half.train.epochs, half.train.iterations) == ((180, 240), 40, None)
    assert {recipe.train.batch_size for recipe in (full, short, half)} == {12}
    assert {recipe.train.lr for recipe in (full, short, half)} == {0.1}
    assert all(recipe.evaluate.training_split for recipe in (full, short, half))


def test_a_balancing_changes_the_loss_alone() -> None:
    natural, balanced = (
        next(cell.recipe for cell in find_suite("segnet-table1").cells("half") if cell.balancing == name)
        for name in ("natural", "median-frequency")
    )
    assert natural.loss.class_weights == "none"
    assert natural.model_copy(update={"loss": balanced.loss, "paper": balanced.paper}) == balanced


def test_full_scale_runs_every_cell_once_before_the_seeds_that_tell_the_spread() -> None:
    suite = find_suite("segnet-table1")
    runs = suite.runs("full")
    assert [seed for _, seed in runs[:16]] == [0] * 16
    assert [cell for cell, _ in runs[:16]] == suite.cells("full")
    assert [(cell.model, cell.balancing, seed) for cell, seed in runs[16:]] == [
        (model, balancing, seed)
        for balancing in ("median-frequency", "natural")
        for model in ("segnet-basic", "fcn-basic")
        for seed in (1, 2)
    ]
    assert [seed for _, seed in suite.runs("half")] == [0] * 16


def test_names_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown suite 'segnet-table2'\. Did you mean segnet-table1\?"):
        find_suite("segnet-table2")
    with pytest.raises(UnknownNameError, match=r"Unknown scale 'smoky' of toy\. Did you mean smoke\?"):
        load_suite(toy(tmp_path)).cells("smoky")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("natural = {", "balanced = {", "row fcn-basic has balanced, not natural"),
        ('reason = "another dataset"', 'reason = ""', "a scale has verdicts, or a reason why it has none"),
        ("reason =", 'more_seeds = { "fcn" = [1] }\nreason =', "scale smoke has seeds of 'fcn', which has no row"),
        ("reason =", 'more_seeds = { "fcn-basic" = [0] }\nreason =', "scales.smoke.more_seeds.fcn-basic.0"),
        ("size =", 'notes = [""]\nsize =', "notes.0"),
        ("0.4, 0.3", "40, 0.3", "rows.0.printed.natural.test.0"),
        ('title = "Toy"', 'titel = "Toy"', "title"),
        ("version = 1", "version = ", "is not valid TOML"),
    ],
)
def test_a_wrong_suite_is_one_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(RecipeError, match=line) as raised:
        load_suite(toy(tmp_path, old, new))
    assert "toy.toml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_setting_that_no_recipe_has_is_refused(tmp_path: Path) -> None:
    suite: Suite = load_suite(toy(tmp_path, '"train.epochs" = 2', '"train.epoch" = 2'))
    with pytest.raises(RecipeError, match=r"train\.epoch"):
        suite.cells("smoke")
