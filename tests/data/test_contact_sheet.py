"""Sheets show the right samples in the right colours, whatever their sizes; plots show every class of every split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segbench.data.class_frequencies import class_frequencies, frequency_plot, save_plot
from segbench.data.contact_sheet import GAP, MARGIN, OPACITY, WIDTH, Shown, choose, contact_sheet
from segbench.data.preparation import prepare
from segbench.errors import DataError, UnknownNameError
from segbench.manifest import Manifest
from segbench.overlay import overlay
from tests.data import toy

pytestmark = pytest.mark.usefixtures("toy_dataset")


@pytest.fixture
def manifest() -> Manifest:
    return prepare("toy").manifest


class TestChoose:
    def test_samples_come_in_their_own_order_and_whole(self) -> None:
        prepared = prepare("toy")
        shown = choose(prepared, "train", 3, seed=5)
        assert [sample.id for sample in shown] == ["toy_000", "toy_001", "toy_002"]
        for place, sample in enumerate(shown):
            np.testing.assert_array_equal(sample.image, toy.pixels(place, toy.SIZES[place]))
            assert sample.label is not None
            np.testing.assert_array_equal(sample.label, toy.label(place, toy.SIZES[place]))

    def test_the_seed_draws(self, toy_dataset: list[toy.ToySource]) -> None:
        many = [toy.sample(place) for place in range(40)]
        toy_dataset.append(replace(toy.ordinary(), groups={"train": many}))
        prepared = prepare("toy")
        drawn = [[sample.id for sample in choose(prepared, "train", 6, seed)] for seed in (0, 0, 1)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert all(ids == sorted(set(ids)) and len(ids) == 6 for ids in drawn)
        assert len(choose(prepared, "train", 50)) == 40

    def test_what_is_not_there(self) -> None:
        prepared = prepare("toy")
        with pytest.raises(UnknownNameError, match="toy small has no split 'val'"):
            choose(prepared, "val", 1)
        for path in prepared.folder.glob("train/*.arrow"):
            path.unlink()
        with pytest.raises(DataError, match="segbench verify toy"):
            choose(prepared, "train", 1)


class TestSheet:
    def test_a_pair_is_image_and_overlay(self, manifest: Manifest) -> None:
        image = np.full((60, 80, 3), 200, np.uint8)
        label = np.repeat(np.array([[0, 1, 2, 255]], np.uint8), 60, 0).repeat(20, 1)
        sheet = np.array(contact_sheet(manifest, "train", [Shown("one", image, label)]))
        assert sheet.shape[1] == WIDTH
        top = next(row for row in range(len(sheet)) if tuple(sheet[row, MARGIN]) == (200, 200, 200))
        assert tuple(sheet[top + 20, MARGIN + 30]) == (200, 200, 200)
        painted = {tuple(colour) for colour in overlay(image, label, manifest.palette, OPACITY)[0]}
        assert painted <= {tuple(colour) for colour in sheet[top + 20]}

    def test_any_sizes_and_names_fit(self, manifest: Manifest) -> None:
        sizes = [(4, 300), (300, 4), (50, 50), (1, 1), (333, 444)]
        samples = [
            Shown("n" * 300, np.zeros((*size, 3), np.uint8), None if place == 2 else np.zeros(size, np.uint8))
            for place, size in enumerate(sizes)
        ]
        sheet = contact_sheet(manifest, "train", samples)
        right = np.array(sheet)[:, WIDTH - MARGIN + GAP :]
        assert (right == right[0, 0]).all()

    def test_the_legend_grows_with_the_classes(self, manifest: Manifest) -> None:
        one = manifest.splits["train"]
        names = tuple(f"A class with a long name {number}" for number in range(40))
        many = replace(
            manifest,
            class_names=names,
            palette=((9, 9, 9),) * 40,
            splits={"train": replace(one, classes=one.classes[:1] * 40)},
        )
        sample = [Shown("one", np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))]
        assert contact_sheet(many, "train", sample).height > contact_sheet(manifest, "train", sample).height + 200


class TestFrequencies:
    def test_shares_are_of_all_pixels(self, manifest: Manifest) -> None:
        rows = class_frequencies(manifest)
        assert [row.name for row in rows] == ["sky", "road", "car", "void"]
        for split in ("train", "test"):
            assert sum(row.shares[split] for row in rows) == pytest.approx(1)
        pixels = sum(int((toy.label(place, size) == 1).sum()) for place, size in enumerate(toy.SIZES))
        total = sum(height * width for height, width in toy.SIZES)
        assert rows[1].shares["train"] == pixels / total

    def test_the_plot_is_the_same_bytes_every_time(self, manifest: Manifest, tmp_path: Path) -> None:
        for suffix in (".svg", ".png"):
            first, second = (
                save_plot(tmp_path / f"{name}{suffix}", frequency_plot(manifest)).read_bytes() for name in "ab"
            )
            assert first == second
        text = (tmp_path / "a.svg").read_text()
        assert text.startswith("<?xml") and "Date" not in text
        with pytest.raises(DataError, match="no picture format"):
            save_plot(tmp_path / "a.doc", frequency_plot(manifest))

    def test_a_class_that_a_split_lacks_has_no_mark(self, manifest: Manifest) -> None:
        train = manifest.splits["train"]
        rare = replace(train, classes=(replace(train.classes[0], pixels=0), *train.classes[1:]))
        axes = frequency_plot(replace(manifest, splits={"train": rare})).axes[0]
        (marks,) = axes.collections
        assert sorted(float(height) for _, height in np.asarray(marks.get_offsets())) == [1, 2, 3]

    def test_without_labels(self, manifest: Manifest) -> None:
        unlabelled = replace(manifest.splits["test"], num_pixels=0)
        with pytest.raises(DataError, match="has no labels"):
            class_frequencies(replace(manifest, splits={"test": unlabelled}))
