"""What a run starts from: found before training, checked, and put into the network."""

from __future__ import annotations

import os
import pickle
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from segbench.engine.checkpoint import save_weights
from segbench.engine.start import HE, Start, build_start, find_starts
from segbench.errors import CheckpointError, HubError, UsageError
from segbench.models import create_model
from segbench.recipe import Recipe
from tests.engine.tiny import CLASSES, header, recipe
from tests.models import vgg_reference


def recipes(*models: str, **values: Any) -> list[Recipe]:
    return [recipe().model_copy(update={"model": model, **values}) for model in models]


class Told:
    """Collects messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


# --- an encoder -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    """VGG16 at full width: recipes name no other."""
    return vgg_reference.state_dict(batch_norm=True)


@pytest.fixture(scope="module")
def encoder(tensors: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "vgg16_bn.safetensors"
    save_file(tensors, path)
    return path


def test_an_encoder_is_known_by_its_sha256_and_fills_the_network(
    encoder: Path, tensors: dict[str, torch.Tensor]
) -> None:
    (start,) = find_starts(recipes("segnet"), f"{encoder}")
    assert start == Start(encoder=encoder, encoder_weights=sha256(encoder.read_bytes()).hexdigest())
    network, config = build_start(start, "segnet", 3)
    levels: Any = network.get_submodule("levels")
    assert torch.equal(levels[0][0][0].weight, tensors["features.0.weight"].flip(1))
    assert torch.equal(levels[4][2][1].running_var, tensors["features.41.running_var"])
    assert config == {"mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]}


@pytest.mark.parametrize("inside", ["plain", "state_dict"])
def test_a_pickled_state_dict_is_read(tmp_path: Path, inside: str) -> None:
    found = vgg_reference.state_dict()
    torch.save(found if inside == "plain" else {"state_dict": found, "epoch": 3}, tmp_path / "vgg16.pth")
    (start,) = find_starts(recipes("segnet"), f"{tmp_path / 'vgg16.pth'}")
    levels: Any = build_start(start, "segnet", 3)[0].get_submodule("levels")
    assert torch.equal(levels[1][0][0].weight, found["features.5.weight"])


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (pickle.dumps(Evil(), protocol=2), "holds no tensors that can be read"),
        (b"", "holds no tensors that can be read"),
        (b"PK\x03\x04", "holds no tensors that can be read"),
    ],
)
def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vgg16.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=line) as caught:
        find_starts(recipes("segnet"), "vgg16.pth")
    assert not Path("pwned").exists() and "\n" not in str(caught.value)


def test_a_file_for_another_network_is_refused_before_training(tmp_path: Path) -> None:
    save_file(vgg_reference.state_dict(32), tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match=r"features\.0\.weight has shape 32x3x3x3 where 64x3x3x3 belongs"):
        find_starts(recipes("segnet"), f"{tmp_path / 'half.safetensors'}")
    with pytest.raises(CheckpointError, match="segnet-basic has no VGG16 encoder"):
        find_starts(recipes("segnet-basic"), f"{tmp_path / 'half.safetensors'}")


def test_random_is_he_initialisation_whatever_a_recipe_asks_for() -> None:
    asking = recipes("segnet", "segnet-basic", encoder="lab/vgg16")
    assert find_starts(asking, "random") == [HE, HE]
    torch.manual_seed(3)
    plain = create_model("segnet-basic", 3).state_dict()
    torch.manual_seed(3)
    network, config = build_start(HE, "segnet-basic", 3)
    assert config == {} and all(torch.equal(value, plain[name]) for name, value in network.state_dict().items())


def test_what_a_recipe_asks_for_and_cannot_be_had_is_one_line_and_he_initialisation() -> None:
    told: Any = Told()
    began = time.monotonic()
    found = find_starts(recipes("segnet", "fcn", encoder="lab/vgg16"), progress=told)
    assert found == [HE, HE] and time.monotonic() - began < 5
    assert told.lines == [
        "Cannot fetch the encoder's weights 'lab/vgg16' from the Hub: HF_HUB_OFFLINE is set, and it was not fetched "
        "before. The encoder starts from He initialisation (encoder: random)."
    ]


def test_what_is_asked_for_by_hand_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="'lab/vgg16' from the Hub: HF_HUB_OFFLINE is set"):
        find_starts(recipes("segnet"), "lab/vgg16")
    with pytest.raises(UsageError, match=r"'nothing\.pth' is neither a file nor a Hub repository"):
        find_starts(recipes("segnet"), "nothing.pth")
    with pytest.raises(UsageError, match="both say what the encoder starts from"):
        find_starts(recipes("segnet"), "random", "run")


# --- stages -----------------------------------------------------------------------------------------------------------


def stage(folder: Path, model: str, seed: int = 0, **values: Any) -> Path:
    """Weights of a narrow network, as a run leaves them."""
    torch.manual_seed(seed)
    network = create_model(model, len(CLASSES), width=4)
    path = folder / f"{model}.safetensors"
    save_weights(path, network, header(model=model, config={"width": 4}, **values))
    return path


@pytest.mark.parametrize(
    ("earlier", "later", "skips"),
    [("fcn-32s", "fcn-16s", 1), ("fcn-16s", "fcn-8s", 1), ("fcn-32s", "fcn-8s", 2), ("fcn-8s", "fcn", 0)],
)
def test_a_stage_goes_on_where_the_one_before_it_ended(tmp_path: Path, earlier: str, later: str, skips: int) -> None:
    path = stage(tmp_path, earlier)
    (start,) = find_starts(recipes(later), None, f"{path}")
    assert start == Start(initial=path, initial_weights=sha256(path.read_bytes()).hexdigest())
    torch.manual_seed(1)
    network, config = build_start(start, later, len(CLASSES))
    torch.manual_seed(0)
    before, after = create_model(earlier, len(CLASSES), width=4).state_dict(), network.state_dict()
    assert config == {"width": 4} and all(torch.equal(value, after[name]) for name, value in before.items())
    new = [name for name in after if name not in before and name.startswith("scores.")]
    assert len(new) == 2 * skips and all(not after[name].any() for name in new)


def test_a_stage_without_its_skips_predicts_as_the_one_before(tmp_path: Path) -> None:
    """Two bilinear steps of 2 and 16 are nearly one of 32."""
    path = stage(tmp_path, "fcn-32s")
    torch.manual_seed(0)
    earlier = create_model("fcn-32s", len(CLASSES), width=4).eval()
    (start,) = find_starts(recipes("fcn-16s"), None, f"{path}")
    later = build_start(start, "fcn-16s", len(CLASSES))[0].eval()
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        assert (earlier(images).argmax(1) == later(images).argmax(1)).float().mean() > 0.95


@pytest.mark.parametrize(
    ("earlier", "later", "line"),
    [
        ("fcn-16s", "fcn-32s", "cannot start fcn-32s, which has no place for its scores.1.bias and 1 more"),
        ("fcn", "fcn-8s", "cannot start fcn-8s, which has no place for its upsamplings.0.weight and 2 more"),
        ("segnet-basic", "fcn-basic", "cannot start fcn-basic, which"),
        ("segnet", "segnet-basic", "cannot start segnet-basic, which has no place for its decoders"),
    ],
)
def test_weights_without_a_place_are_one_line(tmp_path: Path, earlier: str, later: str, line: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_starts(recipes(later), None, f"{stage(tmp_path, earlier)}")
    assert line in str(caught.value) and "Stages are fcn-32s, fcn-16s, fcn-8s and fcn" in str(caught.value)


def test_weights_of_another_dataset_or_another_network_are_one_line(tmp_path: Path) -> None:
    path = stage(tmp_path, "fcn-32s", dataset="camvid")
    with pytest.raises(CheckpointError, match=r"was trained on camvid small, fcn-16s\.tiny trains on drawn small"):
        find_starts(recipes("fcn-16s"), None, f"{path}")
    torch.manual_seed(0)
    network = create_model("segnet", len(CLASSES), width=4, head=True)
    save_weights(path, network, header(model="segnet", config={"width": 4, "head": True}))
    with pytest.raises(CheckpointError, match="'head': True, 'width': 4}, which fcn-16s cannot have"):
        find_starts(recipes("fcn-16s"), None, f"{path}")
