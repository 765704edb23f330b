"""A split whose labels only an evaluation server has: predicted as the server wants it, and never scored."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.data.voc2012 import VOC2012
from segbench.engine.checkpoint import load_model, save_weights
from segbench.models import create_model
from tests.cli.conftest import Segbench
from tests.data import voc_miniature as miniature
from tests.engine.tiny import header, recipe

SUBMISSION = "results/VOC2012/Segmentation/comp6_test_cls"


@pytest.fixture
def prepared(segbench: Segbench, tmp_path: Path) -> Iterator[None]:
    """A small VOC2012 with its test split."""
    sources = [
        miniature.as_tar(miniature.trainval(), tmp_path / "voc.tar"),
        miniature.as_zip(miniature.augmented(), tmp_path / "SegmentationClassAug.zip"),
        miniature.as_tar(miniature.unlabelled(), tmp_path / "VOC2012test.tar"),
    ]
    options = [argument for source in sources for argument in ("--from", str(source))]
    with miniature.short_lists():
        ended = segbench("prepare", "voc2012", *options, "--json")
        assert (ended.code, json.loads(ended.out)["counts"]) == (0, {"train": 5, "validation": 2, "test": 2})
        yield


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network that was trained on nothing."""
    torch.manual_seed(0)
    variant = VOC2012.variants["trainaug"]
    path = tmp_path / "weights.safetensors"
    values = {
        "num_classes": 21,
        "class_names": [*variant.class_names],
        "palette": [*variant.palette],
        "dataset": "voc2012",
        "dataset_variant": "trainaug",
        "input_size": (32, 32),
        # What is compared below is computed by plain torch, whatever this machine would choose.
        "recipe": recipe(precision="fp32", convolution="direct"),
    }
    save_weights(path, create_model("segnet-basic", 21, width=8), header(**values))
    return path


@pytest.mark.usefixtures("prepared")
def test_predictions_are_what_the_server_takes(segbench: Segbench, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    ended = segbench("predict", "--dataset", "voc2012", "--split", "test", "--weights", str(weights), "-o", str(out))
    assert ended.code == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == [
        *(f"overlays/{name}.png" for name in miniature.TEST),
        *(f"{SUBMISSION}/{name}.png" for name in miniature.TEST),
    ]
    for name in miniature.TEST:
        with Image.open(out / SUBMISSION / f"{name}.png") as image:
            assert image.mode == "P"
            assert bytes(image.getpalette() or ()) == miniature.colour_map()
            np.testing.assert_array_equal(np.array(image), predicted(weights, name))


def predicted(weights: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """What the network says, by plain torch."""
    pixels = np.array(Image.open(io.BytesIO(miniature.jpeg(name))))
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        logits = load_model(weights)(torch.nn.functional.interpolate(image, size=(32, 32), mode="area"))
        full = torch.nn.functional.interpolate(logits, size=pixels.shape[:2], mode="bilinear", align_corners=False)
    found: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = full.argmax(1)[0].numpy().astype(np.uint8)
    return found


@pytest.mark.usefixtures("prepared")
def test_a_labelled_split_is_written_as_ever(segbench: Segbench, weights: Path, tmp_path: Path) -> None:
    arguments = ("--dataset", "voc2012", "--split", "validation", "--weights", str(weights), "-o", str(tmp_path / "v"))
    assert segbench("predict", *arguments).code == 0
    for name in miniature.VALIDATION:
        with Image.open(tmp_path / "v" / f"{name}.png") as image:
            assert image.mode == "L"


@pytest.mark.usefixtures("prepared")
def test_neither_weights_nor_predictions_are_scored(segbench: Segbench, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for command in (("evaluate", str(weights)), ("score", str(tmp_path / "maps"))):
        ended = segbench(*command, "--dataset", "voc2012", "--split", "test")
        assert (ended.code, ended.out) == (2, "")
        assert " ".join(ended.err.split()) == (
            "Error: voc2012 trainaug test has no labels: only its evaluation server has them. To hand in: "
            "segbench predict --dataset voc2012 --split test --weights WEIGHTS -o FOLDER"
        )


@pytest.mark.usefixtures("prepared")
def test_a_labelled_split_is_scored(segbench: Segbench, weights: Path) -> None:
    ended = segbench("evaluate", str(weights), "--dataset", "voc2012", "--split", "validation", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["num_images"] == 2
