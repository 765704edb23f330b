"""What a dataset repository holds, without a Hub."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import replace
from pathlib import Path

import pytest

from segbench.data.preparation import PreparedDataset, prepare
from segbench.hub.content import RepoContent
from segbench.hub.dataset_repo import dataset_content, recipe_content
from segbench.hub.dataset_shards import FILE_OVERHEAD
from tests.data import toy


@pytest.fixture
def prepared(toy_dataset: list[toy.ToySource]) -> PreparedDataset:
    toy_dataset.append(toy.ToySource({"train": [toy.sample(position, (32, 32)) for position in range(20)]}))
    return prepare("toy", jobs=1)


def content(prepared: PreparedDataset, workspace: Path, limit: int) -> RepoContent:
    return dataset_content(*(prepared.folder, prepared.manifest, toy.SPEC, "lab/toy", workspace), max_shard_bytes=limit)


def paths(content: RepoContent) -> set[str]:
    return {file.path_in_repo for file in content.files}


def test_files(prepared: PreparedDataset, tmp_path: Path) -> None:
    made = content(prepared, tmp_path, 10**9)
    assert paths(made) == {"small/manifest.json", "small/classes.json", "small/train-00000-of-00001.parquet"}
    assert (made.repo_type, made.what, made.terms) == ("dataset", "toy small", "CC0-1.0")
    assert not made.licence_allows_redistribution
    classes = next(file.content for file in made.files if file.path_in_repo == "small/classes.json")
    assert isinstance(classes, bytes)
    assert json.loads(classes) == {
        "id2label": {"0": "sky", "1": "road", "2": "car"},
        "palette": [[0, 0, 255], [128, 64, 128], [255, 0, 0]],
        "ignore_index": 255,
    }


def test_what_everybody_may_pass_on(prepared: PreparedDataset, tmp_path: Path) -> None:
    spec = replace(toy.SPEC, redistributable=True, licence_id="cc0-1.0")
    made = dataset_content(prepared.folder, prepared.manifest, spec, "lab/toy", tmp_path)
    assert made.licence_allows_redistribution
    assert made.card.startswith("---\nlicense: cc0-1.0\n")


def test_the_same_content_is_the_same_push(prepared: PreparedDataset, tmp_path: Path) -> None:
    first, second = (content(prepared, tmp_path / name, 10**9) for name in ("first", "second"))
    assert first.card == second.card
    for one, other in zip(first.files, second.files, strict=True):
        contents = [
            file.content if isinstance(file.content, bytes) else file.content.read_bytes() for file in (one, other)
        ]
        assert contents[0] == contents[1]


def test_another_number_of_files_replaces_those_before(prepared: PreparedDataset, tmp_path: Path) -> None:
    small, large = (
        content(prepared, tmp_path / "small", FILE_OVERHEAD + 20_000),
        content(prepared, tmp_path / "large", 10**9),
    )

    def owned(path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in large.owns)

    parquet = {path for path in paths(small) if path.endswith(".parquet")}
    assert len(parquet) > 1
    assert all(map(owned, parquet))
    assert not any(
        map(owned, ("other/train-00000-of-00001.parquet", "small/manifest.json", "README.md", "small.parquet"))
    )


def test_a_recipe_may_be_passed_on_and_does_not_take_images_away(prepared: PreparedDataset) -> None:
    made = recipe_content(prepared.folder, prepared.manifest, toy.SPEC, "lab/toy")
    assert made.licence_allows_redistribution
    assert paths(made) == {"small/manifest.json", "small/classes.json", "small/ids/train.txt"}
    assert not any(fnmatch.fnmatchcase("small/train-00000-of-00001.parquet", pattern) for pattern in made.owns)
