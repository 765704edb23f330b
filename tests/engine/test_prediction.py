"""Label maps and overlays of picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.engine.evaluation import predict_images
from segbench.engine.prediction import predict_files
from segbench.errors import DataError, UsageError
from segbench.models import create_model
from tests.engine.tiny import CPU, Drawn, header

SIDEWAYS = 6
"""The EXIF orientation of a picture that has to be turned to the right by a quarter to stand upright."""


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model("bilinear-interpolation", 3, width=8).eval()


def test_a_map_has_the_size_of_its_picture_and_the_overlay_lies_beside_it(
    model: torch.nn.Module, tmp_path: Path
) -> None:
    image = Drawn(size=(45, 61)).image(0)
    Image.fromarray(image).save(tmp_path / "street.png")
    (found,) = predict_files(model, header(), [tmp_path / "street.png"], tmp_path / "out", CPU)
    assert found == tmp_path / "out" / "street.png"
    with Image.open(found) as prediction, Image.open(tmp_path / "out" / "overlays" / "street.png") as overlay:
        assert (prediction.mode, prediction.size, overlay.size) == ("L", (61, 45), (61, 45))
        tensor = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float()
        expected = predict_images(model, tensor, header().input_size, (45, 61), CPU)[0].numpy()
        assert np.array_equal(np.asarray(prediction), expected)


def test_a_picture_taken_sideways_is_predicted_upright(model: torch.nn.Module, tmp_path: Path) -> None:
    image = Image.fromarray(Drawn(size=(36, 64)).image(0))
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    image.rotate(90, expand=True).save(tmp_path / "sideways.png", exif=exif)
    image.save(tmp_path / "upright.png")
    paths = [tmp_path / "sideways.png", tmp_path / "upright.png"]
    sideways, upright = predict_files(model, header(), paths, tmp_path / "out", CPU)
    with Image.open(sideways) as first, Image.open(upright) as second:
        assert np.array_equal(np.asarray(first), np.asarray(second))


def test_what_is_no_picture_is_named(model: torch.nn.Module, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text", encoding="utf-8")
    with pytest.raises(DataError, match=r"text\.png is not a readable image"):
        predict_files(model, header(), [tmp_path / "text.png"], tmp_path / "out", CPU)
    with pytest.raises(DataError, match=r"There is no picture .*lost\.png"):
        predict_files(model, header(), [tmp_path / "lost.png"], tmp_path / "out", CPU)


def test_two_pictures_of_one_name_are_refused_before_anything_is_written(
    model: torch.nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"would both be written to a\.png"):
        predict_files(model, header(), [tmp_path / "x" / "a.png", tmp_path / "y" / "a.jpg"], tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()
