"""Parquet of a prepared split: all rows, bounded files, and the same bytes however the prepared files are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
from pyarrow import parquet

from segbench.data import shards as arrow_shards
from segbench.data.preparation import prepare
from segbench.errors import DataError
from segbench.hub import dataset_shards
from segbench.hub.dataset_shards import FILE_OVERHEAD, SplitShards, column_features, split_ids, write_shards
from tests.data import toy
from tests.hub.toys import unlabelled

COUNT = 30
LIMIT = FILE_OVERHEAD + 20_000
Replacement = list[toy.ToySource]


@pytest.fixture
def prepared(toy_dataset: Replacement) -> Path:
    """Thirty images of about 800 bytes each."""
    samples = [toy.sample(position, (16, 16)) for position in range(COUNT)]
    toy_dataset.append(toy.ToySource({"train": samples}))
    return prepare("toy", jobs=1).folder


def rows(written: SplitShards) -> list[dict[str, Any]]:
    """All rows of the files, in order."""
    return [row for path in written.paths for row in parquet.read_table(path).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_rows_are_there_in_order_as_they_were_prepared(prepared: Path, tmp_path: Path) -> None:
    written = write_shards(prepared, "train", tmp_path / "out")
    assert [path.name for path in written.paths] == ["train-00000-of-00001.parquet"]
    found = rows(written)
    assert [row["id"] for row in found] == split_ids(prepared, "train") == [f"toy_{n:03d}" for n in range(COUNT)]
    assert [row["image"]["bytes"] for row in found] == [toy.sample(n, (16, 16)).image for n in range(COUNT)]
    assert written.num_rows == COUNT
    assert written.num_bytes == sum(len(row[name]["bytes"]) for row in found for name in ("image", "label"))
    assert written.file_bytes == sum(path.stat().st_size for path in written.paths)


def test_files_are_bounded_and_numbered(prepared: Path, tmp_path: Path) -> None:
    written = write_shards(prepared, "train", tmp_path / "out", max_bytes=LIMIT)
    names = [path.name for path in written.paths]
    assert len(names) > 1
    assert names == [f"train-{n:05d}-of-{len(names):05d}.parquet" for n in range(len(names))]
    assert all(path.stat().st_size <= LIMIT for path in written.paths)
    assert rows(written) == rows(write_shards(prepared, "train", tmp_path / "whole"))
    assert sorted(contents(tmp_path / "out")) == names


def test_an_image_larger_than_a_file_stands_alone(prepared: Path, tmp_path: Path) -> None:
    written = write_shards(prepared, "train", tmp_path / "out", max_bytes=1)
    assert [parquet.read_metadata(path).num_rows for path in written.paths] == [1] * COUNT


def test_row_groups_are_bounded(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write_shards(prepared, "train", tmp_path / "one").paths
    assert parquet.read_metadata(path).num_row_groups == 1
    monkeypatch.setattr(dataset_shards, "ROW_GROUP_BYTES", 3000)
    (path,) = write_shards(prepared, "train", tmp_path / "several").paths
    file = parquet.ParquetFile(path)
    groups = [file.read_row_group(number).to_pylist() for number in range(file.num_row_groups)]
    sizes = [sum(len(row[name]["bytes"]) for row in group for name in ("image", "label")) for group in groups]
    assert len(groups) > 5 and max(sizes) <= 3000
    assert [row["id"] for group in groups for row in group] == split_ids(prepared, "train")


@pytest.mark.parametrize("limit", [1_500_000, dataset_shards.MAX_SHARD_BYTES])
def test_the_bytes_do_not_depend_on_how_the_prepared_files_are_cut(
    toy_dataset: Replacement, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    # As large as needed to fill several pages.
    samples = [toy.sample(position, (200, 200)) for position in range(COUNT)]
    toy_dataset[0] = toy.ToySource({"train": samples})
    prepare("toy", force=True, jobs=1)
    write_shards(prepared, "train", tmp_path / "first", max_bytes=limit)
    for batch_rows, shard_bytes in ((1, 500_000), (4, 900_000), (COUNT, 10**9)):
        monkeypatch.setattr(arrow_shards, "BATCH_ROWS", batch_rows)
        monkeypatch.setattr(arrow_shards, "MAX_SHARD_BYTES", shard_bytes)
        again = prepare("toy", force=True, jobs=1).folder
        target = tmp_path / f"cut-{batch_rows}"
        write_shards(again, "train", target, max_bytes=limit)
        assert contents(target) == contents(tmp_path / "first")


def test_a_split_without_labels(toy_dataset: Replacement, tmp_path: Path) -> None:
    toy_dataset.append(unlabelled())
    folder = prepare("toy").folder
    assert [row["label"] for row in rows(write_shards(folder, "test", tmp_path / "out"))] == [None, None]


def test_columns(prepared: Path, tmp_path: Path) -> None:
    features = column_features(prepared, "train")
    (path,) = write_shards(prepared, "train", tmp_path / "out").paths
    described = datasets.Features.from_arrow_schema(parquet.read_schema(path))
    assert described == datasets.Features.from_dict(features)
    assert list(features) == ["id", "image", "label", "classes"]
    assert features["classes"]["feature"]["names"] == list(toy.VARIANT.class_names)


@pytest.mark.parametrize("damage", ["missing", "cut", "state"])
def test_damaged_files_are_one_line(prepared: Path, tmp_path: Path, damage: str) -> None:
    arrow = prepared / "train" / "data-00000-of-00001.arrow"
    if damage == "missing":
        arrow.unlink()
    elif damage == "cut":
        arrow.write_bytes(arrow.read_bytes()[:200])
    else:
        (prepared / "train" / "state.json").write_text("{}")
    with pytest.raises(DataError, match=r"train cannot be read \(\w+\). Prepare the dataset again with --force"):
        write_shards(prepared, "train", tmp_path / "out")
