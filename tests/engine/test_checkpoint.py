"""Weights and states as files; the round trip of each network is in tests/models/test_contract.py."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from segbench.engine.checkpoint import load_model, load_state, load_weights, save_state, save_weights, weights_path
from segbench.errors import CheckpointError
from segbench.models import create_model
from tests.engine.tiny import header


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights file of a run's folder."""
    path = tmp_path / "runs" / "drawn" / "segnet-basic.tiny-s0-a1b2c3d4e5f6" / "weights.safetensors"
    save_weights(path, create_model("segnet-basic", 3, width=8), header())
    return path


def test_a_state_comes_back(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last), "step": torch.tensor(3.0)}
    values = {"cell": "x", "status": {"best": None, "loss": 0.1}}
    data = save_state(tmp_path / "state.safetensors", tensors, values)
    assert (tmp_path / "state.safetensors").read_bytes() == data
    loaded, read = load_state(tmp_path / "state.safetensors")
    assert read == values
    assert set(loaded) == set(tensors)
    assert all(torch.equal(value, tensors[name]) for name, value in loaded.items())


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("fcn-basic", 3, width=8)
    first = save_weights(tmp_path / "a", model, header())
    with torch.no_grad():
        for value in model.parameters():
            value.data = value.contiguous()
    second = save_weights(tmp_path / "b", model, header())
    assert first == second == sha256((tmp_path / "a").read_bytes()).hexdigest()


def test_the_header_is_plain_json_for_everyone(weights: Path) -> None:
    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata()
    assert set(metadata) == {"segbench"}
    assert json.loads(metadata["segbench"]) == header().model_dump(mode="json")


def test_a_loaded_model_is_in_evaluation_mode_with_its_header(weights: Path) -> None:
    model = load_model(weights)
    assert not model.training
    assert model.header == header()


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no weights file"):
        load_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_damaged(weights: Path, length: int) -> None:
    weights.write_bytes(weights.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="is not a readable safetensors file"):
        load_weights(weights)


def test_somebody_elses(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no segbench header"):
        load_weights(tmp_path / "other.safetensors")


def test_a_state_is_no_weights(tmp_path: Path) -> None:
    save_state(tmp_path / "state.safetensors", {"a": torch.zeros(1)}, {"cell": "x", "status": {}})
    with pytest.raises(CheckpointError, match="a training state"):
        load_weights(tmp_path / "state.safetensors")


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit(tmp_path: Path, change: str) -> None:
    tensors = dict(create_model("segnet-basic", 3, width=8).state_dict())
    if change == "missing":
        del tensors["classifier.bias"]
    elif change == "extra":
        tensors["classifier.more"] = torch.zeros(1)
    else:
        tensors["classifier.bias"] = torch.zeros(4)
    save_state(tmp_path / "w.safetensors", tensors, header().model_dump(mode="json"))
    with pytest.raises(CheckpointError, match=r"does not fit segnet-basic: .*classifier\.") as caught:
        load_model(tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


def test_weights_are_found_by_file_folder_and_part_of_a_name(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights.parents[3])
    assert weights_path(weights) == weights
    assert weights_path(weights.parent) == weights
    assert weights_path(str(weights.parent)) == weights
    for part in ("a1b2c3", "segnet-basic.tiny-s0-a1b2c3d4e5f6", "a1b2c3d4e5f6"):
        assert weights_path(part).resolve() == weights


def test_an_ambiguous_or_unknown_name_is_an_error(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights.parents[3])
    other = weights.parents[1] / "segnet-basic.tiny-s1-ffffffffffff"
    save_weights(other / "weights.safetensors", create_model("segnet-basic", 3, width=8), header(seed=1))
    with pytest.raises(CheckpointError, match=r"fits 2 runs: .*a1b2c3d4e5f6, .*ffffffffffff"):
        weights_path("segnet-basic.tiny")
    for source in ("nothing", "no/such/folder", str(weights.parents[2])):
        with pytest.raises(CheckpointError, match="neither a file, a run's folder nor part of a run's name"):
            weights_path(source)
