"""``hf:ORG/NAME``: a network of transformers from the Hub, at the commit that is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segbench.testing import LoopbackHub
from tests.hub.conftest import Client
from tests.hub.test_weights import RECIPE
from tests.models.outside import tiny_segformer

pytest.importorskip("transformers", reason="needs the extra transformers")
NAME = "lab/segformer"


def upload(hub: LoopbackHub, folder: Path, seed: int = 0, revision: str = "main") -> str:
    """Puts a tiny SegFormer of that seed on the Hub; returns its commit."""
    tiny_segformer.save(folder, ("sky", "road", "car"), seed)
    if NAME not in {name for _, name in hub.repositories}:
        hub.create(NAME)
    return hub.repository(NAME).put({path.name: path.read_bytes() for path in folder.iterdir()}, revision)


def run(client: Client, model: str = f"hf:{NAME}") -> dict[str, Any]:
    """The record of a short run."""
    recipe = client.folder / "outside.toml"
    recipe.write_text(RECIPE)
    assert client.segbench("prepare", "toy", "--quiet").code == 0
    ended = client.segbench("run", model, "--dataset", "toy", "--recipe", str(recipe), "--quiet", "--json")
    assert ended.code == 0, ended.err
    record: dict[str, Any] = json.loads(ended.out)["runs"][0]["record"]
    return record


def test_the_commit_is_recorded_and_decides_the_cell(hub: LoopbackHub, client: Client, tmp_path: Path) -> None:
    first = upload(hub, tmp_path / "net")
    before = run(client)
    assert (before["model"], before["model_identity"]) == (f"hf:{NAME}", f"commit:{first}")
    assert before["paper_name"] == NAME
    second = upload(hub, tmp_path / "net", seed=1)
    after = run(client)
    assert after["model_identity"] == f"commit:{second}" != f"commit:{first}"
    assert after["cell_id"] != before["cell_id"]
    pinned = run(client, f"hf:{NAME}@{first}")
    assert (pinned["model"], pinned["model_identity"]) == (f"hf:{NAME}@{first}", f"commit:{first}")


def test_what_was_trained_is_pushed_and_comes_back_without_the_first_repository(
    hub: LoopbackHub, client: Client, tmp_path: Path
) -> None:
    upload(hub, tmp_path / "net", seed=2)
    record = run(client)
    assert client.segbench("push", "weights", record["run_id"], "--repo", "lab/tuned", "--quiet").code == 0
    ended = client.segbench("evaluate", "hf:lab/tuned", "--dataset", "toy", "--json", "--quiet")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == record["scores"]


def test_it_is_scored_as_it_is(hub: LoopbackHub, client: Client, tmp_path: Path) -> None:
    commit = upload(hub, tmp_path / "net", seed=3)
    assert client.segbench("prepare", "toy", "--quiet").code == 0
    ended = client.segbench("evaluate", f"hf:{NAME}", "--dataset", "toy", "--json")
    assert ended.code == 0, ended.err
    assert f"hf:{NAME} (commit:{commit})" in ended.err


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("hf:lab/nothing", "hf:lab/nothing is no model repository of the Hub that can be read."),
        (f"hf:{NAME}@v9", f"hf:{NAME}@v9: the repository has no revision 'v9'."),
    ],
)
def test_what_is_not_there(hub: LoopbackHub, client: Client, tmp_path: Path, model: str, said: str) -> None:
    upload(hub, tmp_path / "net")
    ended = client.segbench("run", model, "--dataset", "toy")
    assert ended.code == 2
    assert said in ended.line


def test_code_in_a_repository_is_not_run(hub: LoopbackHub, client: Client, tmp_path: Path) -> None:
    upload(hub, tmp_path / "net")
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSemanticSegmentation": "evil.Network"}
    evil = b"open('was-run', 'w')\n"
    hub.repository(NAME).put({"config.json": json.dumps(config).encode(), "evil.py": evil})
    ended = client.segbench("profile", f"hf:{NAME}", "--size", "32x32")
    assert (ended.code, list(client.folder.glob("was-run"))) == (2, [])
    assert "code of its own, which is never run" in ended.line
