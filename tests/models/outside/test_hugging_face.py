"""Networks of transformers from a folder: the same logits as transformers gives, a new head, nothing run, no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segbench.errors import UsageError
from segbench.models import create_model, find_model
from segbench.models.blocks import describe_config, describe_preprocess
from segbench.models.outside import recorded_model
from segbench.models.outside.hugging_face import from_repository
from tests.models.outside import tiny_segformer

transformers = pytest.importorskip("transformers", reason="needs the extra transformers")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved network; the working folder is the one above."""
    monkeypatch.chdir(tmp_path)
    return tiny_segformer.save(tmp_path / "tiny")


def pictures(height: int = 45, width: int = 61) -> Tensor:
    return 255 * torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def of_transformers(folder: Path, images: Tensor) -> Tensor:
    """What the network says of RGB 0..255, brought to the images' size."""
    network = transformers.SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (tiny_segformer.MEAN, tiny_segformer.DEVIATION)
    )
    with torch.no_grad():
        logits = network(pixel_values=(images / 255 - mean) / deviation).logits
    assert logits.shape[2] < images.shape[2] / 3
    return functional.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def test_logits_are_those_of_transformers_at_the_size_of_the_images(folder: Path) -> None:
    model = from_repository(None, folder=str(folder)).eval()
    with torch.no_grad():
        torch.testing.assert_close(model(pictures()), of_transformers(folder, pictures()), rtol=1e-4, atol=1e-5)
    assert getattr(model, "class_names") == ["sky", "road", "car", "tree"]  # noqa: B009


def test_preprocessing_is_stated(folder: Path) -> None:
    described = describe_preprocess(create_model("hf:./tiny", 3))
    assert described == {
        "channels": "RGB",
        "range": [0, 255],
        "scale": 1 / 255,
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.3, 0.25],
    }
    assert json.loads(json.dumps(described)) == described


def test_other_orders_and_scales_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_segformer.save(tmp_path / "plain", do_flip_channel_order=True, do_normalize=False, do_rescale=False)
    preprocess = create_model("hf:./plain", 3).preprocess
    assert torch.equal(preprocess(pictures()), pictures().flip(1))  # type: ignore[operator]


def test_training_gets_a_new_head_on_the_pretrained_network(folder: Path) -> None:
    pretrained = transformers.SegformerForSemanticSegmentation.from_pretrained(folder).state_dict()
    torch.manual_seed(3)
    model = create_model("hf:./tiny", 7)
    torch.manual_seed(3)
    again = create_model("hf:./tiny", 7)
    ours = {name.removeprefix("network."): value for name, value in model.state_dict().items()}
    changed = {name for name, value in pretrained.items() if value.shape != ours[name].shape}
    assert changed == {"decode_head.classifier.weight", "decode_head.classifier.bias"}
    assert all(torch.equal(ours[name], value) for name, value in pretrained.items() if name not in changed)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    assert model.training and model(pictures()).shape == (2, 7, 45, 61)


def test_its_configuration_makes_it_again_without_its_files(folder: Path) -> None:
    model = create_model("hf:./tiny", 3).eval()
    config = json.loads(json.dumps(describe_config(model)))
    for file in folder.iterdir():
        file.unlink()
    again = create_model(recorded_model("hf:lab/gone"), 3, **config).eval()
    again.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(again(pictures()), model(pictures()))


def test_its_identity_is_that_of_its_files(folder: Path) -> None:
    before = find_model("hf:./tiny")
    assert (before.name, before.kind) == ("hf:./tiny", "hf")
    assert find_model(f"hf:{folder}").name == "hf:./tiny"
    tiny_segformer.save(folder, seed=1)
    assert find_model("hf:./tiny").identity != before.identity


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"model_type": "vit"},
            r"hf:tiny is a vit model; transformers has no semantic segmentation by it. Known: segformer",
        ),
        ({"model_type": "unheard-of"}, r"hf:tiny is a model with type 'unheard-of'; transformers [\d.]+ must know it"),
        ({"auto_map": {"AutoModel": "x--y.Z"}}, r"hf:tiny is a model with code of its own, which is never run"),
    ],
)
def test_what_transformers_does_not_know(folder: Path, change: dict[str, object], said: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UsageError, match=said):
        create_model("hf:./tiny", 3)


def test_pickled_weights_are_not_read(folder: Path) -> None:
    network = transformers.SegformerForSemanticSegmentation.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match="hf:tiny has no weights in safetensors, the only format that is read"):
        create_model("hf:./tiny", 3)


@pytest.mark.parametrize("address", ["hf:name-alone", "hf:a/b/c", "hf:lab/net@", "hf:", "hf:https://hf.co/a/b"])
def test_addresses_of_another_form(address: str) -> None:
    with pytest.raises(UsageError, match="is hf:ORG/NAME or hf:ORG/NAME@REVISION; this one is not"):
        find_model(address)


def test_a_folder_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no config.json in that folder"):
        find_model(f"hf:{tmp_path}")
