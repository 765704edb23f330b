"""``segbench import-caffe``: what it says, and that its file is evaluated and predicts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Segbench
from tests.data import camvid_miniature as miniature
from tests.models import caffe_release as release

SIZE = (39, 46)


@pytest.fixture
def files(home: Path) -> tuple[str, str]:
    """A release of SegNet-Basic in the working folder."""
    layers = release.basic(11, width=4)
    Path("net.prototxt").write_text(release.prototxt(layers, SIZE))
    Path("net.caffemodel").write_bytes(release.caffemodel(layers))
    return "net.prototxt", "net.caffemodel"


def test_what_it_says(segbench: Segbench, files: tuple[str, str]) -> None:
    code, out, err = segbench("import-caffe", *files)
    assert (code, err) == (0, "")
    assert "runs/imported/net/weights.safetensors" in out and "segnet-basic, width 4, input 39x46" in out
    assert "RGB (Caffe's BGR was turned round in the first convolution) in 0..255" in out
    assert "local response normalisation [5, 0.0001, 0.75]" in out and "CC-BY-NC-4.0: not for commercial use" in out
    assert "ids 0 to 10 in the release's order: Sky, Building, Pole" in out and "as camvid 360x480-11\n" in out


@pytest.mark.parametrize(("out", "path"), [("w", "w/weights.safetensors"), ("a.safetensors", "a.safetensors")])
def test_where_it_goes(segbench: Segbench, files: tuple[str, str], out: str, path: str) -> None:
    code, printed, err = segbench("import-caffe", *files, "-o", out, "--json")
    assert (code, err) == (0, "")
    values = json.loads(printed)
    assert values["path"] == path and Path(path).is_file()
    assert values["origin"]["kind"] == "caffe" and values["outputs_left_out"] == 0


def test_the_file_is_evaluated_and_predicts(segbench: Segbench, files: tuple[str, str]) -> None:
    miniature.as_folder(miniature.tutorial(), Path("release"))
    assert segbench("prepare", "camvid", "--from", "release", "--partial", "--quiet").code == 0
    assert segbench("import-caffe", *files, "-o", "w").code == 0
    code, out, err = segbench("evaluate", "w", "--dataset", "camvid", "--json")
    assert code == 0, err
    scores = json.loads(out)
    assert scores["num_images"] == 2 and scores["protocol"]["size"] == [360, 480]
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("street.png")
    code, _, err = segbench("predict", "street.png", "--weights", "w", "-o", "maps")
    assert code == 0, err
    with Image.open("maps/street.png") as label_map:
        assert label_map.size == (70, 50) and np.asarray(label_map).max() <= 10


def test_the_web_demos_weights_predict_alone(segbench: Segbench, home: Path) -> None:
    layers = release.segnet(12)
    Path("net.prototxt").write_text(release.prototxt(layers, SIZE))
    Path("net.caffemodel").write_bytes(release.caffemodel(layers))
    code, out, _ = segbench("import-caffe", "net.prototxt", "net.caffemodel", "-o", "w")
    assert code == 0 and "web-demo-12, which no dataset has: these weights predict and are not evaluated" in out
    miniature.as_folder(miniature.tutorial(), Path("release"))
    assert segbench("prepare", "camvid", "--from", "release", "--partial", "--quiet").code == 0
    code, _, err = segbench("evaluate", "w", "--dataset", "camvid")
    assert code == 2 and "was trained for 12 classes of camvid web-demo-12" in err


def test_a_damaged_file_is_one_line(segbench: Segbench, files: tuple[str, str]) -> None:
    Path(files[1]).write_bytes(Path(files[1]).read_bytes()[:-1])
    code, out, err = segbench("import-caffe", *files)
    assert (code, out) == (2, "") and err.startswith("Error: net.caffemodel (") and err.count("\n") == 1
    assert not Path("runs").exists()
