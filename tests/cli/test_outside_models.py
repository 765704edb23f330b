"""Networks from outside on the command line: trained, scored, exported, and refused in one line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from segbench.engine.checkpoint import load_model
from segbench.errors import CheckpointError, UsageError
from tests.cli.conftest import Segbench
from tests.models.outside import tiny_segformer

RECIPE = """
version = 1
model = "{model}"
variant = "{variant}"
dataset = "toy"
dataset_variant = "small"

[train]
iterations = 2
batch_size = 2
lr = 0.01
validate_every = 1
select = "last"
precision = "fp32"
"""
NETWORKS = """
from torch import nn

def net(num_classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, num_classes, 1))

def half(num_classes):
    return nn.Conv2d(3, num_classes, 3, stride=2, padding=1)

def frozen(num_classes):
    return nn.Upsample(scale_factor=1)
"""
RUN = ("run", "./nets/mine.py:net", "--dataset", "toy", "--json", "--quiet")


@pytest.fixture(autouse=True)
def prepared(segbench: Segbench, toy_dataset: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prepared toy dataset with a recipe for any network, and a file with networks."""
    assert segbench("prepare", "toy", "--size", "32x48", "--quiet").code == 0
    Path("shipped/toy").mkdir(parents=True)
    Path("shipped/toy/any.default.toml").write_text(RECIPE.format(model="any", variant="default"))
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: Path("shipped").absolute())
    Path("nets").mkdir()
    Path("nets/mine.py").write_text(NETWORKS)


def recorded(segbench: Segbench, *arguments: str) -> dict[str, Any]:
    """The record of the one run that a command makes or finds."""
    code, out, err = segbench(*arguments)
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    record: dict[str, Any] = run["record"]
    return record


def test_a_file_is_trained_recorded_and_on_the_board(segbench: Segbench) -> None:
    record = recorded(segbench, *RUN)
    assert (record["model"], record["paper_name"]) == ("./nets/mine.py:net", "nets/mine.py:net")
    assert record["model_identity"] == f"sha256:{hashlib.sha256(NETWORKS.encode()).hexdigest()}"
    assert record["encoder_weights"] == "as its code makes them"
    assert record["parameters"] == 4 * 28 + 3 * 5
    (file,) = Path("leaderboards/records/toy").glob("*/*.json")
    assert file.parent.name == "nets-mine.py-net"
    board = Path("leaderboards/toy.md").read_text()
    assert "nets/mine.py:net" in board and "weights at the start: as its code makes them" in board
    again = recorded(segbench, *RUN)
    assert again["run_id"] == record["run_id"]
    assert len(list(Path("runs/toy").iterdir())) == 1


def test_changed_code_is_another_cell_and_a_comment_elsewhere_is_not(segbench: Segbench) -> None:
    before = recorded(segbench, *RUN)
    Path("nets/other.py").write_text("# nothing\n")
    assert recorded(segbench, *RUN)["cell_id"] == before["cell_id"]
    Path("nets/mine.py").write_text(NETWORKS.replace("nn.ReLU()", "nn.Tanh()"))
    after = recorded(segbench, *RUN)
    assert after["cell_id"] != before["cell_id"]
    assert after["model"] == before["model"]


def test_its_weights_run_its_code_only_where_it_is_named(segbench: Segbench) -> None:
    record = recorded(segbench, *RUN)
    (weights,) = Path("runs/toy").glob("*/weights.safetensors")
    score = ("evaluate", str(weights), "--dataset", "toy", "--json", "--quiet")
    code, _, err = segbench(*score)
    assert (code, err.count("\n")) == (2, 1)
    assert "code that is not run unless it is named. Add --model ./nets/mine.py:net" in err
    with pytest.raises(UsageError, match="not run unless it is named"):
        load_model(weights)
    code, out, err = segbench(*score, "--model", "./nets/mine.py:net")
    assert (code, json.loads(out)) == (0, record["scores"])
    Path("nets/mine.py").write_text(NETWORKS + "# changed\n")
    with pytest.raises(
        CheckpointError, match=r"was trained with sha256:\w{64}; \./nets/mine\.py:net is sha256:\w{64} now"
    ):
        load_model(weights, "./nets/mine.py:net")


def test_a_recipe_may_name_the_file_and_any_other_recipe_serves(segbench: Segbench) -> None:
    for model in ("./nets/mine.py:net", "segnet-basic"):
        Path("own.toml").write_text(RECIPE.format(model=model, variant="own"))
        record = recorded(segbench, *RUN, "--recipe", "own.toml")
        assert (record["model"], record["scale"]) == ("./nets/mine.py:net", "own")


def test_a_variant_that_there_is_not(segbench: Segbench) -> None:
    code, _, err = segbench(*RUN, "--recipe", "fast")
    assert code == 2
    assert err == "Error: No recipe 'fast' for ./nets/mine.py:net on toy. There is default.\n"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("./nets/none.py:net", "There is no file ./nets/none.py"),
        ("./nets/mine.py:nett", "defines no 'nett'. Did you mean net?"),
        ("./nets/mine.py:half", "mine.py:half returned logits of shape (1, 3, 16, 24) for images (1, 3, 32, 48)"),
        ("./nets/mine.py:frozen", "./nets/mine.py:frozen has no parameters to train"),
        ("onnx:nets/mine.py", "is an ONNX file, which cannot be trained. Score it as it is: segbench evaluate"),
        ("hf:", "is hf:ORG/NAME or hf:ORG/NAME@REVISION; this one is not"),
        ("smp:Unet", "is not smp:ARCHITECTURE/ENCODER"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_runs(segbench: Segbench, model: str, said: str) -> None:
    code, out, err = segbench("run", model, "--dataset", "toy", "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not Path("runs").exists()


# --- networks with weights of their own -------------------------------------------------------------------------------


def test_a_network_of_transformers_is_trained_and_comes_back_without_its_files(segbench: Segbench) -> None:
    folder = tiny_segformer.save(Path("tiny"))
    record = recorded(segbench, "run", "hf:./tiny", "--dataset", "toy", "--json", "--quiet")
    assert record["model"] == "hf:./tiny"
    assert record["encoder_weights"] == f"hf:./tiny {record['model_identity']}"
    for file in folder.iterdir():
        file.unlink()
    (weights,) = Path("runs/toy").glob("*/weights.safetensors")
    code, out, err = segbench("evaluate", str(weights), "--dataset", "toy", "--json", "--quiet")
    assert (code, json.loads(out)) == (0, record["scores"]), err


def test_a_network_of_transformers_is_scored_as_it_is(segbench: Segbench) -> None:
    tiny_segformer.save(Path("same"), ("car", "Sky", "ROAD"))
    tiny_segformer.save(Path("more"), ("car", "Sky", "ROAD", "tree"))
    score = ("evaluate", "hf:./same", "--dataset", "toy", "--json")
    code, out, err = segbench(*score)
    assert code == 0 and json.loads(out)["num_images"] == 2
    assert "hf:./same (sha256:" in err and "mean [0.4, 0.5, 0.6]" in err
    code, _, err = segbench("evaluate", "hf:./more", "--dataset", "toy", "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert "hf:./more tells 4 classes apart (car, Sky, ROAD, ...) that are not the 3 of toy small" in err
    Path("map.toml").write_text('car = "car"\ntree = "road"\n')
    code, out, err = segbench("evaluate", "hf:./more", "--dataset", "toy", "--class-map", "map.toml", "--json")
    assert code == 0
    assert "Never predicted, because no class of the network stands for them: sky." in err
    assert json.loads(out)["per_class"]["sky"]["iou"] == 0


# --- export -----------------------------------------------------------------------------------------------------------


def test_a_run_is_exported_and_scored_by_onnxruntime(segbench: Segbench) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    record = recorded(segbench, *RUN)
    (weights,) = Path("runs/toy").glob("*/weights.safetensors")
    export = ("export", str(weights.parent), "--model", "./nets/mine.py:net", "--size", "32x48", "--format", "onnx")
    code, out, err = segbench(*export, "--json", "--quiet")
    assert code == 0, err
    told = json.loads(out)
    assert (told["file"], told["size"], told["num_classes"], told["opset"]) == (
        "nets-mine.py-net.onnx",
        [32, 48],
        3,
        20,
    )
    assert told["max_absolute_difference"] <= told["tolerance"] < 0.01 * told["largest_logit"]
    assert told["sha256"] == hashlib.sha256(Path(told["file"]).read_bytes()).hexdigest()
    code, out, err = segbench("evaluate", f"onnx:{told['file']}", "--dataset", "toy", "--json", "--quiet")
    assert code == 0, err
    assert json.loads(out)["global_accuracy"] == pytest.approx(record["scores"]["global_accuracy"], abs=2e-3)


def test_a_program_of_torch_needs_nothing_of_ours(segbench: Segbench) -> None:
    code, out, err = segbench(
        *("export", "bilinear-interpolation", "--format", "torch-export", "--size", "32x40"),
        *("--classes", "4", "-o", "out/net.pt2"),
    )
    assert (code, out.count("\n")) == (0, 1), err
    assert "bilinear-interpolation, 4 classes, any batch of 32x40" in out
    extra = {"segbench.json": ""}
    program = torch.export.load("out/net.pt2", extra_files=extra)
    assert program.module()(torch.rand(3, 3, 32, 40) * 255).shape == (3, 4, 32, 40)
    assert json.loads(extra["segbench.json"])["preprocess"]["lrn"] == [5, 1e-4, 0.75]


def test_nothing_is_written_where_the_export_computes_something_else(
    segbench: Segbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segbench.engine import export

    def wrong(program: Any, metadata: Any) -> Any:
        content, run, opset = export._torch_export(program, metadata)
        return content, lambda images: run(images).flip(3), opset

    monkeypatch.setattr(export, "_FORMATS", {"torch-export": wrong})
    code, _, err = segbench("export", "./nets/mine.py:net", "--format", "torch-export", "--size", "32x40", "--quiet")
    assert code == 1
    assert "The exported ./nets/mine.py:net differs from the network by up to" in err and "nothing was written" in err
    assert not list(Path().glob("*.pt2"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("segnet-basic", "--format", "tflite"), "--format 'tflite' is not one of onnx, torch-export."),
        (("segnet-basik", "--format", "onnx"), "Weights 'segnet-basik': is neither a file, a run's folder"),
        (("segnet-basic", "--format", "torch-export", "--size", "16x16"), "[N, 3, H, W] with H, W >= 32 fits"),
        (("segnet-basic", "--format", "onnx", "--size", "big"), "--size 'big' is not HEIGHTxWIDTH."),
    ],
)
def test_what_cannot_be_exported(segbench: Segbench, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = segbench("export", *arguments, "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
