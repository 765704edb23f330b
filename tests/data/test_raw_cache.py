"""Decoded images: the same pixels, read without the libraries that made them, made once and made again when damaged."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from segbench.data import raw_cache
from segbench.data.preparation import PreparedDataset, prepare
from segbench.errors import DataError, UnknownNameError
from tests.data import toy
from tests.data.notes import Notes

CHECKOUT = Path(__file__).parents[2]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def prepared(toy_dataset: list[toy.ToySource]) -> PreparedDataset:
    """Images of three sizes."""
    return prepare("toy")


@pytest.fixture
def equal(toy_dataset: list[toy.ToySource]) -> PreparedDataset:
    """Images of 4x6."""
    return prepare("toy", size=(4, 6))


class TestPixels:
    def test_sizes_may_differ(self, prepared: PreparedDataset) -> None:
        split = raw_cache.open_split(prepared, "train")
        assert (len(split), split.ids, split.size) == (3, ["toy_000", "toy_001", "toy_002"], None)
        for position, size in enumerate(toy.SIZES):
            np.testing.assert_array_equal(split.image(position), toy.pixels(position, size))
            np.testing.assert_array_equal(split.label(position), toy.label(position, size))
        np.testing.assert_array_equal(split.image(-1), toy.pixels(2, toy.SIZES[2]))

    def test_different_sizes_do_not_stack(self, prepared: PreparedDataset) -> None:
        split = raw_cache.open_split(prepared, "train")
        with pytest.raises(DataError, match="The images of toy train differ in size"):
            split.images([0, 1])
        with pytest.raises(DataError, match="input_size"):
            split.labels([0, 1])

    def test_equal_sizes_stack_in_the_order_asked_for(self, equal: PreparedDataset) -> None:
        split = raw_cache.open_split(equal, "train")
        assert split.size == (4, 6)
        images, labels = split.images(np.array([2, 0])), split.labels([2, 0])
        np.testing.assert_array_equal(images, np.stack([toy.pixels(2, (4, 6)), toy.pixels(0, (4, 6))]))
        np.testing.assert_array_equal(labels, np.stack([toy.label(2, (4, 6)), toy.label(0, (4, 6))]))
        assert (images.shape, labels.shape) == ((2, 4, 6, 3), (2, 4, 6))

    def test_a_batch_is_a_copy_and_the_cache_cannot_be_written(self, equal: PreparedDataset) -> None:
        split = raw_cache.open_split(equal, "train")
        split.images([0])[:] = 0
        np.testing.assert_array_equal(split.image(0), toy.pixels(0, (4, 6)))
        with pytest.raises(ValueError, match="read-only"):
            split.image(0)[0, 0, 0] = 1
        with pytest.raises(ValueError, match="read-only"):
            split.label(0)[0, 0] = 1

    def test_out_of_range_is_an_index_error(self, equal: PreparedDataset) -> None:
        split = raw_cache.open_split(equal, "train")
        with pytest.raises(IndexError):
            split.image(3)
        with pytest.raises(IndexError):
            split.images([3])


class TestMaking:
    def test_once_with_its_size_stated(self, prepared: PreparedDataset, notes: Notes) -> None:
        first = raw_cache.open_split(prepared, "train", notes)
        assert len(notes.messages) == 1
        assert f"toy small train once into the raw cache: 0 MiB in {first.folder}" in notes.messages[0]
        assert notes.totals == notes.steps == {"decode train": 3}
        before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
        raw_cache.open_split(prepared, "train", notes)
        assert len(notes.messages) == 1
        assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before

    def test_an_unknown_split_is_answered(self, prepared: PreparedDataset) -> None:
        with pytest.raises(UnknownNameError, match=r"toy small has no split 'tset'\. Did you mean test"):
            raw_cache.open_split(prepared, "tset")

    def test_another_content_is_another_cache(
        self, prepared: PreparedDataset, toy_dataset: list[toy.ToySource]
    ) -> None:
        raw_cache.open_split(prepared, "train")
        other = toy.ordinary()
        other.groups["train"].reverse()
        toy_dataset.append(other)
        again = raw_cache.open_split(prepare("toy", force=True), "train")
        assert again.ids == ["toy_002", "toy_001", "toy_000"]
        assert len(raw_cache.list_caches()) == 2

    @pytest.mark.parametrize("file", ["images.bin", "labels.bin", "index.json"])
    @pytest.mark.parametrize("damage", ["cut", "missing", "junk"])
    def test_damage_is_mended(self, prepared: PreparedDataset, file: str, damage: str) -> None:
        path = raw_cache.open_split(prepared, "test").folder / file
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-2] if damage == "cut" else b'{"schema": 1, "ids": []}')
        with pytest.raises(DataError):
            raw_cache.open_folder(path.parents[1], "test")
        mended = raw_cache.open_split(prepared, "test")
        np.testing.assert_array_equal(mended.image(1), toy.pixels(4, toy.SIZES[1]))

    def test_too_little_disk_is_said_before_anything_is_written(
        self, prepared: PreparedDataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 2**20, 2**20))
        with pytest.raises(
            DataError, match=r"toy small train needs 0 MiB in .*, where 1 MiB are free\. .*SEGBENCH_HOME"
        ):
            raw_cache.open_split(prepared, "train")
        assert not raw_cache.list_caches()
        assert not list(raw_cache.cache_folder(prepared.manifest).glob("*/images.bin"))

    def test_a_dataset_that_is_not_what_its_manifest_says_is_refused(
        self, prepared: PreparedDataset, toy_dataset: list[toy.ToySource]
    ) -> None:
        manifest = (prepared.folder / "manifest.json").read_bytes()
        other = toy.ordinary()
        other.groups["train"].reverse()
        toy_dataset.append(other)
        prepare("toy", force=True)
        (prepared.folder / "manifest.json").write_bytes(manifest)
        with pytest.raises(DataError, match=r"the content of train is not what the manifest says.*--force"):
            raw_cache.open_split(prepared, "train")
        assert not raw_cache.list_caches()

    def test_a_dataset_that_lost_a_file_is_refused(self, prepared: PreparedDataset) -> None:
        for path in prepared.folder.glob("train/*.arrow"):
            path.unlink()
        with pytest.raises(DataError, match="segbench prepare toy --variant small --force"):
            raw_cache.open_split(prepared, "train")


class TestElsewhere:
    def test_a_copied_folder_is_enough(self, prepared: PreparedDataset, tmp_path: Path) -> None:
        made = raw_cache.open_split(prepared, "train")
        shutil.copytree(made.folder.parent, tmp_path / "copy")
        shutil.rmtree(prepared.folder)
        shutil.rmtree(made.folder.parent)
        found = raw_cache.open_folder(tmp_path / "copy", "train")
        assert found.manifest == prepared.manifest
        np.testing.assert_array_equal(found.image(2), toy.pixels(2, toy.SIZES[2]))

    def test_reading_needs_numpy_alone(self, equal: PreparedDataset) -> None:
        folder = raw_cache.open_split(equal, "train").folder.parent
        code = (
            "import sys\n"
            "for name in ('datasets', 'pyarrow', 'pandas', 'torch', 'PIL', 'filelock', 'httpx'):\n"
            "    sys.modules[name] = None\n"
            "from segbench.data import loader, raw_cache\n"
            "split = raw_cache.open_folder(sys.argv[1], 'train')\n"
            "print(loader.to_float(split.images([1, 0])).shape, split.labels([1]).shape)\n"
            "print(split.manifest.class_names)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("(2, 3, 4, 6) (1, 4, 6)\n('sky', 'road', 'car')\n", "")

    def test_opening_what_is_there_loads_no_datasets(self, equal: PreparedDataset, home: Path) -> None:
        raw_cache.open_split(equal, "train")
        code = (
            "import sys\n"
            "from segbench.registry import DATASETS; from tests.data import toy; DATASETS.add(toy.SPEC)\n"
            "from segbench.data import raw_cache; from segbench.data.preparation import find_prepared\n"
            "raw_cache.open_split(find_prepared('toy'), 'train').images([0])\n"
            "print({'datasets', 'pyarrow', 'torch'} & set(sys.modules))\n"
        )
        environment = {**os.environ, "SEGBENCH_HOME": str(home), "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("set()\n", "")

    def test_a_worker_receives_the_path_not_the_pixels(self, equal: PreparedDataset) -> None:
        split = raw_cache.open_split(equal, "train")
        sent = pickle.dumps(split)
        assert len(sent) < 1000
        np.testing.assert_array_equal(pickle.loads(sent).image(0), split.image(0))

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train/index\.json cannot be read"):
            raw_cache.open_folder(tmp_path, "train")


class TestListAndClear:
    def test_entries_with_their_sizes(self, prepared: PreparedDataset) -> None:
        splits = [raw_cache.open_split(prepared, name) for name in ("train", "test")]
        test, train = raw_cache.list_caches()
        assert (train.dataset, train.variant, train.split, train.num_images) == ("toy", "small", "train", 3)
        assert train.fingerprint == prepared.manifest.fingerprint
        assert (train.folder, test.folder) == (splits[0].folder, splits[1].folder)
        assert train.num_bytes == 4 * (24 + 15 + 64) + (train.folder / "index.json").stat().st_size

    def test_nothing_is_there_at_first(self, home: Path) -> None:
        assert raw_cache.list_caches() == []
        assert raw_cache.clear() == 0

    def test_clear_frees_what_was_listed(self, prepared: PreparedDataset) -> None:
        raw_cache.open_split(prepared, "train")
        listed = sum(entry.num_bytes for entry in raw_cache.list_caches())
        assert raw_cache.clear("camvid") == raw_cache.clear("toy", "other") == 0
        assert raw_cache.clear("toy", "small") == listed
        assert raw_cache.list_caches() == []
        assert len(raw_cache.open_split(prepared, "train")) == 3

    @pytest.mark.parametrize("name", ["*", "..", "../..", ""])
    def test_clear_takes_names_not_patterns(self, prepared: PreparedDataset, name: str) -> None:
        raw_cache.open_split(prepared, "train")
        assert raw_cache.clear(name) == 0
        assert len(raw_cache.list_caches()) == 1
        assert prepared.folder.is_dir()
