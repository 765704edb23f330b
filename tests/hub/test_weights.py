"""A trained network goes to the Hub and comes back: the same bytes, the same scores, and a card that tells of it."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from segbench.hub.card import split_card
from segbench.testing import LoopbackHub
from tests.hub.conftest import Client

RECIPE = """
version = 1
model = "bilinear-interpolation"
variant = "quick"
dataset = "toy"
dataset_variant = "small"

[train]
iterations = 4
batch_size = 1
validate_every = 2
lr = 0.01

[loss]
class_weights = "none"
"""


class Run:
    """A finished run of two pictures of noise.

    Attributes:
        record: Its record as JSON.
        weights: Its weights file.
    """

    def __init__(self, client: Client) -> None:
        assert client.segbench("prepare", "toy", "--quiet").code == 0
        recipe = client.folder / "quick.toml"
        recipe.write_text(RECIPE)
        ended = client.segbench(
            "run", "bilinear-interpolation", "--dataset", "toy", "--recipe", str(recipe), "--quiet", "--json"
        )
        assert ended.code == 0, ended.err
        self.record: dict[str, Any] = json.loads(ended.out)["runs"][0]["record"]
        (self.weights,) = client.folder.glob("runs/toy/*/weights.safetensors")


@pytest.fixture(scope="session")
def run(running_client: Client) -> Run:
    return Run(running_client)


def push(client: Client, run: Run, *options: str, repo: str = "lab/net") -> Any:
    """Pushes the run by its id; what the command says in JSON."""
    ended = client.segbench("push", "weights", run.record["run_id"], "--repo", repo, "--json", *options)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_pushed_run_has_all_its_files(hub: LoopbackHub, client: Client, run: Run) -> None:
    told = push(client, run)
    files = hub.files("lab/net")
    assert {one["path"]: one["bytes"] for one in told["files"]} == {path: len(data) for path, data in files.items()}
    assert told["private"] and told["commit"] == hub.repository("lab/net").head
    assert set(files) == {
        "model.safetensors",
        "config.json",
        "record.json",
        "README.md",
        ".eval_results/toy-small.yaml",
        "pictures/training.png",
        "pictures/predictions.png",
    }
    assert files["model.safetensors"] == run.weights.read_bytes()
    assert json.loads(files["record.json"]) == run.record


def test_the_configuration_says_what_a_program_needs(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run)
    config = json.loads(hub.files("lab/net")["config.json"])
    assert config["library_name"] == "segbench" and config["architecture"] == "bilinear-interpolation"
    assert config["id2label"] == {"0": "sky", "1": "road", "2": "car"} and config["label2id"]["car"] == 2
    assert config["palette"] == [[0, 0, 255], [128, 64, 128], [255, 0, 0]]
    assert (config["num_classes"], config["ignore_index"], config["input_size"]) == (3, 255, None)
    dataset = config["dataset"]
    assert dataset["fingerprint"] == run.record["dataset_fingerprint"]
    assert (dataset["repository"], dataset["revision"]) == (None, None)
    assert [source["name"] for source in dataset["sources"]] == ["toy.zip"]
    assert dataset["sources"][0]["sha256"] == "a" * 64
    assert config["weights_sha256"] == hashlib.sha256(run.weights.read_bytes()).hexdigest()
    assert config["preprocess"]


def test_the_card_holds_the_scores_for_people_and_for_the_hub(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run)
    metadata, body = split_card(hub.files("lab/net")["README.md"].decode())
    assert metadata["library_name"] == "segbench" and metadata["pipeline_tag"] == "image-segmentation"
    assert metadata["license"] == "other" and metadata["license_link"] == "https://example.org/toy"
    (entry,) = metadata["model-index"]
    assert entry["name"] == "net"
    (result,) = entry["results"]
    assert result["dataset"]["config"] == "small" and result["dataset"]["split"] == "test"
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    scores = run.record["scores"]
    assert values["mean_iou"] == scores["mean_iou"] and values["accuracy"] == scores["global_accuracy"]
    assert f"| {100 * scores['mean_iou']:.1f} |" in body and "CC0-1.0" in body
    assert 'segbench.load("lab/net")' in body and "--dataset toy --variant small" in body
    assert "no licence" in body and run.record["run_id"] in body and "iterations = 4" in body
    listed = yaml.safe_load(hub.files("lab/net")[".eval_results/toy-small.yaml"])
    assert {one["dataset"]["task_id"]: one["value"] for one in listed} == values
    assert all(one["dataset"]["id"] == "toy" for one in listed)


def test_the_card_reads_well(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run)
    body = split_card(hub.files("lab/net")["README.md"].decode())[1]
    assert "\n\n\n" not in body and "None" not in body and "{" not in body
    for name in ("training", "predictions"):
        assert f"](pictures/{name}.png)" in body
        (client.folder / "shown.png").write_bytes(hub.files("lab/net")[f"pictures/{name}.png"])
        with Image.open(client.folder / "shown.png") as picture:
            assert min(picture.size) > 100


def test_a_licence_that_the_owner_chose_is_stated(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run, "--licence", "cc-by-4.0", "--dataset-repo", "lab/toy")
    metadata, body = split_card(hub.files("lab/net")["README.md"].decode())
    assert metadata["license"] == "cc-by-4.0" and "license_name" not in metadata and metadata["datasets"] == ["lab/toy"]
    assert "`cc-by-4.0`" in body and "no licence" not in body


def test_the_revision_of_the_dataset_is_told(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run, "--dataset-repo", "lab/toy@v1.0")
    files = hub.files("lab/net")
    dataset = json.loads(files["config.json"])["dataset"]
    assert (dataset["repository"], dataset["revision"]) == ("lab/toy", "v1.0")
    metadata, _ = split_card(files["README.md"].decode())
    assert metadata["model-index"][0]["results"][0]["dataset"]["revision"] == "v1.0"
    listed = yaml.safe_load(files[".eval_results/toy-small.yaml"])
    assert {(one["dataset"]["id"], one["dataset"]["revision"]) for one in listed} == {("lab/toy", "v1.0")}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("toy", "--dataset-repo is ORG/NAME"),
        ("lab/toy@", "is no revision"),
        ("lab/toy@a b", "is no revision"),
        ("https://hf.co/lab/toy", "--dataset-repo is ORG/NAME"),
    ],
)
def test_a_dataset_repository_that_is_none_is_one_line(
    hub: LoopbackHub, client: Client, run: Run, name: str, line: str
) -> None:
    ended = client.segbench("push", "weights", run.record["run_id"], "--repo", "lab/net", "--dataset-repo", name)
    assert ended.code == 2 and line in ended.line and hub.requests == []


def test_photographs_are_shown_only_with_the_acknowledgement(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run)
    push(client, run, "--acknowledge-redistribution")
    files = hub.files("lab/net")
    # What the earlier card showed in their place is gone.
    assert "pictures/examples.png" in files and "pictures/predictions.png" not in files
    push(client, run)
    assert "pictures/examples.png" not in hub.files("lab/net")


def test_weights_without_photographs_may_be_public(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run, "--public")
    assert not hub.repository("lab/net").private


@pytest.mark.parametrize("name", ["id", "prefix", "folder", "file"])
def test_a_run_is_named_in_several_ways(hub: LoopbackHub, client: Client, run: Run, name: str) -> None:
    run_id, folder = run.record["run_id"], run.weights.parent
    named = {"id": run_id, "prefix": run_id[:5], "folder": str(folder), "file": str(run.weights)}[name]
    assert client.segbench("push", "weights", named, "--repo", "lab/net").code == 0
    assert hub.files("lab/net")["model.safetensors"] == run.weights.read_bytes()


def test_the_same_push_again_changes_nothing(hub: LoopbackHub, client: Client, run: Run) -> None:
    first = push(client, run)
    second = push(client, run)
    assert second["changed"] == [] and second["commit"] == first["commit"]


def test_a_dry_run_shows_every_file_and_size(hub: LoopbackHub, client: Client, run: Run) -> None:
    ended = client.segbench("push", "weights", run.record["run_id"], "--repo", "lab/net", "--dry-run")
    assert ended.code == 0 and hub.repositories == {}
    for path in ("model.safetensors", "config.json", "README.md", ".eval_results/toy-small.yaml"):
        assert path in ended.out
    assert "KiB" in ended.out and "Nothing was sent" in ended.out


def test_a_card_that_somebody_wrote_around_is_merged(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run)
    card = hub.files("lab/net")["README.md"].decode()
    front, _, body = card.removeprefix("---\n").partition("---\n")
    edited = f"---\n{front.replace('license: other', 'license: mit')}inference: false\n---\n\nHello.\n{body}\nBye.\n"
    hub.repository("lab/net").put({"README.md": edited.replace("## Scores", "## Changed").encode()})
    push(client, run)
    metadata, body = split_card(hub.files("lab/net")["README.md"].decode())
    assert metadata["license"] == "mit" and metadata["inference"] is False
    assert body.startswith("Hello.") and body.endswith("Bye.")
    assert "## Scores" in body and "## Changed" not in body


# --- and back ---------------------------------------------------------------------------------------------------------


def evaluated(client: Client, source: str, **values: Any) -> Any:
    """The scores that ``segbench evaluate`` gives, without the record's protocol size."""
    ended = client.segbench("evaluate", source, "--dataset", "toy", "--json", "--quiet", **values)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_what_comes_back_scores_exactly_the_same(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run)
    assert evaluated(client, "lab/net") == run.record["scores"]


def test_a_network_is_loaded_from_the_hub(hub: LoopbackHub, client: Client, run: Run) -> None:
    commit = push(client, run)["commit"]
    expected = client("load", source=str(run.weights)).result
    assert len(expected) > 50
    for source in ("lab/net", "hf:lab/net", "lab/net@main", f"lab/net@{commit}"):
        assert client("load", source=source).result == expected


def test_what_was_fetched_is_there_without_a_network(
    hub: LoopbackHub, client: Client, run: Run, tmp_path: Path
) -> None:
    push(client, run, repo="lab/kept")
    expected = client("load", source="lab/kept").result
    hub.requests.clear()
    offline = Client(hub, tmp_path, HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(client.folder / "cache" / "hub"))
    assert offline("load", source="lab/kept").result == expected
    missing = offline("load", source="lab/never")
    offline.close()
    assert missing.code == 2 and "HF_HUB_OFFLINE is set" in missing.line
    assert "no file or folder here" in missing.line and hub.requests == []


def test_a_revision_is_what_it_was(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run, "--revision", "first")
    hub.repository("lab/net").put({"model.safetensors": b"something else"})
    assert evaluated(client, "lab/net@first") == run.record["scores"]
    assert client("load", source="lab/net").code == 2


def test_a_private_network_needs_the_token(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run, repo="lab/hidden")
    ended = client("load", source="lab/hidden", environment={"HF_TOKEN": ""})
    assert ended.code == 2 and "HF_TOKEN" in ended.line


@pytest.mark.parametrize("source", ["lab/nothing", "lab/net@nothing"])
def test_what_is_not_there_is_one_line(hub: LoopbackHub, client: Client, run: Run, source: str) -> None:
    push(client, run)
    ended = client("load", source=source)
    assert ended.code == 2 and source in ended.line and "neither a file or a folder here" in ended.line


def test_a_damaged_download_is_refused(hub: LoopbackHub, client: Client, run: Run) -> None:
    push(client, run, repo="lab/damaged")
    tampered = bytearray(run.weights.read_bytes())
    tampered[-1] ^= 1
    hub.repository("lab/damaged").put({"model.safetensors": bytes(tampered)})
    ended = client("load", source="lab/damaged")
    assert ended.code == 2 and "model.safetensors of lab/damaged has sha256" in ended.line


def test_a_repository_of_another_library_is_refused(hub: LoopbackHub, client: Client) -> None:
    hub.create("lab/other", {"model.safetensors": b"x", "config.json": b'{"architectures": ["Bert"]}'})
    assert "was not written by segbench" in client("load", source="lab/other").line
    hub.create("lab/empty", {"README.md": b"x"})
    assert "was not pushed by segbench" in client("load", source="lab/empty").line


@pytest.mark.parametrize("model", ["./evil.py:factory", "os:system", "/tmp/x.py:f"])
def test_no_code_is_run_that_a_repository_names(
    hub: LoopbackHub, client: Client, run: Run, model: str, tmp_path: Path
) -> None:
    weights = named(run.weights.read_bytes(), model)
    stated = {"library_name": "segbench", "weights_sha256": hashlib.sha256(weights).hexdigest()}
    name = f"lab/evil-{hashlib.sha1(model.encode()).hexdigest()[:6]}"
    hub.create(name, {"model.safetensors": weights, "config.json": json.dumps(stated).encode()})
    ended = client("load", source=name)
    assert ended.code == 2 and "no registered one" in ended.line


def named(weights: bytes, model: str) -> bytes:
    """The weights file with another network's name in its header."""
    (length,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + length])
    values = json.loads(header["__metadata__"]["segbench"]) | {"model": model}
    header["__metadata__"]["segbench"] = json.dumps(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + weights[8 + length :]


def test_what_is_here_comes_before_the_hub(hub: LoopbackHub, client: Client, run: Run) -> None:
    ended = client("load", source="runs/toy")
    assert ended.code == 2 and hub.requests == []
    assert evaluated(client, str(run.weights.parent.relative_to(client.folder))) == run.record["scores"]


# --- wrong use --------------------------------------------------------------------------------------------------------


def test_a_run_that_does_not_exist_is_one_line(hub: LoopbackHub, client: Client, run: Run) -> None:
    ended = client.segbench("push", "weights", "nothing", "--repo", "lab/net")
    assert ended.code == 2 and "'nothing' is neither" in ended.line and hub.requests == []


def test_weights_without_a_record_are_not_pushed(hub: LoopbackHub, client: Client, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "weights.safetensors"
    copy.write_bytes(named(run.weights.read_bytes(), "segnet"))
    ended = client.segbench("push", "weights", str(copy), "--repo", "lab/net")
    assert ended.code == 2 and "no record" in ended.line and hub.requests == []


def test_a_record_without_its_weights_is_one_line(hub: LoopbackHub, client: Client, run: Run) -> None:
    away = run.weights.rename(run.weights.with_name("away"))
    try:
        ended = client.segbench("push", "weights", run.record["run_id"], "--repo", "lab/net")
    finally:
        away.rename(run.weights)
    assert ended.code == 2 and "are not under" in ended.line
