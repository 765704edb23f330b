"""What is listed is what is registered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segbench.recipe import list_recipes
from segbench.registry import DATASETS, MODELS
from tests.cli.conftest import Segbench


def test_models(segbench: Segbench) -> None:
    code, out, err = segbench("list", "models", "--json")
    assert (code, err) == (0, "")
    listed = {row["name"]: row for row in json.loads(out)}
    assert [*listed] == [*MODELS]
    assert listed["segnet-basic"]["parameters"] == 1_416_587
    assert listed["segnet-basic"]["paper_name"] == "SegNet-Basic"


def test_the_table_of_models_fits_and_keeps_names_whole(segbench: Segbench) -> None:
    code, out, _ = segbench("list", "models")
    assert code == 0
    assert {line.split(" ")[0] for line in out.splitlines()} >= {*MODELS}
    assert "1,416,587" in out
    assert max(map(len, out.splitlines())) <= 80


def test_datasets_say_whether_they_are_prepared(segbench: Segbench, toy_dataset: None) -> None:
    assert segbench("prepare", "toy").code == 0
    rows = {row["name"]: row for row in json.loads(segbench("list", "datasets", "--json").out)}
    assert [*rows] == [*DATASETS]
    variants = {variant["name"]: variant for variant in rows["toy"]["variants"]}
    assert [variants[name]["prepared"] for name in ("small", "other")] == [True, False]
    folder = Path(variants["small"]["folder"])
    assert variants["small"]["num_bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    text = segbench("list", "datasets", "--dataset", "toy").out
    assert text.count("not prepared") == 1
    assert "CC0-1.0" in text and "Nobody 2026" in text and "camvid" not in text


def test_recipes_are_those_of_the_files(segbench: Segbench) -> None:
    rows = json.loads(segbench("list", "recipes", "--json").out)
    assert [(row["dataset"], row["name"]) for row in rows] == [(path.parent.name, path.stem) for path in list_recipes()]
    only = json.loads(segbench("list", "recipes", "--dataset", "camvid", "--json").out)
    assert only == [row for row in rows if row["dataset"] == "camvid"]
    assert "Recipes for camvid\n" in segbench("list", "recipes").out


def test_everything_is_keyed_by_kind(segbench: Segbench) -> None:
    found = json.loads(segbench("list", "--json").out)
    assert [*found] == ["models", "datasets", "recipes", "suites", "protocols"]
    assert found["recipes"] == json.loads(segbench("list", "recipes", "--json").out)


def test_nothing_there_is_said_beside_the_result(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: Path("nowhere"))
    assert segbench("list", "suites", "--json") == (0, "[]\n", "There are no suites yet.\n")
    assert segbench("list", "recipes", "--quiet") == (0, "", "")
