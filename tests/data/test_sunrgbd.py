"""SUN RGB-D: its facts, both releases in miniature and in every layout, and sources that are not it."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from segbench.data import sunrgbd_source
from segbench.data.codec import decode_uint16
from segbench.data.preparation import load, prepare
from segbench.data.sample import SourceOptions
from segbench.data.sunrgbd import GROUP_OF_CLASS, LANDMARKS, SUNRGBD, official_ids
from segbench.data.sunrgbd_lists import sample_folder
from segbench.data.sunrgbd_official import OFFICIAL_REMOTES
from segbench.data.sunrgbd_repackaged import REPACKAGED_DEPTH_REMOTES, REPACKAGED_REMOTES
from segbench.data.sunrgbd_source import NUMBERING_NOTE
from segbench.errors import CorruptImageError, DataError, DownloadError, UsageError
from segbench.homes import cache_home
from tests.data import sunrgbd_miniature as miniature
from tests.data.loopback import Reply, loopback
from tests.data.notes import Notes
from tests.data.sunrgbd_miniature import Scene, scenes
from tests.data.toy import png

pytestmark = pytest.mark.usefixtures("home")

IDS = {"train": ["005051", "005052", "010335"], "test": ["000001", "000002", "000003", "005050"]}
COUNTS = {"train": 3, "test": 4}
SMALL = scenes(range(1, 5))
"""The whole of the short lists that most refusals are tested with."""


class Seen(NamedTuple):
    """A sample as a source gives it."""

    split: str
    image: bytes
    label: NDArray[np.uint8]
    depth: bytes | None


class Opened(NamedTuple):
    """All that a source tells."""

    samples: dict[str, Seen]
    archives: list[tuple[str, str]]
    partial: bool
    messages: list[str]


def opened(sources: Sequence[Path | str], variant: str = "37", *, partial: bool = True) -> Opened:
    """Everything that the sources give for a variant."""
    notes = Notes()
    samples: dict[str, Seen] = {}
    options = SourceOptions(tuple(sources), None, partial, notes)
    with sunrgbd_source.source(SUNRGBD.variants[variant], options) as source:
        for split in ("train", "validation", "test"):
            before = len(samples)
            for sample in source.samples(split):
                assert sample.label is not None
                samples[sample.id] = Seen(split, sample.image, sample.label, sample.depth)
            assert len(samples) - before == source.counts.get(split, 0)
        return Opened(samples, [(part.name, part.origin) for part in source.archives], source.partial, notes.messages)


def same(left: dict[str, Seen], right: dict[str, Seen]) -> bool:
    """Whether ids, splits, their order, images and labels agree."""
    return list(left) == list(right) and all(
        (a.split, a.image, a.depth) == (b.split, b.image, b.depth) and np.array_equal(a.label, b.label)
        for a, b in zip(left.values(), right.values(), strict=True)
    )


def unpacked(archive: Path, folder: Path) -> Path:
    """The content of a zip or tar as a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        shutil.unpack_archive(archive, folder)
    else:
        shutil.unpack_archive(archive, folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both releases with the same seven scenes; treat it as read-only."""
    folder = tmp_path_factory.mktemp("sunrgbd")
    miniature.official(folder, scenes())
    miniature.repackaged(folder, scenes(), depth=True)
    return folder


def official(folder: Path) -> list[Path]:
    return [folder / "SUNRGBD.zip", folder / "SUNRGBDtoolbox.zip"]


def repackaged(folder: Path) -> list[Path]:
    return sorted(folder.glob("*gz"))


class TestFacts:
    def test_the_split(self) -> None:
        assert {split: len(official_ids(split)) for split in ("train", "validation", "test")} == {
            "train": 5285,
            "validation": 0,
            "test": 5050,
        }
        assert (official_ids("test")[0], official_ids("test")[-1]) == ("000001", "005050")
        assert (official_ids("train")[0], official_ids("train")[-1]) == ("005051", "010335")

    def test_variants(self) -> None:
        assert list(SUNRGBD.variants) == ["37", "13", "37-depth", "13-depth"]
        assert SUNRGBD.default_variant == "37"
        assert [variant.num_classes for variant in SUNRGBD.variants.values()] == [37, 13, 37, 13]
        assert [variant.depth for variant in SUNRGBD.variants.values()] == [False, False, True, True]
        assert all(variant.counts == {"train": 5285, "test": 5050} for variant in SUNRGBD.variants.values())
        assert list(SUNRGBD.variants["37"].class_names) == miniature.NAMES

    @pytest.mark.parametrize("variant", ["37", "13"])
    def test_colours_can_be_told_apart(self, variant: str) -> None:
        palette = np.array(SUNRGBD.variants[variant].palette)
        distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(palette, 2)]
        assert min(distances) > 20
        assert min(np.linalg.norm(palette, axis=1)) > 60  # none is taken for black, which is void

    @pytest.mark.parametrize(
        ("group", "members"),
        [
            ("wall", {"wall", "door"}),
            ("window", {"window", "blinds", "curtain"}),
            ("table", {"table", "desk"}),
            ("floor", {"floor", "floor_mat"}),
            ("furniture", {"cabinet", "bookshelf", "counter", "shelves", "dresser", "fridge", "night_stand"}),
            ("picture", {"picture"}),
            ("tv", {"tv"}),
        ],
    )
    def test_groups(self, group: str, members: set[str]) -> None:
        names = SUNRGBD.variants["13"].class_names
        grouped = zip(SUNRGBD.variants["37"].class_names, GROUP_OF_CLASS, strict=True)
        assert {name for name, number in grouped if names[number - 1] == group} == members

    def test_every_group_has_a_member(self) -> None:
        assert set(GROUP_OF_CLASS) == set(range(1, 14))

    @pytest.mark.parametrize(
        ("path", "folder"),
        [
            ("/n/fs/sun3d/data/SUNRGBD/kv1/NYUdata/NYU0001", "kv1/NYUdata/NYU0001"),
            ("/n/fs/sun3d/data/SUNRGBD/xtion/sun3ddata/a/b//image/1.jpg", "xtion/sun3ddata/a/b/image/1.jpg"),
            ("/n/fs/sun3d/data/SUNRGBD//realsense/sa/c//", "realsense/sa/c"),
            ("SUNRGBD/kv2/x", "kv2/x"),
            ("/n/fs/sun3d/data/kv2/x", None),
            ("/n/SUNRGBD", ""),
        ],
    )
    def test_paths(self, path: str, folder: str | None) -> None:
        assert sample_folder(path) == folder


class TestRoutes:
    @pytest.mark.parametrize("variant", ["37", "13", "37-depth", "13-depth"])
    def test_both_releases_give_the_same(self, releases: Path, variant: str) -> None:
        first, second = opened(official(releases), variant), opened(repackaged(releases), variant)
        assert same(first.samples, second.samples)
        for split, ids in IDS.items():
            assert [name for name, sample in first.samples.items() if sample.split == split] == ids
        assert first.partial and second.partial
        assert [name for name, _ in first.archives] == ["SUNRGBD.zip", "SUNRGBDtoolbox.zip"]
        assert "depth" not in variant or all(sample.depth for sample in first.samples.values())

    @pytest.mark.parametrize("variant", ["37", "13"])
    def test_prepared_they_have_one_fingerprint(self, releases: Path, variant: str) -> None:
        first, second = (
            prepare("sunrgbd", variant, sources=sources, partial=True, force=True).manifest
            for sources in (official(releases), repackaged(releases))
        )
        assert first.fingerprint == second.fingerprint
        assert first.counts == second.counts == COUNTS
        assert first.splits == second.splits
        assert first.sources != second.sources
        prepared = load("sunrgbd", variant)
        assert {split: list(rows["id"]) for split, rows in prepared.items()} == IDS
        assert np.array(prepared["test"][0]["label"]).shape == scenes([1])[0].size

    def test_depth_is_a_column_and_no_part_of_the_fingerprint(self, releases: Path) -> None:
        plain = prepare("sunrgbd", "37", sources=official(releases), partial=True).manifest
        deep = prepare("sunrgbd", "37-depth", sources=official(releases), partial=True).manifest
        assert plain.fingerprint == deep.fingerprint
        scene = scenes()[0]
        np.testing.assert_array_equal(np.array(load("sunrgbd", "37-depth")["test"][0]["depth"]), scene.depth)
        assert "depth" not in load("sunrgbd", "37")["test"].column_names

    def test_a_second_reader_agrees(self, releases: Path, tmp_path: Path) -> None:
        """The official archives read as their users' scripts do, without any code of the project."""
        samples = opened(official(releases)).samples
        expected = read_plainly(releases, tmp_path)
        assert {name: sample.split for name, sample in samples.items()} == {n: e[0] for n, e in expected.items()}
        for name, (_, image, stored) in expected.items():
            assert samples[name].image == image
            np.testing.assert_array_equal(samples[name].label, np.where(stored == 0, 255, stored.astype(int) - 1))

    def test_a_labelled_corner_stays_where_it_is(self, releases: Path) -> None:
        for sources in (official(releases), repackaged(releases)):
            for name, sample in opened(sources).samples.items():
                height, width = sample.label.shape
                assert width > height == 6 + int(name) % 3
                assert sample.label[0, -1] == int(name) % 37
                assert sample.label[-1, 0] == sample.label[0, 0] == 255

    def test_every_label_of_both_variants(self, tmp_path: Path) -> None:
        ramp = np.arange(38, dtype=np.float64).reshape(2, 19)
        sources = short(tmp_path, [Scene(1, (2, 19))], labels={1: ramp})
        fine, coarse = (opened(sources, variant).samples["000001"].label.ravel() for variant in ("37", "13"))
        assert fine.tolist() == [255, *range(37)]
        assert coarse.tolist() == [255, *(group - 1 for group in GROUP_OF_CLASS)]

    def test_any_number_type_of_the_maps(self, tmp_path: Path) -> None:
        labels = {
            scene.number: scene.label.astype(kind)
            for scene, kind in zip(SMALL, ("uint8", "uint16", "float64", "int32"), strict=True)
        }
        assert same(
            opened(short(tmp_path / "a", SMALL, labels=labels)).samples, opened(short(tmp_path / "b", SMALL)).samples
        )

    def test_every_layout_gives_the_same(self, tmp_path: Path) -> None:
        archives = short(tmp_path, SMALL)
        tarballs = miniature.repackaged(tmp_path, SMALL, depth=True)
        photographs, tools = (unpacked(path, tmp_path / f"unpacked_{path.stem}") for path in archives)
        for path in archives:
            unpacked(path, tmp_path / "both")
        tar = tmp_path / "photographs.tar.xz"
        with tarfile.open(tar, "w:xz") as archive:
            for path in sorted(photographs.rglob("*.*"), reverse=True):
                archive.add(path, path.relative_to(photographs))
        flat = [unpacked(path, tmp_path / "flat" / path.name.partition(".")[0]) for path in tarballs]
        mac = {"__MACOSX/SUNRGBD/kv1/a/image/b.jpg": b"fork", "SUNRGBD/kv1/a/image/._b.jpg": b"fork"}
        layouts: list[list[Path]] = [
            archives[::-1],
            [photographs, tools],
            [photographs / "SUNRGBD", archives[1]],
            [tmp_path / "both"],
            [tar, tools],
            [*archives, miniature.as_zip(mac.items(), tmp_path / "mac.zip")],
            tarballs,
            flat,
            [tmp_path / "flat"],
            miniature.repackaged(tmp_path / "backwards", SMALL, depth=True, order=-1),
        ]
        expected = opened(archives, "37-depth").samples
        assert len(expected) == 4
        for sources in layouts:
            assert same(opened(sources, "37-depth").samples, expected), sources

    def test_one_archive_with_all_of_the_repackaged_files(self, releases: Path, tmp_path: Path) -> None:
        """Photographs and label maps lie far apart in one stream: what comes too early waits on the disk."""
        for path in repackaged(releases):
            unpacked(path, tmp_path / "flat" / path.name.partition(".")[0])
        with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "flat", "sunrgbd")
        assert same(opened([tmp_path / "all.tar.gz"]).samples, opened(official(releases)).samples)

    def test_nothing_is_left_on_the_disk(self, releases: Path, tmp_path: Path) -> None:
        opened(official(releases))
        opened(miniature.repackaged(tmp_path, scenes(), order=-1))
        assert [path for path in cache_home().rglob("*") if path.is_file()] == []

    def test_no_room_for_the_label_maps(self, releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=700))
        with pytest.raises(DataError, match=r"^allsplit\.mat of SUNRGBDtoolbox\.zip needs \d+ bytes for a while, 700"):
            opened(official(releases))

    def test_no_room_for_another_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sources = miniature.repackaged(tmp_path, scenes(), order=-1)
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=7))
        with pytest.raises(
            DataError, match=r"^SUNRGBD-train_images\.tgz, stored in another order, needs \d+ bytes for a while, 7 are"
        ):
            opened(sources)

    def test_archives_in_official_order_need_no_room(self, releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: pytest.fail("a spool was opened"))
        assert len(opened(repackaged(releases)).samples) == 7

    def test_the_release_at_hand_says_what_is_not_known_of_its_numbers(self, releases: Path) -> None:
        assert opened(official(releases)).messages == []
        second = opened(repackaged(releases))
        assert second.messages == [NUMBERING_NOTE]
        assert {origin for _, origin in second.archives} == {"local (numbering unconfirmed)"}

    def test_lists_that_number_otherwise_are_told(self, tmp_path: Path) -> None:
        assert any("ids of the two releases differ" in message for message in opened(short(tmp_path, SMALL)).messages)

    def test_landmarks_are_those_of_the_miniature(self) -> None:
        assert dict(LANDMARKS) == miniature.KNOWN_FOLDERS

    def test_another_list_of_classes_is_told(self, tmp_path: Path) -> None:
        names = [*miniature.NAMES[:5], "settee", *miniature.NAMES[6:]]
        changed = miniature.segmentation({s.number: s.label for s in SMALL}, len(SMALL), names=names)
        messages = opened(short(tmp_path, SMALL, SUNRGBD2Dseg=changed)).messages
        assert any("37 classes that is known (it has settee)" in message for message in messages)


def read_plainly(releases: Path, scratch: Path) -> dict[str, tuple[str, bytes, NDArray[np.uint8]]]:
    """Split, JPEG and raw label map of every image that is there, by its number with six digits."""
    for archive in official(releases):
        unpacked(archive, scratch)
    tools = scratch / "SUNRGBDtoolbox"
    train = {str(path[0]) for path in loadmat(tools / "traintestSUNRGBD/allsplit.mat")["alltrain"].ravel()}
    records = loadmat(tools / "Metadata/SUNRGBDMeta.mat")["SUNRGBDMeta"].ravel()
    found = {}
    with h5py.File(tools / "Metadata/SUNRGBD2Dseg.mat", "r") as file:
        assert file.userblock_size == 512
        maps = file["SUNRGBD2Dseg"]["seglabel"]
        for position, record in enumerate(records):
            path = str(record["rgbpath"][0])
            image = scratch / path.removeprefix("/n/fs/sun3d/data/")
            if image.is_file():
                # The scripts leave out two parts; where the path has two slashes the list has one more, too.
                split = "train" if "/".join(path.split("/")[:-2]) in train else "test"
                stored = file[maps[position][0]][:].transpose(1, 0)
                found[f"{position + 1:06d}"] = (split, image.read_bytes(), stored)
    # Training images first, as they are prepared.
    return dict(sorted(found.items(), key=lambda item: (item[1][0] == "test", item[0])))


def short(
    folder: Path, present: Sequence[Scene], *, labels: Mapping[int, NDArray[Any]] | None = None, **changed: bytes
) -> list[Path]:
    """The official archives with lists of nothing but ``present``, which are numbered from 1."""
    numbers = [scene.number for scene in present]
    maps = labels if labels is not None else {scene.number: scene.label for scene in present}
    contents: dict[str, Callable[[], bytes]] = {
        "allsplit": lambda: miniature.all_split(numbers),
        "SUNRGBDMeta": lambda: miniature.meta(numbers),
        "SUNRGBD2Dseg": lambda: miniature.segmentation(maps, len(present)),
    }
    made = {stem: changed[stem] if stem in changed else make() for stem, make in contents.items()}
    return miniature.official(folder, present, **made)


def changed_hdf5(content: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """A .mat of version 7.3 with something changed in it."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def small_segmentation() -> bytes:
    return miniature.segmentation({scene.number: scene.label for scene in SMALL}, len(SMALL))


class TestRefusals:
    def test_incomplete_archives_are_counted(self, releases: Path) -> None:
        with pytest.raises(
            DataError,
            match=r"^SUNRGBD\.zip, SUNRGBDtoolbox\.zip lacks 10328 files of the 10335 samples of SUN RGB-D, the first "
            r"is \S+/image/0005053\.jpg\. Give both archives: .* --partial",
        ):
            opened(official(releases), partial=False)

    def test_incomplete_tarballs_are_counted(self, releases: Path) -> None:
        with pytest.raises(
            DataError,
            match=r"lacks 20656 of the 20670 files of SUN RGB-D \(10328 images, 10328 labels\), the first is the image "
            r"of sample 005053\. Give --from SUNRGBD-train_images\.tgz",
        ):
            opened([path for path in repackaged(releases) if "depth" not in path.name], partial=False)

    def test_depth_that_is_not_there_is_counted(self, releases: Path) -> None:
        sources = [path for path in repackaged(releases) if "depth" not in path.name]
        with pytest.raises(DataError, match=r"10328 images, 10328 labels, 10335 depths"):
            opened(sources, "37-depth", partial=False)

    def test_short_lists(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"have 0 train images, 4 test images; SUN RGB-D has 5285 and 5050\."):
            opened(short(tmp_path, SMALL), partial=False)

    def test_only_the_photographs(self, releases: Path) -> None:
        with pytest.raises(DataError, match=r"^SUNRGBD\.zip lacks SUNRGBDMeta\.mat, which is in SUNRGBDtoolbox\.zip"):
            opened(official(releases)[:1])

    def test_only_the_toolbox_holds_no_sample(self, releases: Path) -> None:
        assert opened(official(releases)[1:]).samples == {}

    def test_both_releases(self, releases: Path) -> None:
        with pytest.raises(DataError, match="something of the official and of the repackaged"):
            opened([*official(releases), *repackaged(releases)])

    def test_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "holiday").mkdir()
        (tmp_path / "holiday" / "a.jpg").write_bytes(b"x")
        with pytest.raises(
            DataError, match=r"^holiday is no SUN RGB-D\. Give SUNRGBD\.zip and SUNRGBDtoolbox\.zip, or"
        ):
            opened([tmp_path / "holiday"])

    def test_a_size(self, releases: Path) -> None:
        options = SourceOptions(tuple(official(releases)), (360, 480))
        with (
            pytest.raises(UsageError, match="sunrgbd 37 cannot be made at 360x480"),
            sunrgbd_source.source(SUNRGBD.variants["37"], options),
        ):
            pass

    @pytest.mark.parametrize("stem", ["allsplit", "SUNRGBDMeta", "SUNRGBD2Dseg"])
    @pytest.mark.parametrize("content", [b"", b"not a mat file" * 100], ids=["empty", "text"])
    def test_a_file_that_is_no_mat_file(self, tmp_path: Path, stem: str, content: bytes) -> None:
        with pytest.raises(DataError, match=rf"^\S*/{stem}\.mat in SUNRGBDtoolbox\.zip cannot be read as a MATLAB"):
            opened(short(tmp_path, SMALL, labels=None, **{stem: content}))

    @pytest.mark.parametrize("stem", ["allsplit", "SUNRGBDMeta", "SUNRGBD2Dseg"])
    def test_a_file_that_is_cut_off(self, tmp_path: Path, stem: str) -> None:
        whole = {"allsplit": miniature.all_split(range(1, 5)), "SUNRGBDMeta": miniature.meta(range(1, 5))}
        content = whole.get(stem, small_segmentation())
        with pytest.raises(DataError, match=rf"{stem}\.mat in SUNRGBDtoolbox\.zip"):
            opened(short(tmp_path, SMALL, labels=None, **{stem: content[: len(content) // 2]}))

    def test_a_list_that_is_missing(self, tmp_path: Path) -> None:
        wrong = miniature._mat5({"trainvalsplit": np.zeros((1, 1))})
        with pytest.raises(DataError, match=r"allsplit\.mat in SUNRGBDtoolbox\.zip has no variable alltrain\.$"):
            opened(short(tmp_path, SMALL, allsplit=wrong))

    @pytest.mark.parametrize("field", ["rgbpath", "depthname"])
    def test_a_field_that_is_missing(self, tmp_path: Path, field: str) -> None:
        wrong = miniature.meta(range(1, 5), [name for name in miniature.FIELDS if name != field])
        with pytest.raises(DataError, match=rf"SUNRGBDMeta\.mat in SUNRGBDtoolbox\.zip: image 1 has no {field}\.$"):
            opened(short(tmp_path, SMALL, SUNRGBDMeta=wrong))

    def test_an_image_in_no_list(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"image 4, kv2/align_kv2/\S+, is in no list of allsplit\.mat\.$|image 4, "):
            opened(short(tmp_path, SMALL, allsplit=miniature.all_split(range(1, 4))))

    def test_an_image_that_is_listed_twice(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"SUNRGBDMeta\.mat in SUNRGBDtoolbox\.zip: \S+ is there twice, as 2 and 4"):
            opened(short(tmp_path, SMALL, SUNRGBDMeta=miniature.meta([1, 2, 3, 2])))

    def test_a_folder_in_both_splits(self, tmp_path: Path) -> None:
        cells = np.empty((1, 1), dtype=object)
        cells[0, 0] = miniature.authors_path(2)
        wrong = miniature._mat5({"alltrain": cells, "alltest": cells})
        with pytest.raises(DataError, match=r"allsplit\.mat in SUNRGBDtoolbox\.zip: \S+ is in both alltrain and all"):
            opened(short(tmp_path, SMALL, allsplit=wrong))

    def test_a_list_of_something_else(self, tmp_path: Path) -> None:
        wrong = miniature._mat5({"alltrain": np.ones((1, 3)), "alltest": np.ones((1, 3))})
        with pytest.raises(DataError, match=r"path 1 of alltrain has no folder SUNRGBD: '1\.0'\.$"):
            opened(short(tmp_path, SMALL, allsplit=wrong))

    def test_a_key_of_the_label_maps_that_is_missing(self, tmp_path: Path) -> None:
        wrong = miniature.segmentation({}, 4, field="labels")
        with pytest.raises(DataError, match=r"SUNRGBD2Dseg\.mat in SUNRGBDtoolbox\.zip has no SUNRGBD2Dseg\.seglabel"):
            opened(short(tmp_path, SMALL, SUNRGBD2Dseg=wrong))

    def test_fewer_label_maps_than_images(self, tmp_path: Path) -> None:
        wrong = miniature.segmentation({1: SMALL[0].label}, 3)
        with pytest.raises(
            DataError, match=r"^SUNRGBDMeta\.mat lists 4 images, but SUNRGBD2Dseg\.mat has 3 label maps"
        ):
            opened(short(tmp_path, SMALL, SUNRGBD2Dseg=wrong))

    def test_a_reference_to_nothing(self, tmp_path: Path) -> None:
        labels = {scene.number: scene.label for scene in SMALL if scene.number != 2}
        with pytest.raises(DataError, match=r"SUNRGBD2Dseg\.mat in SUNRGBDtoolbox\.zip: label map 2 cannot be read"):
            opened(short(tmp_path, SMALL, labels=labels))

    @pytest.mark.parametrize("address", [1 << 40, 1, 600, 2**63 + 5])
    def test_a_reference_that_dangles(self, tmp_path: Path, address: int) -> None:
        content = small_segmentation()
        with h5py.File(io.BytesIO(content), "r") as file:
            right = h5py.h5o.get_info(file["#refs#"]["l3"].id).addr
        wrong = content.replace(right.to_bytes(8, "little"), address.to_bytes(8, "little"))
        assert wrong != content
        with pytest.raises(DataError, match=r"SUNRGBD2Dseg\.mat in SUNRGBDtoolbox\.zip: label map 3 "):
            opened(short(tmp_path, SMALL, SUNRGBD2Dseg=wrong))

    def test_no_references_at_all(self, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            del file["SUNRGBD2Dseg"]["seglabel"]
            file["SUNRGBD2Dseg"]["seglabel"] = np.zeros((4, 1))

        wrong = changed_hdf5(small_segmentation(), change)
        with pytest.raises(DataError, match=r"SUNRGBD2Dseg\.seglabel is no list of references"):
            opened(short(tmp_path, SMALL, SUNRGBD2Dseg=wrong))

    @pytest.mark.parametrize(
        ("made", "message"),
        [
            (lambda f: f.create_group("x"), "is no matrix of numbers"),
            (lambda f: f.create_dataset("x", data=np.zeros((2, 3, 4))), "is no matrix of numbers"),
            (lambda f: f.create_dataset("x", data=np.array([b"abc"])), "is no matrix of numbers"),
            (
                lambda f: f.create_dataset("x", shape=(100_000, 100_000), dtype="u1", chunks=(100, 100)),
                "has 100000x100000 pixels, 16777216 are allowed",
            ),
            (
                lambda f: f.create_dataset("x", shape=(6, 6), dtype="u1", external=[("/etc/passwd", 0, 36)]),
                "refers to another file; it is refused",
            ),
        ],
        ids=["group", "cube", "text", "bomb", "external"],
    )
    def test_a_reference_to_something_else(
        self, tmp_path: Path, made: Callable[[h5py.File], Any], message: str
    ) -> None:
        def change(file: h5py.File) -> None:
            references = file["SUNRGBD2Dseg"]["seglabel"]
            references[1, 0] = made(file).ref

        wrong = changed_hdf5(small_segmentation(), change)
        with pytest.raises(DataError, match=rf"SUNRGBD2Dseg\.mat in SUNRGBDtoolbox\.zip: label map 2 {message}"):
            opened(short(tmp_path, SMALL, SUNRGBD2Dseg=wrong))

    @pytest.mark.parametrize("value", [38, 255.0, -1, 2.5, np.nan, 1e9])
    def test_a_label_that_does_not_exist(self, tmp_path: Path, value: float) -> None:
        labels = {scene.number: scene.label.astype(np.float64) for scene in SMALL}
        labels[2][3, 5] = value
        shown = "nan" if value != value else rf"{value:g}".replace("+", r"\+")
        with pytest.raises(
            DataError,
            match=r"SUNRGBD2Dseg\.mat in SUNRGBDtoolbox\.zip: label map 2: the pixel in row 3, column 5 has the label "
            rf"({shown}|{float(value)})",
        ):
            opened(short(tmp_path, SMALL, labels=labels))

    def test_a_label_of_the_tarball_that_does_not_exist(self, tmp_path: Path) -> None:
        sources = miniature.repackaged(tmp_path, SMALL)
        wrong = SMALL[1].label.copy()
        wrong[3, 5] = 38
        files = {f"img-{scene.number:06d}.png": png(scene.label if scene.number != 2 else wrong) for scene in SMALL}
        miniature.as_tgz(files.items(), sources[2])
        with pytest.raises(
            DataError,
            match=r"^img-000002\.png in sunrgbd_train_test_labels\.tar\.gz: the pixel in row 3, column 5 has the label "
            r"38; SUN RGB-D has 0\.\.37 \(sample 000002\)\.$",
        ):
            opened(sources)

    def test_sizes_that_differ(self, tmp_path: Path) -> None:
        labels = {scene.number: scene.label for scene in SMALL}
        labels[3] = labels[3].T
        with pytest.raises(
            DataError,
            match=r"^\S+/image/0000003\.jpg in SUNRGBD\.zip is 6x15 but \S+SUNRGBD2Dseg\.mat in SUNRGBDtoolbox\.zip: "
            r"label map 3 is 15x6 \(sample 000003\)\.$",
        ):
            opened(short(tmp_path, SMALL, labels=labels))

    def test_a_photograph_that_is_damaged(self, tmp_path: Path) -> None:
        sources = miniature.repackaged(tmp_path, SMALL)
        files = {f"img-{scene.number:06d}.jpg": scene.image for scene in SMALL} | {"img-000002.jpg": b"x"}
        miniature.as_tgz(files.items(), sources[1])
        with pytest.raises(CorruptImageError, match=r"^img-000002\.jpg in SUNRGBD-test_images\.tgz is not a readable"):
            opened(sources)

    def test_a_depth_map_of_8_bits(self, tmp_path: Path) -> None:
        sources = miniature.repackaged(tmp_path, SMALL, depth=True)
        files = {f"sunrgbd_test_depth/{scene.number}.png": png(scene.label) for scene in SMALL}
        miniature.as_tgz(files.items(), sources[4])
        with pytest.raises(
            DataError, match=r"^sunrgbd_test_depth/1\.png in sunrgb_test_depth\.tgz has mode L; a depth"
        ):
            opened(sources, "37-depth")

    def test_a_depth_map_of_another_size(self, tmp_path: Path) -> None:
        sources = miniature.repackaged(tmp_path, SMALL, depth=True)
        files = {f"sunrgbd_test_depth/{scene.number}.png": png(scene.depth.T.copy()) for scene in SMALL}
        miniature.as_tgz(files.items(), sources[4])
        with pytest.raises(DataError, match=r"1\.png in sunrgb_test_depth\.tgz is 13x7; its image is 7x13\.$"):
            opened(sources, "37-depth")

    def test_photographs_that_do_not_tell_their_split(self, tmp_path: Path) -> None:
        sources = miniature.repackaged(tmp_path, SMALL)
        renamed = sources[1].rename(tmp_path / "images.tgz")
        with pytest.raises(DataError, match=r"^img-000001\.jpg in images\.tgz: train or test\?"):
            opened([renamed, sources[2]])

    @pytest.mark.parametrize("number", [0, 5286])
    def test_a_number_beyond_the_list(self, tmp_path: Path, number: int) -> None:
        path = miniature.as_tgz([(f"img-{number:06d}.jpg", b"x")], tmp_path / "SUNRGBD-train_images.tgz")
        with pytest.raises(DataError, match=rf"number {number} is outside of 1\.\.5285\.$"):
            opened([path])

    def test_a_photograph_that_is_there_twice(self, releases: Path, tmp_path: Path) -> None:
        again = shutil.copy(releases / "SUNRGBD.zip", tmp_path / "again.zip")
        with pytest.raises(DataError, match=r"\.jpg is there twice: \S+ in SUNRGBD\.zip and \S+ in again\.zip\."):
            opened([*official(releases), Path(again)])
        again = shutil.copy(releases / "SUNRGBD-test_images.tgz", tmp_path / "test.tgz")
        with pytest.raises(DataError, match=r"^The image of sample 000001 is there twice: "):
            opened([*repackaged(releases), Path(again)])

    def test_a_toolbox_that_is_there_twice(self, releases: Path, tmp_path: Path) -> None:
        again = shutil.copy(releases / "SUNRGBDtoolbox.zip", tmp_path / "again.zip")
        with pytest.raises(DataError, match=r"^SUNRGBDMeta\.mat is there twice: "):
            opened([*official(releases), Path(again)])


class TestDepth:
    def test_all_values_of_the_official_encoding(self, tmp_path: Path) -> None:
        """Rotated left by three bits: the authors' (v >> 3) | (v << 13) brings every value back."""
        ramp: NDArray[Any] = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        (tmp_path / "a").mkdir()
        scene = Scene(1, (256, 256))
        sources = short(tmp_path, [scene], labels={1: np.zeros((256, 256), np.uint8)})
        with zipfile.ZipFile(sources[0], "w") as archive:
            top = f"SUNRGBD/{scene.folder}"
            archive.writestr(f"{top}/image/{miniature.photograph(1)}", scene.image)
            archive.writestr(f"{top}/depth_bfx/of_another_name.png", png(ramp))
        depth = opened(sources, "37-depth").samples["000001"].depth
        assert depth is not None
        expected = [(value // 8) + (value % 8) * 8192 for value in range(65536)]
        assert decode_uint16(depth, "depth").ravel().tolist() == expected

    def test_all_values_of_the_repackaged_encoding(self, tmp_path: Path) -> None:
        ramp: NDArray[Any] = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        scene = Scene(1, (256, 256))
        sources = miniature.repackaged(tmp_path, [scene], depth=True)
        miniature.as_tgz([("sunrgbd_test_depth/1.png", png(ramp))], sources[4])
        depth = opened(sources, "13-depth").samples["000001"].depth
        assert depth is not None
        assert decode_uint16(depth, "depth").ravel().tolist() == [(value + 5) // 10 for value in range(65536)]
        assert Image.open(io.BytesIO(depth)).mode == "I;16"


class TestDownload:
    @pytest.fixture
    def served(self, releases: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A mirror with both releases, whose toolbox has the checksum asked for; no other address is known."""
        digest = hashlib.md5((releases / "SUNRGBDtoolbox.zip").read_bytes(), usedforsecurity=False).hexdigest()
        with loopback() as server:
            for path in releases.iterdir():
                server.serve(f"/{path.name}", Reply(path.read_bytes()))
            moved = {
                name: tuple(
                    replace(remote, urls=(f"{server.url}/{remote.file_name}",), md5=remote.md5 and digest)
                    for remote in remotes
                )
                for name, remotes in (
                    ("OFFICIAL_REMOTES", OFFICIAL_REMOTES),
                    ("REPACKAGED_REMOTES", REPACKAGED_REMOTES),
                    ("REPACKAGED_DEPTH_REMOTES", REPACKAGED_DEPTH_REMOTES),
                )
            }
            for name, remotes in moved.items():
                monkeypatch.setattr(sunrgbd_source, name, remotes)
            yield server

    def test_the_official_archives_come_first(self, served: Any, releases: Path) -> None:
        found = opened([])
        assert same(found.samples, opened(official(releases)).samples)
        assert found.archives == [
            ("SUNRGBDtoolbox.zip", f"{served.url}/SUNRGBDtoolbox.zip"),
            ("SUNRGBD.zip", f"{served.url}/SUNRGBD.zip (unverified)"),
        ]
        assert len(served.requests) == 2

    @pytest.mark.parametrize("variant", ["37", "37-depth"])
    def test_the_repackaged_ones_where_they_cannot_be_had(self, served: Any, releases: Path, variant: str) -> None:
        served.serve("/SUNRGBDtoolbox.zip", Reply(b"another toolbox"))
        found = opened([], variant)
        assert same(found.samples, opened(official(releases), variant).samples)
        assert any("wrong checksum: md5" in message for message in found.messages)
        names = ["SUNRGBD-train_images.tgz", "SUNRGBD-test_images.tgz", "sunrgbd_train_test_labels.tar.gz"]
        names += ["sunrgb_train_depth.tgz", "sunrgb_test_depth.tgz"] if variant == "37-depth" else []
        assert found.archives == [(name, f"{served.url}/{name} (unverified, numbering unconfirmed)") for name in names]

    def test_neither(self, served: Any) -> None:
        for path in ("/SUNRGBDtoolbox.zip", "/SUNRGBD-train_images.tgz"):
            served.serve(path, Reply(status=404))
        with pytest.raises(
            DownloadError, match=r"^SUNRGBDtoolbox\.zip could not .* SUNRGBD-train_images\.tgz could not"
        ):
            opened([])

    def test_the_toolbox_is_pinned(self) -> None:
        toolbox, photographs = OFFICIAL_REMOTES
        assert toolbox.md5 == "18d22e1761d36352f37232cba102f91f"
        assert photographs.content == {}


MEASURED = """
import json, resource, sys, time
from pathlib import Path
from segbench.data.preparation import prepare

start = time.perf_counter()
manifest = prepare("sunrgbd", sys.argv[1], sources=[Path(name) for name in sys.argv[2:]], force=True).manifest
# Of this program alone: ru_maxrss would begin with the size of the process that started it.
own = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM:"))
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({
    "seconds": round(time.perf_counter() - start, 1), "peak_mib": round(own), "peak_worker_mib": round(children),
    "fingerprint": manifest.fingerprint, "counts": manifest.counts, "partial": manifest.partial,
    "pixels": [split.pixels for split in manifest.splits.values()],
}))
"""


def measured(variant: str, sources: Sequence[Path]) -> dict[str, Any]:
    """Prepares in a process of its own, so that the peak of the memory is that of nothing else."""
    command = [sys.executable, "-c", MEASURED, variant, *map(str, sources)]
    return _run(command)


def _run(command: Sequence[str]) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.slow
class TestScale:
    @pytest.mark.timeout(900)
    def test_all_10335_images_from_both_releases(self, tmp_path: Path) -> None:
        tiny = [Scene(number, (6, 8)) for number in range(1, 10336)]
        first = miniature.official(tmp_path / "a", tiny, SUNRGBDMeta=miniature.meta())
        second = miniature.repackaged(tmp_path / "b", tiny)
        for variant in ("37", "13"):
            left, right = (measured(variant, sources) for sources in (first, second))
            assert left["fingerprint"] == right["fingerprint"]
            assert left["pixels"] == right["pixels"]
            for result in (left, right):
                assert (result["counts"], result["partial"]) == ({"train": 5285, "test": 5050}, False)
                assert result["peak_mib"] < 1024
            if variant == "37":
                labels = np.concatenate([scene.label.ravel() for scene in tiny[5050:]])
                assert left["pixels"][0] == np.bincount(labels, minlength=38)[1:].tolist()

    @pytest.mark.timeout(300)
    def test_memory_does_not_grow_with_the_label_maps(self, tmp_path: Path) -> None:
        """1.2 GB of doubles in their true size, of which one map at a time is held."""
        maps = [Scene(number, (530, 730)) for number in range(1, 401)]
        label = np.zeros((530, 730))
        label[:100, -1] = 7
        sources = short(tmp_path, maps, labels={scene.number: label for scene in maps})
        result = measured_partial(sources)
        assert (result["counts"], result["pixels"][0][6]) == ({"test": 400}, 40_000)
        assert result["peak_mib"] < 600


def measured_partial(sources: Sequence[Path]) -> dict[str, Any]:
    """As ``measured``, of what is there."""
    command = [sys.executable, "-c", MEASURED.replace("force=True", "force=True, partial=True"), "37"]
    return _run([*command, *map(str, sources)])
