"""VOC2012: its lists, every mix of sources, what is refused, and the 12,031 real label maps."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import datasets
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segbench.data import voc2012, voc2012_source
from segbench.data.codec import decode_rgb
from segbench.data.download import Remote
from segbench.data.fingerprint import SplitHash, label_line, labels_digest
from segbench.data.preparation import PreparedDataset, load, prepare
from segbench.data.raw_cache import open_split
from segbench.data.sample import SourceOptions
from segbench.data.voc2012 import COLOUR_MAP, VOC2012, extra_ids, listed
from segbench.data.voc2012_labels import png_ids, sbd_ids
from segbench.data.voc2012_source import AUGMENTED, BOUNDARIES, TRAINVAL, source
from segbench.errors import CorruptImageError, DataError, DownloadError, UsageError
from tests.data import voc_miniature as miniature
from tests.data.loopback import Reply, loopback
from tests.data.notes import Notes
from tests.data.toy import png

TRAINAUG = tuple(sorted((*miniature.TRAIN, *miniature.EXTRA)))
IDS = {"train": TRAINAUG, "validation": miniature.VALIDATION}
Content = dict[str, list[tuple[str, str]]]


@pytest.fixture
def short_lists() -> Iterator[None]:
    """The official lists cut down to the miniature's ids, so that a miniature is complete."""
    with miniature.short_lists():
        yield


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Path]:
    """Every release in its official packing."""
    return {
        "voc": miniature.as_tar(miniature.trainval(), tmp_path / "VOCtrainval_11-May-2012.tar"),
        "augmented": miniature.as_zip(miniature.augmented(), tmp_path / "SegmentationClassAug.zip"),
        "sbd": miniature.as_tar(miniature.boundaries(), tmp_path / "benchmark.tgz"),
        "test": miniature.as_tar(miniature.unlabelled(), tmp_path / "VOC2012test.tar"),
    }


def content(*sources: Path, variant: str = "trainaug", partial: bool = False, notes: Notes | None = None) -> Content:
    """Ids and digests of what the sources give, by split, without preparing it."""
    options = SourceOptions(sources, partial=partial, progress=notes or Notes())
    found: Content = {}
    with source(VOC2012.variants[variant], options) as opened:
        for split in opened.counts:
            for sample in opened.samples(split):
                digest = SplitHash()
                digest.add(sample.id, decode_rgb(sample.image, sample.id), sample.label)
                found.setdefault(split, []).append((sample.id, digest.hexdigest()))
        assert opened.partial == partial
        assert opened.counts == {split: len(samples) for split, samples in found.items()}
    return found


def wanted(ids: Mapping[str, tuple[str, ...]] = IDS) -> Content:
    """The same from the miniature itself."""
    found: Content = {}
    for split, names in ids.items():
        for name in names:
            digest = SplitHash()
            image = np.array(Image.open(io.BytesIO(miniature.jpeg(name))))
            digest.add(name, image, None if split == "test" else miniature.truth(name))
            found.setdefault(split, []).append((name, digest.hexdigest()))
    return found


class TestLists:
    def test_trainaug_and_validation_share_nothing_and_are_the_12031_labelled_images(self) -> None:
        train, validation = set(listed("trainaug", "train")), set(listed("trainaug", "validation"))
        assert (len(train), len(validation), len(train | validation)) == (10_582, 1449, 12_031)

    def test_train_is_a_part_of_trainaug(self) -> None:
        train = listed("train", "train")
        assert (len(train), len(extra_ids())) == (1464, 9118)
        assert set(train) | extra_ids() == set(listed("trainaug", "train"))
        assert not set(train) & extra_ids()

    def test_both_variants_share_validation_and_test(self) -> None:
        for split, count in (("validation", 1449), ("test", 1456)):
            assert listed("train", split) == listed("trainaug", split)
            assert len(set(listed("train", split))) == count
        labelled = {*listed("trainaug", "train"), *listed("trainaug", "validation")}
        assert not labelled & set(listed("trainaug", "test"))

    @pytest.mark.parametrize(
        ("variant", "split", "digits"),
        [
            ("train", "train", "aa623bd2c8ce4443"),
            ("train", "validation", "cdc1326d12f69ce5"),
            ("trainaug", "train", "d1326bd532648d73"),
            ("trainaug", "test", "5e8fe0c14b2e6633"),
        ],
    )
    def test_the_lists_are_the_official_files(self, variant: str, split: str, digits: str) -> None:
        text = "".join(f"{sample_id}\n" for sample_id in listed(variant, split))
        assert hashlib.sha256(text.encode()).hexdigest()[:16] == digits

    @pytest.mark.shared
    @pytest.mark.parametrize(
        ("variant", "split", "name"),
        [
            ("train", "train", "train"),
            ("train", "validation", "val"),
            ("trainaug", "train", "trainaug"),
            ("trainaug", "test", "test"),
        ],
    )
    def test_the_lists_agree_with_the_files_themselves(
        self, shared_data: Path, variant: str, split: str, name: str
    ) -> None:
        lines = (shared_data / "voc2012" / "lists" / f"{name}.txt").read_text().split()
        assert list(listed(variant, split)) == lines
        by_import = {"train": voc2012.train_ids, "trainaug": voc2012.trainaug_ids}[variant]
        assert list(by_import(split)) == lines


class TestFacts:
    def test_classes_and_colours(self) -> None:
        variant = VOC2012.variants[VOC2012.default_variant]
        assert (variant.name, variant.num_classes, variant.size) == ("trainaug", 21, None)
        named = dict(zip(variant.class_names, variant.palette, strict=True))
        assert named["background"] == (0, 0, 0)
        assert named["aeroplane"] == (128, 0, 0)
        assert named["person"] == (192, 128, 128)
        assert named["tvmonitor"] == (0, 64, 128)
        assert COLOUR_MAP[255] == (224, 224, 192)

    def test_the_colour_map_is_made_bit_by_bit(self) -> None:
        assert bytes(channel for colour in COLOUR_MAP for channel in colour) == miniature.colour_map()

    def test_the_terms_are_those_of_flickr(self) -> None:
        assert "Flickr's terms of use" in VOC2012.licence
        assert "Everingham" in VOC2012.citation
        assert "Hariharan" in VOC2012.citation

    def test_downloads_have_mirrors_and_can_be_told_from_others(self) -> None:
        for remote in (TRAINVAL, AUGMENTED, BOUNDARIES):
            assert len(set(remote.urls)) >= 2
            assert remote.sha256 or remote.md5
        assert TRAINVAL.size == 1_999_639_040


@pytest.mark.usefixtures("short_lists")
class TestMixes:
    """The same content from whatever sources, in whatever order and packing."""

    @pytest.mark.parametrize("names", [*permutations(("voc", "augmented")), *permutations(("voc", "sbd"))])
    def test_two_archives_in_any_order(self, archives: dict[str, Path], names: tuple[str, ...]) -> None:
        assert content(*(archives[name] for name in names)) == wanted()

    @pytest.mark.parametrize("names", [*permutations(("voc", "augmented", "sbd", "test"))])
    def test_all_archives_in_any_order(self, archives: dict[str, Path], names: tuple[str, ...]) -> None:
        assert content(*(archives[name] for name in names)) == wanted({**IDS, "test": miniature.TEST})

    def test_folders_in_place_of_archives(self, tmp_path: Path) -> None:
        voc = miniature.as_folder(miniature.trainval(), tmp_path / "unpacked")
        augmented = miniature.as_folder(miniature.augmented(), voc / miniature.DEVKIT)
        assert content(voc) == content(voc / miniature.DEVKIT) == wanted()
        images = voc / miniature.DEVKIT / "JPEGImages"
        # The folders themselves; what SegmentationClass holds, SegmentationClassAug holds, too.
        assert content(augmented / "SegmentationClassAug", images) == wanted()

    @pytest.mark.parametrize("ending", [".tgz", ".xz", ".tar"])
    def test_an_archive_that_stores_its_files_in_another_order(
        self, archives: dict[str, Path], tmp_path: Path, ending: str
    ) -> None:
        files = miniature.trainval()
        names = sorted(files, key=lambda name: hashlib.md5(name.encode()).digest())
        assert content(miniature.as_tar(files, tmp_path / f"voc{ending}", names), archives["sbd"]) == wanted()

    def test_zips_of_all(self, tmp_path: Path) -> None:
        voc = miniature.as_zip(miniature.trainval(), tmp_path / "voc.zip")
        sbd = miniature.as_zip(miniature.boundaries(), tmp_path / "sbd.zip")
        assert content(sbd, voc) == wanted()

    def test_a_zip_of_the_label_maps_alone_is_known_by_its_name(
        self, archives: dict[str, Path], tmp_path: Path
    ) -> None:
        flat = {name.rpartition("/")[2]: data for name, data in miniature.augmented().items()}
        (tmp_path / "flat").mkdir()
        packed = miniature.as_zip(flat, tmp_path / "flat" / "SegmentationClassAug.zip")
        assert content(archives["voc"], packed) == wanted()

    def test_the_variant_train_needs_voc_alone(self, archives: dict[str, Path]) -> None:
        expected = wanted({"train": miniature.TRAIN, "validation": miniature.VALIDATION})
        assert content(archives["voc"], variant="train") == expected
        assert content(archives["sbd"], archives["voc"], variant="train") == expected

    def test_files_that_are_there_twice_and_agree(self, archives: dict[str, Path], tmp_path: Path) -> None:
        unpacked = miniature.as_folder(miniature.trainval(), tmp_path / "unpacked")
        assert content(archives["voc"], unpacked, archives["sbd"]) == wanted()

    def test_lists_inside_archives_do_not_matter(self, tmp_path: Path, archives: dict[str, Path]) -> None:
        files = {name: data for name, data in miniature.trainval().items() if "ImageSets" not in name}
        without = miniature.as_tar(files, tmp_path / "without.tar")
        assert content(without, archives["sbd"]) == content(archives["voc"], archives["sbd"]) == wanted()

    def test_endings_in_capital_letters(self, tmp_path: Path) -> None:
        files = {**miniature.trainval(), **miniature.boundaries()}
        loud = {name.rpartition(".")[0] + "." + name.rpartition(".")[2].upper(): data for name, data in files.items()}
        assert content(miniature.as_zip(loud, tmp_path / "loud.zip")) == wanted()

    def test_what_a_mac_adds_is_passed_over(self, archives: dict[str, Path], tmp_path: Path) -> None:
        junk = {f"__MACOSX/{name}": b"junk" for name in miniature.augmented()}
        hidden = {name.replace("Aug/", "Aug/._"): b"junk" for name in miniature.augmented()}
        packed = miniature.as_zip({**junk, **miniature.augmented(), **hidden}, tmp_path / "mac.zip")
        assert content(packed, archives["voc"]) == wanted()


@pytest.mark.usefixtures("short_lists")
class TestPrecedence:
    def test_vocs_own_map_wins(self, archives: dict[str, Path], tmp_path: Path) -> None:
        wrong = {name: palette_of(9, name) for name in miniature.augmented() if stem(name) not in miniature.EXTRA}
        others = {name: data for name, data in miniature.augmented().items() if stem(name) in miniature.EXTRA}
        packed = miniature.as_zip({**wrong, **others}, tmp_path / "SegmentationClassAug.zip")
        assert content(packed, archives["voc"]) == wanted()

    def test_sbd_never_labels_an_image_of_vocs_own_lists(self, archives: dict[str, Path], tmp_path: Path) -> None:
        gone = f"{miniature.DEVKIT}/SegmentationClass/{miniature.VALIDATION[1]}.png"
        files = {name: data for name, data in miniature.trainval().items() if name != gone}
        voc = miniature.as_tar(files, tmp_path / "voc.tar")
        with pytest.raises(DataError, match=rf"with a photograph but no label map \({miniature.VALIDATION[1]}\)"):
            content(voc, archives["sbd"])
        assert content(voc, archives["sbd"], archives["augmented"]) == wanted()

    def test_instances_are_never_taken_for_classes(self, tmp_path: Path) -> None:
        only = {name: data for name, data in miniature.trainval().items() if "SegmentationClass/" not in name}
        with pytest.raises(DataError, match="7 of the 7 images of voc2012 trainaug are incomplete"):
            content(miniature.as_tar(only, tmp_path / "voc.tar"))

    def test_files_that_are_there_twice_and_differ(self, archives: dict[str, Path], tmp_path: Path) -> None:
        name = f"{miniature.DEVKIT}/SegmentationClass/{miniature.TRAIN[0]}.png"
        other = miniature.as_folder({name: palette_of(4, name)}, tmp_path / "other")
        with pytest.raises(
            DataError, match=rf"^{name} in VOCtrainval_11-May-2012\.tar and {name} in other differ; give"
        ):
            content(archives["voc"], other, archives["sbd"])


def stem(name: str) -> str:
    return Path(name).stem


def palette_of(value: int, name: str) -> bytes:
    """A label map of one value, of the image's size."""
    return miniature.palette_png(np.full(miniature.size(stem(name)), value, np.uint8))


@pytest.mark.usefixtures("short_lists")
class TestIncomplete:
    def test_trainaug_from_voc_alone_counts_what_sbd_adds(self, archives: dict[str, Path]) -> None:
        with pytest.raises(DataError) as caught:
            content(archives["voc"])
        assert str(caught.value) == (
            "VOCtrainval_11-May-2012.tar: 3 of the 7 images of voc2012 trainaug are incomplete: 3 with a photograph "
            "but no label map (2008_000002, 2008_000003, 2011_003271). Add SegmentationClassAug.zip or SBD's "
            "benchmark.tgz (--from FILE), take --variant train, or add --partial to prepare what is there; boards "
            "refuse the result."
        )

    def test_each_kind_is_counted_and_its_first_are_listed(self, archives: dict[str, Path], tmp_path: Path) -> None:
        files = {
            name: data
            for name, data in miniature.trainval().items()
            if stem(name) != miniature.TRAIN[0] and "JPEGImages/2008" not in name
        }
        del files[f"{miniature.DEVKIT}/SegmentationClass/{miniature.VALIDATION[0]}.png"]
        voc = miniature.as_tar(files, tmp_path / "voc.tar")
        flat = {f"cls/{name}.mat": miniature.mat(miniature.truth(name)) for name in miniature.EXTRA}
        with pytest.raises(DataError) as caught:
            content(voc, miniature.as_zip(flat, tmp_path / "cls.zip"))
        assert caught.value.message == (
            "voc.tar, cls.zip: 4 of the 7 images of voc2012 trainaug are incomplete: 1 with a photograph but no label "
            "map (2007_000033); 2 with a label map but no photograph (2008_000002, 2008_000003); 1 with neither of "
            "them (2007_000032)."
        )

    def test_partial_takes_the_pairs_and_says_what_it_leaves_out(self, archives: dict[str, Path], notes: Notes) -> None:
        found = content(archives["voc"], partial=True, notes=notes)
        assert found == wanted({"train": miniature.TRAIN, "validation": miniature.VALIDATION})
        assert notes.messages == [
            "VOCtrainval_11-May-2012.tar: 3 of the 7 images of voc2012 trainaug are incomplete: 3 with a photograph "
            "but no label map (2008_000002, 2008_000003, 2011_003271). They are left out."
        ]

    def test_one_missing_test_photograph(self, archives: dict[str, Path], tmp_path: Path) -> None:
        files = miniature.unlabelled()
        files.pop(f"{miniature.DEVKIT}/JPEGImages/{miniature.TEST[1]}.jpg")
        cut = miniature.as_tar(files, tmp_path / "test.tar")
        with pytest.raises(DataError, match=r"1 of the 9 images .* 1 with neither of them \(2008_000011\)"):
            content(archives["voc"], archives["sbd"], cut)

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=r"^holiday: 7 of the 7 images .* are incomplete: 7 with neither of them \("
        ):
            content(miniature.as_folder({"a/b.jpg": b""}, tmp_path / "holiday"))

    def test_a_size_is_refused(self, archives: dict[str, Path]) -> None:
        with pytest.raises(UsageError, match=r"^voc2012 cannot be made at 360x480: its photographs have sizes"):
            prepare("voc2012", sources=[archives["voc"]], size=(360, 480))


class TestLabelFiles:
    @pytest.mark.parametrize("mode", ["P", "L"])
    def test_ids_come_out_exactly(self, mode: str) -> None:
        ids = miniature.label(miniature.TRAIN[0])
        found = png_ids(miniature.palette_png(ids) if mode == "P" else png(ids), "a.png")
        np.testing.assert_array_equal(found, ids)
        assert set(np.unique(found)) == {*range(21), 255}

    def test_a_palette_of_21_colours(self) -> None:
        ids = miniature.label(miniature.EXTRA[0], void=False)
        short = miniature.palette_png(ids, miniature.colour_map()[: 3 * 21])
        np.testing.assert_array_equal(png_ids(short, "a.png"), ids)

    @pytest.mark.parametrize("value", [21, 100, 254])
    def test_a_value_that_is_no_class(self, value: int) -> None:
        with pytest.raises(DataError, match=rf"^a\.png holds label {value}; VOC2012 has 0\.\.20 and 255"):
            png_ids(miniature.palette_png(np.array([[0, value]], np.uint8)), "a.png")
        with pytest.raises(DataError, match=rf"^a\.mat holds label {value}; VOC2012 has 0\.\.20 and 255"):
            sbd_ids(miniature.mat(np.array([[0, value]], np.uint8)), "a.mat")

    def test_a_palette_that_was_sorted_anew(self) -> None:
        colours = np.frombuffer(miniature.colour_map(), np.uint8).reshape(-1, 3)[[0, 15, 255]]
        content = miniature.palette_png(np.array([[0, 1], [2, 2]], np.uint8), colours.tobytes())
        with pytest.raises(
            DataError, match=r"^a\.png: its palette gives index 1 \(192, 128, 128\) instead of \(128, 0, 0"
        ):
            png_ids(content, "a.png")

    def test_colours_in_place_of_ids(self) -> None:
        with pytest.raises(DataError, match=r"a\.png has mode RGB"):
            png_ids(png(np.zeros((2, 2, 3), np.uint8)), "a.png")

    def test_the_segmentation_of_a_struct(self) -> None:
        ids = miniature.label(miniature.EXTRA[0], void=False)
        found = sbd_ids(miniature.mat(ids), "a.mat")
        np.testing.assert_array_equal(found, ids)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(sbd_ids(miniature.mat(ids, boundaries=False), "a.mat"), ids)

    @pytest.mark.parametrize("length", [0, 10, 127, 200])
    def test_a_cut_struct(self, length: int) -> None:
        whole = miniature.mat(miniature.label(miniature.EXTRA[0], void=False))
        with pytest.raises(CorruptImageError, match=r"^a\.mat is not a readable label file of SBD: "):
            sbd_ids(whole[:length], "a.mat")

    def test_another_struct(self) -> None:
        from scipy.io import savemat

        buffer = io.BytesIO()
        savemat(cast("Any", buffer), {"GTinst": {"Segmentation": np.zeros((2, 2), np.uint8)}})
        with pytest.raises(CorruptImageError, match=r"^a\.mat is not a readable label file of SBD: 'GTcls'"):
            sbd_ids(buffer.getvalue(), "a.mat")

    def test_fractions_are_no_ids(self) -> None:
        from scipy.io import savemat

        buffer = io.BytesIO()
        savemat(cast("Any", buffer), {"GTcls": {"Segmentation": np.full((2, 2), 1.5)}})
        with pytest.raises(CorruptImageError, match=r"GTcls\.Segmentation is float64"):
            sbd_ids(buffer.getvalue(), "a.mat")


@pytest.mark.usefixtures("short_lists", "home")
class TestPrepared:
    @pytest.fixture
    def prepared(self, archives: dict[str, Path]) -> PreparedDataset:
        return prepare("voc2012", sources=[archives["test"], archives["sbd"], archives["voc"]])

    def test_the_dataset(self, prepared: PreparedDataset) -> None:
        manifest = prepared.manifest
        assert (manifest.partial, manifest.size) == (False, None)
        assert manifest.counts == {"train": 5, "validation": 2, "test": 2}
        assert [archive.name for archive in manifest.sources] == [
            *("VOC2012test.tar", "VOCtrainval_11-May-2012.tar", "benchmark.tgz")
        ]
        rows = datasets.DatasetDict.load_from_disk(str(prepared.folder))
        for split, ids in IDS.items():
            assert rows[split]["id"] == [*ids]
            for row in rows[split]:
                assert row["label"].mode == "L"
                np.testing.assert_array_equal(np.array(row["label"]), miniature.truth(row["id"]))
                assert row["image"].size == row["label"].size
                assert row["classes"] == [*range(21)]

    def test_the_test_split_has_no_labels(self, prepared: PreparedDataset) -> None:
        rows = load("voc2012")["test"]
        assert rows["id"] == [*miniature.TEST]
        assert rows[0]["label"] is None
        assert rows[0]["classes"] == []
        summary = prepared.manifest.splits["test"]
        assert (summary.num_images, summary.num_pixels, summary.void_pixels, summary.labelled) == (2, 0, 0, False)
        assert prepared.manifest.splits["train"].labelled
        with pytest.raises(
            UsageError, match=r"^voc2012 trainaug test has no labels: only its evaluation server has them"
        ):
            prepared.manifest.require_labels("test")
        prepared.manifest.require_labels("train")

    def test_the_test_split_in_the_raw_cache(self, prepared: PreparedDataset) -> None:
        split = open_split(prepared, "test")
        assert split.ids == [*miniature.TEST]
        for index, name in enumerate(split.ids):
            np.testing.assert_array_equal(split.image(index), decode_rgb(miniature.jpeg(name), name))
        assert (split.labelled, open_split(prepared, "train").labelled) == (False, True)
        with pytest.raises(UsageError, match="voc2012 trainaug test has no labels"):
            split.label(0)
        with pytest.raises(UsageError, match="voc2012 trainaug test has no labels"):
            split.labels([0])
        assert open_split(prepared, "test").folder == split.folder

    def test_a_test_split_changes_nothing_of_the_rest(
        self, prepared: PreparedDataset, archives: dict[str, Path]
    ) -> None:
        without = prepare("voc2012", sources=[archives["voc"], archives["augmented"]], force=True).manifest
        assert without.fingerprint == prepared.manifest.fingerprint
        assert without.splits == {
            split: summary for split, summary in prepared.manifest.splits.items() if split != "test"
        }

    def test_one_pixel_makes_another_fingerprint(self, prepared: PreparedDataset, tmp_path: Path) -> None:
        files = miniature.trainval()
        ids = miniature.truth(miniature.TRAIN[0])
        ids[3, 3] = (int(ids[3, 3]) + 1) % 21
        files[f"{miniature.DEVKIT}/SegmentationClass/{miniature.TRAIN[0]}.png"] = miniature.palette_png(ids)
        sbd = miniature.as_zip(miniature.boundaries(), tmp_path / "sbd.zip")
        changed = prepare("voc2012", sources=[miniature.as_tar(files, tmp_path / "voc.tar"), sbd], force=True)
        assert changed.manifest.fingerprint != prepared.manifest.fingerprint

    def test_a_label_of_another_size(self, tmp_path: Path, archives: dict[str, Path]) -> None:
        files = miniature.trainval()
        files[f"{miniature.DEVKIT}/SegmentationClass/{miniature.TRAIN[0]}.png"] = miniature.palette_png(
            np.zeros((3, 4), np.uint8)
        )
        with pytest.raises(DataError, match=rf"^{miniature.TRAIN[0]}: the image is \d+x\d+ but its label is 3x4"):
            prepare("voc2012", sources=[miniature.as_tar(files, tmp_path / "voc.tar"), archives["sbd"]])

    @pytest.mark.parametrize("name", [miniature.TRAIN[1], miniature.EXTRA[1]])
    def test_a_damaged_label_map_is_named_and_may_be_skipped(
        self, archives: dict[str, Path], tmp_path: Path, name: str
    ) -> None:
        damaged = {
            file: data[:40] if file.endswith((f"SegmentationClass/{name}.png", f"cls/{name}.mat")) else data
            for file, data in {**miniature.trainval(), **miniature.boundaries()}.items()
        }
        sources = [miniature.as_tar(damaged, tmp_path / "all.tar")]
        with pytest.raises(CorruptImageError, match=rf"{name}\.(png|mat) is not a readable"):
            prepare("voc2012", sources=sources)
        manifest = prepare("voc2012", sources=sources, skip_corrupt=1).manifest
        assert [(skipped.id, skipped.split) for skipped in manifest.skipped] == [(name, "train")]
        assert manifest.counts == {"train": 4, "validation": 2}
        assert manifest.partial

    def test_boards_are_told_that_it_is_partial(self, archives: dict[str, Path]) -> None:
        manifest = prepare("voc2012", sources=[archives["voc"]], partial=True).manifest
        assert manifest.partial
        assert json.loads((prepare("voc2012", partial=True).folder / "manifest.json").read_text())["partial"] is True


@pytest.mark.usefixtures("short_lists")
class TestDownload:
    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch, archives: dict[str, Path]) -> dict[str, bytes]:
        """The remotes with the size and checksum of the miniatures; returns those by file name."""
        files = {}
        for name, key in (("TRAINVAL", "voc"), ("AUGMENTED", "augmented"), ("BOUNDARIES", "sbd")):
            data = archives[key].read_bytes()
            whole: Remote = getattr(voc2012_source, name)
            size = None if whole.size is None else len(data)
            sha256 = whole.sha256 and hashlib.sha256(data).hexdigest()
            md5 = whole.md5 and hashlib.md5(data).hexdigest()
            small = replace(whole, urls=("http://127.0.0.1:1/gone",), size=size, sha256=sha256, md5=md5)
            monkeypatch.setattr(voc2012_source, name, small)
            files[whole.file_name] = data
        return files

    def test_the_small_label_archive_is_taken(
        self, monkeypatch: pytest.MonkeyPatch, home: Path, small: dict[str, bytes]
    ) -> None:
        with loopback() as server:
            for name, data in small.items():
                server.serve(f"/mirror/{name}", Reply(data))
            monkeypatch.setenv("SEGBENCH_MIRRORS", f"{server.url}/mirror")
            assert content() == wanted()
            assert sorted(request.path for request in server.requests) == [
                *("/mirror/SegmentationClassAug.zip", "/mirror/VOCtrainval_11-May-2012.tar")
            ]
            assert content() == wanted()  # without the network
            assert len(server.requests) == 2

    def test_sbd_takes_its_place_where_it_is_not_to_be_had(
        self, monkeypatch: pytest.MonkeyPatch, home: Path, small: dict[str, bytes], notes: Notes
    ) -> None:
        with loopback() as server:
            for name in ("VOCtrainval_11-May-2012.tar", "benchmark.tgz"):
                server.serve(f"/mirror/{name}", Reply(small[name]))
            server.serve("/mirror/SegmentationClassAug.zip", Reply(b"x" * len(small["SegmentationClassAug.zip"])))
            monkeypatch.setenv("SEGBENCH_MIRRORS", f"{server.url}/mirror")
            assert content(notes=notes) == wanted()
        (told,) = [message for message in notes.messages if "in its place" in message]
        assert "SegmentationClassAug.zip could not be downloaded" in told
        assert "wrong checksum" in told

    def test_the_variant_train_downloads_voc_alone(
        self, monkeypatch: pytest.MonkeyPatch, home: Path, small: dict[str, bytes]
    ) -> None:
        with loopback() as server:
            server.serve("/mirror/VOCtrainval_11-May-2012.tar", Reply(small["VOCtrainval_11-May-2012.tar"]))
            monkeypatch.setenv("SEGBENCH_MIRRORS", f"{server.url}/mirror")
            assert set(content(variant="train")) == {"train", "validation"}
            assert len(server.requests) == 1

    def test_nothing_to_be_had(self, home: Path, small: dict[str, bytes]) -> None:
        with pytest.raises(DownloadError, match=r"^VOCtrainval_11-May-2012\.tar could not be downloaded.*--from FILE"):
            content(variant="train")


@pytest.mark.shared
class TestReal:
    """Four real pairs, and the 12,031 label maps of the redistributed archive."""

    PAIRS = {"train": ["2011_000003", "2011_000006", "2011_000025"], "validation": ["2007_000129"]}

    @pytest.fixture
    def voc(self, shared_data: Path) -> Path:
        return shared_data / "voc2012"

    def test_the_sample_alone(self, voc: Path, home: Path) -> None:
        prepared = prepare("voc2012", sources=[voc / "sample"], partial=True)
        assert prepared.manifest.partial
        rows = load("voc2012")
        assert {split: rows[split]["id"] for split in rows} == self.PAIRS
        for row in (row for split in rows.values() for row in split):
            folder = voc / "sample" / miniature.DEVKIT
            assert row["label"].mode == "L"
            with Image.open(folder / "SegmentationClass" / f"{row['id']}.png") as label:
                np.testing.assert_array_equal(np.array(row["label"]), np.array(label))
            with Image.open(folder / "JPEGImages" / f"{row['id']}.jpg") as image:
                np.testing.assert_array_equal(np.array(row["image"]), np.array(image))

    def test_the_sample_counts_what_is_missing(self, voc: Path) -> None:
        with pytest.raises(
            DataError, match=r"^sample: 12,027 of the 12,031 images of voc2012 trainaug are incomplete: "
        ):
            content(voc / "sample")
        with pytest.raises(
            DataError, match=r"incomplete: 12,027 with a label map but no photograph \(2007_000032, 2007"
        ):
            content(voc / "sample", voc / "SegmentationClassAug.zip")

    def test_the_redistributed_maps_are_vocs_own(self, voc: Path) -> None:
        alone = content(voc / "sample", partial=True)
        assert {split: [name for name, _ in group] for split, group in alone.items()} == self.PAIRS
        images = voc / "sample" / miniature.DEVKIT / "JPEGImages"
        assert content(images, voc / "SegmentationClassAug.zip", partial=True) == alone

    @pytest.mark.slow
    @pytest.mark.timeout(1800)
    def test_all_maps(self, voc: Path, home: Path, tmp_path: Path) -> None:
        sizes, lines = read_maps(voc / "SegmentationClassAug.zip")
        photographs = plain_photographs(
            sizes, tmp_path / "photographs.tar", {*self.PAIRS["train"], *self.PAIRS["validation"]}
        )
        sources = [voc / "SegmentationClassAug.zip", photographs, voc / "sample"]
        prepared = prepare("voc2012", sources=sources)
        assert prepared.manifest.counts == {"train": 10_582, "validation": 1449}
        assert not prepared.manifest.partial
        rows = datasets.DatasetDict.load_from_disk(str(prepared.folder)).cast_column(
            "image", datasets.Image(decode=False)
        )
        found: dict[str, str] = {}
        for split in ("train", "validation"):
            assert rows[split]["id"] == [*listed("trainaug", split)]
            for row in rows[split]:
                assert row["label"].mode == "L"
                with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
                    assert image.size == row["label"].size == sizes[row["id"]]
                found[row["id"]] = label_line(row["id"], np.array(row["label"]))
        assert found == lines
        assert labels_digest(found.values()) == VOC2012.variants["trainaug"].known_labels


def read_maps(path: Path) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """Width and height, and the line of the digest, of each map of the archive: zipfile and Pillow, no project code."""
    sizes: dict[str, tuple[int, int]] = {}
    lines: dict[str, str] = {}
    with zipfile.ZipFile(path) as archive:
        for name in (name for name in archive.namelist() if name.endswith(".png")):
            image = Image.open(io.BytesIO(archive.read(name)))
            ids: NDArray[np.uint8] = np.array(image)
            sizes[stem(name)] = image.size
            digest = hashlib.sha256(ids.tobytes()).hexdigest()
            lines[stem(name)] = f"{stem(name)} {image.height}x{image.width} {digest}"
    return sizes, lines


def plain_photographs(sizes: Mapping[str, tuple[int, int]], path: Path, without: set[str]) -> Path:
    """A tar of grey photographs of the sizes of the label maps, each size encoded once."""
    encoded: dict[tuple[int, int], bytes] = {}
    with tarfile.open(path, "w") as archive:
        for name, size in sizes.items():
            if name in without:
                continue
            if size not in encoded:
                buffer = io.BytesIO()
                Image.new("RGB", size, (90, 90, 90)).save(buffer, format="JPEG")
                encoded[size] = buffer.getvalue()
            info = tarfile.TarInfo(f"{miniature.DEVKIT}/JPEGImages/{name}.jpg")
            info.size = len(encoded[size])
            archive.addfile(info, io.BytesIO(encoded[size]))
    return path
