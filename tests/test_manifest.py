"""The manifest: the class weights by hand, and a file that reads back as it was written or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import DataError
from segbench.manifest import ClassCount, Manifest, SourceArchive, SplitSummary

NO_VOID = ClassCount(0, 0, 0)


def split(*classes: ClassCount, void: ClassCount = NO_VOID, images: int = 2, pixels: int = 200) -> SplitSummary:
    return SplitSummary(images, pixels, classes, void, "f" * 64)


def manifest(summary: SplitSummary, **changes: Any) -> Manifest:
    count = len(summary.classes)
    made = Manifest(
        dataset="toy",
        variant="small",
        class_names=tuple(f"class {label}" for label in range(count)),
        palette=tuple((label, 0, 255) for label in range(count)),
        splits={"train": summary},
        sources=(SourceArchive("toy.zip", "https://example.org/toy.zip", "a" * 64, "b" * 64), SourceArchive("folder")),
        fingerprint="c" * 64,
        licence="CC0-1.0",
        citation="Nobody 2026",
        homepage="https://example.org",
        size=(10, 10),
    )
    return replace(made, **changes)


class TestMedianFrequencyWeights:
    def test_by_hand_with_void_in_the_median(self) -> None:
        # Two images of 100 pixels. Frequencies: 100/200 = 0.5, 10/100 = 0.1, 60/200 = 0.3; void 30/100 = 0.3.
        # Sorted 0.1 0.3 0.3 0.5: the median is 0.3, hence the weights 0.6, 3 and 1.
        summary = split(
            ClassCount(100, 2, 200), ClassCount(10, 1, 100), ClassCount(60, 2, 200), void=ClassCount(30, 1, 100)
        )
        assert manifest(summary).median_frequency_weights() == pytest.approx((0.6, 3.0, 1.0))

    def test_an_even_number_takes_the_mean_of_the_middle_two(self) -> None:
        # 0.5 and 0.25 with no void: the median is 0.375.
        assert manifest(split(ClassCount(100, 2, 200), ClassCount(25, 1, 100))).median_frequency_weights() == (
            0.75,
            1.5,
        )

    def test_images_without_the_class_do_not_count(self) -> None:
        everywhere = manifest(split(ClassCount(50, 2, 200), ClassCount(100, 2, 200)))
        in_one = manifest(split(ClassCount(50, 1, 100), ClassCount(100, 2, 200)))
        assert everywhere.median_frequency_weights()[0] == pytest.approx(1.5)
        assert in_one.median_frequency_weights()[0] == pytest.approx(1.0)

    def test_a_class_that_is_absent_weighs_nothing_and_moves_no_median(self) -> None:
        summary = split(ClassCount(100, 2, 200), ClassCount(0, 0, 0), ClassCount(50, 2, 200))
        assert manifest(summary).median_frequency_weights() == (0.75, 0.0, 1.5)

    def test_an_unknown_split_is_named(self) -> None:
        with pytest.raises(DataError, match="toy small has no split 'val', only train"):
            manifest(split(ClassCount(1, 1, 1))).median_frequency_weights("val")


class TestFile:
    def test_reads_back_as_written(self, tmp_path: Path) -> None:
        written = manifest(split(ClassCount(7, 1, 100), void=ClassCount(3, 1, 100)), partial=True, size=None)
        written.write(tmp_path)
        assert Manifest.read(tmp_path) == written

    def test_classes_are_keyed_by_name(self) -> None:
        values = manifest(split(ClassCount(7, 1, 100))).to_json()
        assert values["splits"]["train"]["classes"] == {"class 0": {"pixels": 7, "images": 1, "image_pixels": 100}}
        assert (values["schema"], values["ignore_index"]) == (1, 255)

    def test_another_schema_is_refused(self) -> None:
        values = {**manifest(split(ClassCount(1, 1, 1))).to_json(), "schema": 2}
        with pytest.raises(DataError, match="schema 2; this segbench reads 1"):
            Manifest.from_json(values)

    @given(st.data())
    def test_any_missing_key_is_one_clear_error(self, data: st.DataObject) -> None:
        values = manifest(split(ClassCount(1, 1, 1))).to_json()
        key = data.draw(st.sampled_from(sorted(set(values) - {"ignore_index", "skipped"})))
        del values[key]
        with pytest.raises(DataError):
            Manifest.from_json(values)

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1, "splits": []}', "null"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(DataError, match=r"manifest\.json"):
            Manifest.read(tmp_path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
            Manifest.read(tmp_path)

    def test_is_json_that_others_read(self, tmp_path: Path) -> None:
        manifest(split(ClassCount(7, 1, 100))).write(tmp_path)
        values = json.loads((tmp_path / "manifest.json").read_text())
        assert values["palette"] == [[0, 0, 255]]
        assert values["sources"][1] == {"name": "folder", "origin": "local", "sha256": None, "digest": None}


def test_figures_by_class() -> None:
    summary = split(ClassCount(7, 1, 100), ClassCount(8, 2, 200), void=ClassCount(3, 1, 100))
    assert (summary.pixels, summary.images_with_class, summary.void_pixels) == ((7, 8), (1, 2), 3)
    assert manifest(summary).num_classes == 2
    assert manifest(summary).counts == {"train": 2}
