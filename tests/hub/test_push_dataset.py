"""``segbench push dataset`` against a Hub on this machine, and what ``datasets`` and ``prepare`` make of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from segbench.testing import LoopbackHub
from tests.data import toy
from tests.hub.pushing import Ended, Step, metadata, run_commands, run_python

REPO, RECIPE, LATER, KEPT, OPEN = "lab/toy", "lab/recipe", "lab/later", "lab/kept", "lab/open"
PUSH = ("push", "dataset", "toy", "--repo", REPO, "--json")

STEPS: dict[str, Step] = {
    "prepare": Step(("prepare", "toy", "--json")),
    "prepare other": Step(("prepare", "toy", "--variant", "other", "--json")),
    "public": Step((*PUSH, "--public")),
    "dry run": Step((*PUSH, "--dry-run")),
    "acknowledged": Step(
        ("push", "dataset", "toy", "--repo", OPEN, "--json", "--public", "--acknowledge-redistribution")
    ),
    "push": Step(PUSH),
    "again": Step(PUSH),
    "other": Step((*PUSH, "--variant", "other")),
    "first again": Step(PUSH),
    "recipe over images": Step((*PUSH, "--recipe-only")),
    "recipe": Step(("push", "dataset", "toy", "--repo", RECIPE, "--recipe-only", "--json", "--public")),
    "recipe again": Step(("push", "dataset", "toy", "--repo", RECIPE, "--recipe-only", "--json", "--public")),
    "recipe first": Step(("push", "dataset", "toy", "--repo", LATER, "--recipe-only", "--json")),
    "images later": Step(("push", "dataset", "toy", "--repo", LATER, "--json")),
    "back": Step(("prepare", "toy", "--from", f"hf:{REPO}", "--json"), "second"),
    "push back": Step(PUSH, "second"),
    "kept": Step(("prepare", "toy", "--json"), "third", "unlabelled"),
    "push kept": Step(("push", "dataset", "toy", "--repo", KEPT, "--json"), "third"),
    "kept back": Step(("prepare", "toy", "--from", f"hf:{KEPT}", "--json"), "fourth"),
    "not prepared": Step(PUSH, "fifth"),
    "text": Step(PUSH[:-1], "second"),
}

# What a stranger to segbench sees; also has the Hub judge the cards.
LOAD = f"""
import hashlib, json, sys
import numpy as np
from datasets import load_dataset, load_dataset_builder
from huggingface_hub import DatasetCard

def digest(image):
    return None if image is None else [image.mode, hashlib.sha256(np.asarray(image).tobytes()).hexdigest()]

found = {{}}
for repo, config in (("{REPO}", "small"), ("{REPO}", "other"), ("{REPO}", None), ("{KEPT}", "small")):
    splits = load_dataset(repo, config)
    found[f"{{repo}} {{config}}"] = {{
        split: [[row["id"], digest(row["image"]), digest(row["label"]), row["classes"]] for row in rows]
        for split, rows in splits.items()
    }}
builder = load_dataset_builder("{REPO}", "other")
for repo in ("{REPO}", "{RECIPE}", "{KEPT}"):
    DatasetCard.load(repo).validate()
assert not [name for name in sys.modules if name.startswith("segbench")]
described = repr(builder.info.features), repr(splits["train"].features)
counts = {{name: split.num_examples for name, split in builder.info.splits.items()}}
print(json.dumps({{"rows": found, "features": described, "splits": counts}}))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


@pytest.fixture(scope="module")
def ended(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """How each of ``STEPS`` ended, in their order."""
    folder = tmp_path_factory.mktemp("push")
    return dict(zip(STEPS, run_commands(hub, folder, list(STEPS.values())), strict=True))


@pytest.fixture(scope="module")
def loaded(hub: LoopbackHub, ended: dict[str, Ended], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What ``LOAD`` printed."""
    return run_python(hub, tmp_path_factory.mktemp("load"), LOAD)


def row(position: int, *, labelled: bool = True) -> list[Any]:
    """A row as ``LOAD`` shows it, made from arrays."""
    size = toy.SIZES[position % 3]
    label = toy.label(position, size)
    shown = ["L", hashlib.sha256(label.tobytes()).hexdigest()]
    return [
        f"toy_{position:03d}",
        ["RGB", hashlib.sha256(toy.pixels(position, size).tobytes()).hexdigest()],
        shown if labelled else None,
        sorted({int(value) for value in np.unique(label)} - {255}) if labelled else [],
    ]


def test_every_push_ended_as_it_should(ended: dict[str, Ended]) -> None:
    failed = {name: (one.code, one.err) for name, one in ended.items() if one.code != 0}
    assert set(failed) == {"public", "recipe over images", "not prepared"}, failed
    assert {code for code, _ in failed.values()} == {2}


@pytest.mark.parametrize("config", ["small", "other", None])
def test_load_dataset_gives_the_same_pixels(loaded: Any, config: str | None) -> None:
    wanted = {"train": [row(position) for position in range(3)], "test": [row(3), row(4)]}
    assert loaded["rows"][f"{REPO} {config}"] == wanted


def test_labels_that_are_not_published_are_null(loaded: Any) -> None:
    rows = loaded["rows"][f"{KEPT} small"]
    assert rows["train"] == [row(position) for position in range(3)]
    assert rows["test"] == [row(3, labelled=False), row(4, labelled=False)]


def test_the_card_describes_the_columns_as_the_files_do(loaded: Any) -> None:
    of_card, of_files = loaded["features"]
    assert of_card == of_files
    assert "ClassLabel(names=['sky', 'road', 'car'])" in of_card
    assert loaded["splits"] == {"train": 3, "test": 2}


@pytest.mark.parametrize(("before", "after"), [("prepare", "back"), ("kept", "kept back")])
def test_prepare_takes_it_back(ended: dict[str, Ended], before: str, after: str) -> None:
    assert ended[after].values["fresh"]
    for name in ("fingerprint", "counts", "pixels", "partial"):
        assert ended[after].values[name] == ended[before].values[name]


def test_the_same_push_twice_is_one_commit(ended: dict[str, Ended]) -> None:
    assert "small/train-00000-of-00001.parquet" in ended["push"].values["changed"]
    for name in ("again", "recipe again"):
        assert ended[name].values["changed"] == []
    assert ended["again"].values["commit"] == ended["push"].values["commit"]


def test_a_second_variant_keeps_the_first(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    changed = ended["other"].values["changed"]
    assert {path.split("/")[0] for path in changed} == {"other", "README.md"}
    assert ended["first again"].values["changed"] == []
    data = metadata(hub.files(REPO, "dataset")["README.md"])
    assert [config["config_name"] for config in data["configs"]] == ["small", "other"]
    assert [bool(config.get("default")) for config in data["configs"]] == [True, False]


def test_the_same_content_is_the_same_parquet_wherever_it_was_prepared(ended: dict[str, Ended]) -> None:
    # Where it came from is another, and is told.
    assert set(ended["push back"].values["changed"]) <= {"small/manifest.json", "README.md"}


def test_a_recipe_has_no_pixel(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    files = hub.files(RECIPE, "dataset")
    assert sorted(files) == [
        "README.md",
        "small/classes.json",
        "small/ids/test.txt",
        "small/ids/train.txt",
        "small/manifest.json",
    ]
    assert files["small/ids/train.txt"] == b"toy_000\ntoy_001\ntoy_002\n"
    assert ended["prepare"].values["fingerprint"].encode() in files["small/manifest.json"]
    assert b"a" * 64 in files["small/manifest.json"]
    images = [toy.sample(position).image for position in range(5)]
    assert not [path for path, content in files.items() if b"PNG" in content or any(one in content for one in images)]
    assert b"viewer: false" in files["README.md"]
    assert not hub.blobs.keys() & {hashlib.sha256(content).hexdigest() for content in files.values()}


def test_a_recipe_is_not_put_over_images(ended: dict[str, Ended]) -> None:
    line = "Error: lab/toy holds the images of small already; --recipe-only takes none away."
    assert ended["recipe over images"].err.splitlines()[-1].startswith(line)


def test_images_may_follow_a_recipe(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    assert "small/ids/train.txt" in ended["images later"].values["changed"]
    files = hub.files(LATER, "dataset")
    assert set(files) == {file["path"] for file in ended["push"].values["files"]}
    assert "viewer" not in metadata(files["README.md"])


def test_images_whose_licence_does_not_say_so_are_not_made_public(ended: dict[str, Ended]) -> None:
    assert "its terms do not allow that to be passed on. CC0-1.0" in ended["public"].err
    assert ended["dry run"].values["commit"] == ""  # the refused push made nothing
    assert ended["push"].values["private"] is True
    assert ended["acknowledged"].values["private"] is False


def test_a_dry_run_shows_files_and_sizes(ended: dict[str, Ended]) -> None:
    told = {file["path"]: file["bytes"] for file in ended["dry run"].values["files"]}
    pushed = {file["path"]: file["bytes"] for file in ended["push"].values["files"]}
    assert told == pushed
    assert set(told) == {
        *("README.md", "small/classes.json", "small/manifest.json"),
        *("small/train-00000-of-00001.parquet", "small/test-00000-of-00001.parquet"),
    }


def test_what_is_said_of_a_push(ended: dict[str, Ended]) -> None:
    assert "All was there already:" in " ".join(ended["text"].out.split())
    assert "small/train-00000-of-00001.parquet" in ended["text"].out
    assert "segbench prepare toy" in ended["not prepared"].err


def test_nothing_is_left_in_the_home(ended: dict[str, Ended], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert list(tmp_path_factory.getbasetemp().rglob("cache/push-*")) == []


def test_the_token_is_never_told(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    assert not [name for name, one in ended.items() if hub.token in one.out + one.err]
    assert not [path for path, content in hub.files(REPO, "dataset").items() if hub.token.encode() in content]
