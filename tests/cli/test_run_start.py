"""``segbench run`` from weights: the command as it is typed, files of encoders, and stages."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from segbench.cli.run_request import RunRequest
from segbench.engine import pipeline
from segbench.engine.checkpoint import load_weights, save_weights
from segbench.models import create_model
from tests.cli.conftest import Segbench
from tests.data import sunrgbd_miniature
from tests.engine.tiny import header
from tests.leaderboard import examples
from tests.models import vgg_reference

RECIPE = """
version = 1
model = "{model}"
variant = "tiny"
dataset = "toy"
dataset_variant = "small"

[train]
iterations = 1
select = "last"
batch_size = 1
lr = 0.001
"""


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> list[pipeline.Cell]:
    """Nothing is trained; the cells that would be are collected."""
    seen: list[pipeline.Cell] = []

    def run_cell(cell: pipeline.Cell, out: Path, **_: object) -> Any:
        seen.append(cell)
        record = examples.named(0.4, model=cell.recipe.model, recipe=cell.recipe)
        return pipeline.Result(record, out / "record.json", [], fresh=True)

    monkeypatch.setattr(pipeline, "run_cell", run_cell)
    return seen


def test_segnet_and_fcn_on_sunrgbd_as_it_is_typed(
    segbench: Segbench, cells: list[pipeline.Cell], tmp_path: Path
) -> None:
    """Without a network: one line says so, and both start from He initialisation."""
    sources = sunrgbd_miniature.repackaged(tmp_path, sunrgbd_miniature.scenes())
    given = [text for source in sources for text in ("--from", str(source))]
    assert segbench("prepare", "sunrgbd", *given, "--partial", "--quiet").code == 0
    code, _, err = segbench("run", "segnet", "fcn", "--dataset", "sunrgbd", "--json")
    assert code == 0, err
    assert [line for line in err.splitlines() if "ncoder" in line] == [
        "Cannot fetch the encoder's weights 'timm/vgg16_bn.tv_in1k' from the Hub: HF_HUB_OFFLINE is set, and it was "
        "not fetched before. The encoder starts from He initialisation (encoder: random)."
    ]
    starts = [(cell.recipe.model, cell.start.encoder_weights) for cell in cells]
    assert starts == [("segnet", "random"), ("fcn", "random")]
    asked = segbench("run", "segnet", "--dataset", "sunrgbd", "--encoder-weights", "timm/vgg16_bn.tv_in1k")
    assert asked.code == 2 and asked.err.startswith("Error: Cannot fetch the encoder's weights")


@pytest.fixture
def recipes(segbench: Segbench, toy_dataset: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prepared toy dataset that networks accept, and recipes of one step."""
    assert segbench("prepare", "toy", "--size", "32x48", "--quiet").code == 0
    folder = Path("recipes/toy")
    folder.mkdir(parents=True)
    for model in ("segnet", "segnet-basic"):
        (folder / f"{model}.tiny.toml").write_text(RECIPE.format(model=model))
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: Path("recipes").absolute())


@pytest.mark.slow
@pytest.mark.usefixtures("recipes")
def test_a_run_from_weights_is_recorded_shown_and_evaluated(segbench: Segbench) -> None:
    save_file(vgg_reference.state_dict(batch_norm=True), "vgg.safetensors")
    digest = sha256(Path("vgg.safetensors").read_bytes()).hexdigest()
    command = ("run", "segnet", "--dataset", "toy", "--recipe", "tiny", "--json")
    code, out, err = segbench(*command, "--encoder-weights", "vgg.safetensors")
    assert code == 0, err
    record = json.loads(out)["runs"][0]["record"]
    assert (record["encoder_weights"], record["initial_weights"]) == (digest, None)
    assert "vgg.safetensors" not in json.dumps(record), "no path of this machine"
    (weights,) = Path("runs/toy").glob(f"*{record['cell_id']}")
    found = load_weights(weights / "weights.safetensors")[1]
    assert found.config["mean"] == [103.53, 116.28, 123.675] and found.preprocess["std"] == found.config["std"]
    assert json.loads(segbench("evaluate", str(weights), "--dataset", "toy", "--json").out) == record["scores"]
    board = Path("leaderboards/toy.md").read_text(encoding="utf-8")
    assert f"sha256 {digest}" in board and f" {digest[:8]} " in board
    assert segbench("leaderboard", "--check").code == 0


@pytest.mark.usefixtures("recipes")
def test_a_run_goes_on_from_earlier_weights(segbench: Segbench) -> None:
    earlier = header(dataset="toy", dataset_variant="small", config={"width": 8})
    digest = save_weights(Path("earlier.safetensors"), create_model("segnet-basic", 3, width=8), earlier)
    command = ("run", "segnet-basic", "--dataset", "toy", "--recipe", "tiny", "--json")
    code, out, err = segbench(*command, "--init-from", "earlier.safetensors")
    assert code == 0, err
    record = json.loads(out)["runs"][0]["record"]
    assert (record["initial_weights"], record["encoder_weights"]) == (digest, "random")
    assert record["parameters"] == sum(value.numel() for value in create_model("segnet-basic", 3, width=8).parameters())
    assert f"weights {digest[:8]}" in Path("leaderboards/toy.md").read_text(encoding="utf-8")
    assert segbench("leaderboard", "--check").code == 0


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--encoder-weights", "absent.pth"), "--encoder-weights 'absent.pth' is neither a file nor a Hub repository."),
        (("--encoder-weights", "random", "--init-from", "x"), "Give one of them."),
        (("--init-from", "nothing"), "Weights 'nothing': is neither a file"),
    ],
)
def test_wrong_starts_are_one_line(segbench: Segbench, options: tuple[str, ...], line: str) -> None:
    code, out, err = segbench("run", "segnet", "--dataset", "toy", "--recipe", "tiny", *options)
    assert (code, out) == (2, "") and line in err and err.count("\n") == 1


def test_a_process_that_does_a_part_starts_as_the_others_do() -> None:
    plain = RunRequest(["segnet"], "toy", None, "0", [], "cpu", None, False, Path())
    asked = replace(plain, encoder="vgg.pth").arguments("--cell", "abc", threads=1)
    assert asked[asked.index("--encoder-weights") + 1] == "vgg.pth" and "--worker" in asked
    staged = replace(plain, init_from="run").arguments(threads=1)
    assert staged[staged.index("--init-from") + 1] == "run"
    assert not {"--init-from", "--encoder-weights"} & {*plain.arguments(threads=1)}
