"""Weights of an encoder from the Hub: fetched where a recipe asks for them, and done without where they are not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from segbench.testing import LoopbackHub
from tests.hub.conftest import Client
from tests.models import vgg_reference

RECIPE = """
version = 1
model = "segnet"
variant = "asking"
dataset = "toy"
dataset_variant = "small"
encoder = "lab/vgg16"

[train]
iterations = 1
batch_size = 1
lr = 0.001
"""


@pytest.fixture(scope="module")
def weights() -> bytes:
    """VGG16 as safetensors."""
    return save(vgg_reference.state_dict())


@pytest.fixture
def recipe(client: Client) -> Path:
    assert client.segbench("prepare", "toy", "--quiet").code == 0
    path = client.folder / "asking.toml"
    path.write_text(RECIPE)
    return path


def test_a_recipes_encoder_is_fetched_or_done_without(
    hub: LoopbackHub, client: Client, recipe: Path, weights: bytes
) -> None:
    alone = client("start", recipe=str(recipe))
    assert alone.result["encoder_weights"] == "random"
    assert alone.err.splitlines() == [
        "Cannot fetch the encoder's weights 'lab/vgg16' from the Hub: there is no such repository, or the token may "
        "not see it. The encoder starts from He initialisation (encoder: random)."
    ]
    hub.create("lab/vgg16", {"model.safetensors": weights, "README.md": b"VGG16"})
    fetched = client("start", recipe=str(recipe))
    assert fetched.err == "" and fetched.result["encoder"] == "lab/vgg16"
    assert fetched.result["encoder_weights"] == sha256(weights).hexdigest()
    assert fetched.result["cell_id"] != alone.result["cell_id"]
    # Processes that share the work take what the first one found, and ask nobody.
    hub.requests.clear()
    again = client("start", recipe=str(recipe), cached=True)
    assert again.result == fetched.result and hub.requests == []


def test_an_encoder_that_is_named_by_hand_is_in_the_recipe_that_is_kept(
    hub: LoopbackHub, client: Client, recipe: Path, weights: bytes
) -> None:
    content = _pickled(weights)
    hub.create("lab/other", {"pytorch_model.bin": content})
    ended = client("start", recipe=str(recipe), encoder="hf:lab/other@main")
    assert ended.code == 0, ended.err
    assert ended.result["encoder"] == "lab/other@main"
    assert ended.result["encoder_weights"] == sha256(content).hexdigest()


def _pickled(weights: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save(load(weights), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"README.md": b"nothing"}, "it holds none of model.safetensors, pytorch_model.bin"),
        ({"model.safetensors": save(vgg_reference.state_dict(32))}, "shape 32x3x3x3 where 64x3x3x3 belongs"),
        ({"model.safetensors": b"nothing"}, "holds no tensors that can be read"),
        ({"pytorch_model.bin": b"nothing"}, "holds no tensors that can be read"),
    ],
)
def test_a_repository_without_such_weights_is_one_line(
    hub: LoopbackHub, client: Client, recipe: Path, files: dict[str, bytes], line: str
) -> None:
    hub.create("lab/strange", files)
    ended = client("start", recipe=str(recipe), encoder="lab/strange")
    assert ended.code == 2 and line in ended.line and "lab/strange" in ended.line


FETCH = """
import time
from segbench.errors import SegbenchError
from segbench.hub.encoder_repo import fetch_encoder
began = time.monotonic()
try:
    fetch_encoder("lab/vgg16")
except SegbenchError as error:
    print(error, time.monotonic() - began < 15)
"""


def test_a_hub_that_cannot_be_reached_is_asked_once(tmp_path: Path) -> None:
    """The client by itself would go on for most of a minute; nothing listens at the endpoint."""
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", FETCH], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout == (
        "Cannot fetch the encoder's weights 'lab/vgg16' from the Hub: the Hub cannot be reached, and it was not "
        "fetched before. True\n"
    )
    assert ended.stderr == ""
