"""``segbench score``: options, folders, and a prepared split as the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.metrics.scorer import score
from tests.cli.conftest import Segbench
from tests.data import toy


def save(folder: str, **maps: list[list[int]]) -> None:
    Path(folder).mkdir()
    for name, values in maps.items():
        Image.fromarray(np.array(values, np.uint8)).save(Path(folder) / f"{name}.png")


@pytest.fixture
def folders(home: Path) -> None:
    save("truth", a=[[0, 0], [1, 255]], b=[[1, 1], [1, 1]])
    save("maps", a=[[0, 1], [1, 1]], b=[[1, 1], [0, 1]])


ARGUMENTS = ("score", "maps", "--labels", "truth", "--num-classes", "2")


def test_two_folders(segbench: Segbench, folders: None) -> None:
    code, out, err = segbench(*ARGUMENTS, "--json")
    values = json.loads(out)
    assert (code, err) == (0, "")
    # Truth by row, prediction by column: [[1, 1], [1, 4]].
    assert values["global_accuracy"] == pytest.approx(5 / 7)
    assert values["mean_iou"] == pytest.approx((1 / 3 + 4 / 6) / 2)
    assert values["num_images"] == 2
    assert values == score("maps", "truth", num_classes=2).model_dump(mode="json")


def test_the_table(segbench: Segbench, folders: None) -> None:
    code, out, _ = segbench(*ARGUMENTS)
    assert code == 0
    assert out.splitlines()[0] == "maps against truth"
    assert next(line.split()[:3] for line in out.splitlines() if line.startswith("mean")) == ["mean", "65.0", "50.0"]


def test_options_change_the_protocol(segbench: Segbench, folders: None) -> None:
    options = ("--boundary-rule", "distance", "--boundary-void", "masked", "--boundary-average", "paper-text")
    out = segbench(
        *ARGUMENTS, *options, "--tolerance", "4.5px", "--ignore-index", "9", "--num-classes", "256", "--json"
    ).out
    protocol = json.loads(out)["protocol"]
    assert protocol["ignore_index"] == 9
    assert protocol["boundary"] == {
        "rule": "distance",
        "void": "masked",
        "average": "paper-text",
        "tolerance": 4.5,
        "unit": "px",
    }


def test_void_predictions(segbench: Segbench, folders: None) -> None:
    Image.fromarray(np.array([[255, 0], [1, 1]], np.uint8)).save("maps/a.png")
    ended = segbench(*ARGUMENTS)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: a: ")
    assert segbench(*ARGUMENTS, "--void-predictions", "wrong").code == 0
    assert segbench(*ARGUMENTS, "--void-predictions", "never") == (
        2,
        "",
        "Error: Unknown --void-predictions 'never'. Known: error, wrong.\n",
    )


def test_a_prepared_split_is_the_truth(segbench: Segbench, toy_dataset: None) -> None:
    assert segbench("prepare", "toy", "--quiet").code == 0
    Path("maps").mkdir()
    for position in (3, 4):
        label = toy.label(position, toy.SIZES[position % 3])
        Image.fromarray(np.where(label == 255, 0, label)).save(f"maps/toy_{position:03d}.png")
    code, out, _ = segbench("score", "maps", "--dataset", "toy", "--json")
    values = json.loads(out)
    assert (code, values["mean_iou"], values["num_images"]) == (0, 1.0, 2)
    assert [*values["per_class"]] == ["sky", "road", "car"]

    Path("maps/toy_003.png").rename("maps/other.png")
    assert segbench("score", "maps", "--dataset", "toy", "--quiet") == (
        2,
        "",
        "Error: maps lacks 1 of 2 label maps, the first is toy_003.png. Every image of the split needs one.\n",
    )
    Image.fromarray(toy.label(3, toy.SIZES[0])).save("maps/toy_003.png")
    assert segbench("score", "maps", "--dataset", "toy", "--quiet").err == (
        "Error: maps holds other.png, which the split does not; 1 such files.\n"
    )
