"""Folders and archives of every kind read alike; what is hostile or damaged is one clear line."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segbench.data.archive import DEFAULT_LIMITS, Limits, open_tree
from segbench.errors import DataError

FILES = {
    "CamVid/train/b.png": random.Random(1).randbytes(70_000),
    "CamVid/train/a.png": b"a",
    "CamVid/train.txt": b"",
    "CamVid/trainannot/ä b.png": bytes(5_000),
    "z": b"last" * 128,
}
TARS = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
KINDS = ["folder", "zip", *TARS]
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_tar(path: Path, files: Mapping[str, bytes], mode: str = "w", *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


def make_zip(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return path


def make_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def make(kind: str, folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    path = folder / "misleading.name"  # the content decides
    if kind == "folder":
        return make_folder(path, files)
    return make_zip(path, files) if kind == "zip" else make_tar(path, files, TARS[kind])


@pytest.mark.parametrize("kind", KINDS)
class TestAlike:
    def test_names_are_sorted_and_contents_are_the_same(self, kind: str, tmp_path: Path) -> None:
        with open_tree(make(kind, tmp_path)) as tree:
            assert tree.names() == sorted(FILES)
            assert {name: tree.read(name) for name in tree.names()} == FILES
            assert {name: tree.read(name) for name in reversed(tree.names())} == FILES
            assert "z" in tree
            assert "CamVid" not in tree

    def test_a_stream_gives_what_is_asked_in_stored_order(self, kind: str, tmp_path: Path) -> None:
        stored = sorted(FILES) if kind == "folder" else list(FILES)
        with open_tree(make(kind, tmp_path)) as tree:
            assert list(tree.stream()) == [(name, FILES[name]) for name in stored]
            asked = ["z", "CamVid/train/a.png", "z"]
            assert [name for name, _ in tree.stream(asked)] == ["CamVid/train/a.png", "z"]
            assert list(tree.stream([])) == []

    def test_a_name_that_is_not_there(self, kind: str, tmp_path: Path) -> None:
        with open_tree(make(kind, tmp_path)) as tree:
            for name in ("nothing", "CamVid", "../secret", ""):
                with pytest.raises(DataError, match="has no file"):
                    tree.read(name)
            with pytest.raises(DataError, match="has no file nothing"):
                list(tree.stream(["nothing", "z"]))

    def test_the_digest_is_that_of_the_archive(self, kind: str, tmp_path: Path) -> None:
        path = make(kind, tmp_path)
        with open_tree(path) as tree:
            assert tree.path == path
            assert tree.digest() == (None if kind == "folder" else hashlib.sha256(path.read_bytes()).hexdigest())

    def test_an_empty_one_has_no_names(self, kind: str, tmp_path: Path) -> None:
        (tmp_path / "misleading.name").mkdir() if kind == "folder" else None
        with open_tree(make(kind, tmp_path, {})) as tree:
            assert tree.names() == []
            assert list(tree.stream()) == []

    def test_nothing_is_written(self, kind: str, tmp_path: Path) -> None:
        path = make(kind, tmp_path)
        before = sorted(tmp_path.rglob("*"))
        with open_tree(path) as tree:
            list(tree.stream())
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("raw", ["./a//b.png", "a\\b.png", "a/./b.png"])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_names_are_tidied(kind: str, tmp_path: Path, raw: str) -> None:
    with open_tree(make(kind, tmp_path, {raw: b"x"})) as tree:
        assert tree.names() == ["a/b.png"]
        assert tree.read("a/b.png") == b"x"


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("\\\\host\\share", "absolute"),
        ("C:/windows", "absolute"),
        ("C:\\windows", "absolute"),
        ("../up", r"'\.\.'"),
        ("a/../../up", r"'\.\.'"),
        ("a\\..\\..\\up", r"'\.\.'"),
        ("a/..", r"'\.\.'"),
        (".", "has no name"),
    ],
)
def test_a_name_that_leads_out_is_refused(kind: str, tmp_path: Path, name: str, reason: str) -> None:
    path = make(kind, tmp_path, {"good": b"", name: b"bad"})
    with pytest.raises(DataError, match=reason) as caught:
        open_tree(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_name_that_is_there_twice_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"member a/b is there twice"):
        open_tree(make(kind, tmp_path, {"a/b": b"1", "./a/b": b"2"}))


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_tree(make_tar(tmp_path / "x", {"../\x1b[31m\nred\udcff": b""}))
    assert str(caught.value).isprintable()
    assert "\\x1b" in str(caught.value)


def tar_member(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("mode", TARS.values())
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is a device"),
        (tarfile.BLKTYPE, "is a device"),
        (tarfile.FIFOTYPE, "is a device"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, mode: str, kind: bytes, reason: str) -> None:
    path = make_tar(tmp_path / "x", FILES, mode, tar_member(kind, "z"))
    with pytest.raises(DataError, match=rf"x: member odd {reason}"):
        open_tree(path)


@pytest.mark.parametrize(
    ("mode", "reason"), [(0o120777, "is a link"), (0o010644, "is a device"), (0o060644, "is a device")]
)
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, mode: int, reason: str) -> None:
    info = zipfile.ZipInfo("odd")
    info.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr(info, "z")
    with pytest.raises(DataError, match=rf"x: member odd {reason}"):
        open_tree(tmp_path / "x")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x", {"secret": b"1"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="member secret is encrypted"):
        open_tree(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_zip_compressions_are_refused(tmp_path: Path, compression: int) -> None:
    with pytest.raises(DataError, match=f"member a has zip compression method {compression}"):
        open_tree(make_zip(tmp_path / "x", {"a": b"1"}, compression))


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(10**12), "GNU.sparse.name": "holes"}
    with tarfile.open(tmp_path / "x", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(DataError, match="member holes is a sparse file"):
        open_tree(tmp_path / "x")


TIGHT = Limits(ratio=20, ratio_floor=100_000)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb_is_refused_by_its_ratio(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, {"fine": b"1", "bomb": bytes(2_000_000)})
    with pytest.raises(DataError, match=r"member bomb (would grow|brings)"):
        open_tree(path, TIGHT)
    open_tree(path).close()  # 2 MB of zeros harm nobody


def test_a_bomb_after_the_last_member_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(make_tar(tmp_path / "t", {"a": b"1"}).read_bytes() + bytes(9_000_000)))
    with pytest.raises(DataError, match="follow the last member"):
        open_tree(tmp_path / "x", TIGHT)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_limits_name_the_member(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, {"a": b"1", "b": bytes(300)})
    for limits in (Limits(members=1), Limits(member_bytes=299), Limits(total_bytes=300)):
        with pytest.raises(DataError, match="member b"):
            open_tree(path, limits)
    open_tree(path, Limits(members=2, member_bytes=300, total_bytes=301)).close()


def test_a_zip_member_that_lies_about_its_size_is_not_inflated(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x", {"liar": bytes(50_000_000)})
    content = path.read_bytes().replace(struct.pack("<L", 50_000_000), struct.pack("<L", 10))
    path.write_bytes(content)
    with open_tree(path) as tree:
        tracemalloc.start()
        with pytest.raises(DataError, match=r"x: liar is damaged"):
            tree.read("liar")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()


def test_a_tar_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("greedy")
    info.size = 10**10
    (tmp_path / "x").write_bytes(info.tobuf() + bytes(1024))
    with pytest.raises(DataError, match="greedy"):
        open_tree(tmp_path / "x", Limits(member_bytes=10**11, ratio_floor=10**11))


def test_a_huge_header_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3 * 10**6
    (tmp_path / "x").write_bytes(gzip.compress(info.tobuf() + bytes(4 * 10**6)))
    with pytest.raises(DataError, match="header of 3000320 bytes"):
        open_tree(tmp_path / "x")


def test_a_header_that_points_backwards_does_not_loop(tmp_path: Path) -> None:
    info = tarfile.TarInfo("loop")
    info.size = -512
    (tmp_path / "x").write_bytes(info.tobuf(format=tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match="claims a size of -512"):
        open_tree(tmp_path / "x")


def test_a_chain_of_headers_does_not_overflow_the_stack(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    (tmp_path / "x").write_bytes((info.tobuf() + b"a".ljust(512, b"\0")) * 5000)
    with pytest.raises(DataError):
        open_tree(tmp_path / "x")


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_archive_is_refused(kind: str, tmp_path: Path, share: float) -> None:
    path = make(kind, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"misleading\.name.* damaged.*Fetch the archive again"):
        open_tree(path)


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x", {"a": bytes(512), "b": bytes(512)})
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(DataError, match=r"a or what follows it is damaged: the archive is truncated"):
        open_tree(path)


def test_a_broken_header_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x", {"a": bytes(512), "b": bytes(512), "c": b""})
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="a or what follows it is damaged: a header is broken"):
        open_tree(path)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x", {"good": b"g" * 100, "bad": b"b" * 100}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"bbbb", b"bbxb", 1))
    with open_tree(path) as tree:
        assert tree.read("good") == b"g" * 100
        with pytest.raises(DataError, match=r"x: bad is damaged: Bad CRC-32"):
            tree.read("bad")


def test_a_tar_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x", {"a": bytes(100_000)})
    with open_tree(path) as tree:
        os.truncate(path, 5000)
        with pytest.raises(DataError, match="a is damaged: it is truncated"):
            tree.read("a")


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html>", random.Random(3).randbytes(5000), gzip.compress(b"text", mtime=0)]
)
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.zip"):
        open_tree(tmp_path / "x.zip")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.zip cannot be read \(No such file or directory\)"):
        open_tree(tmp_path / "nothing.zip")


def test_links_inside_a_folder_are_followed_and_circles_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "elsewhere", {"b.png": b"b"})
    root = make_folder(tmp_path / "root", {"a/a.png": b"a"})
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "broken").symlink_to(tmp_path / "nothing")
    os.mkfifo(root / "pipe")
    with open_tree(root) as tree:
        assert tree.names() == ["a/a.png", "linked/b.png"]
        assert tree.read("linked/b.png") == b"b"
    (root / "a" / "circle").symlink_to(root)
    with pytest.raises(DataError, match=r"circle in .* is a link to a folder around it"):
        open_tree(root)


def test_a_file_that_vanished_from_a_folder_is_one_line(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root", {"a.png": b"a"})
    with open_tree(root) as tree:
        (root / "a.png").unlink()
        with pytest.raises(DataError, match=r"root: a\.png cannot be read"):
            tree.read("a.png")


SMALL = {"a/b": b"one" * 50, "c": b"", "long" * 40: zlib.compress(b"x") * 30}
MAKERS: dict[str, Callable[[Path], Path]] = {
    "zip": lambda path: make_zip(path, SMALL),
    **{kind: lambda path, mode=mode: make_tar(path, SMALL, mode) for kind, mode in TARS.items()},  # type: ignore[misc]
}


@pytest.mark.parametrize("kind", MAKERS)
@SETTINGS
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.2, 1),
)
def test_mangled_bytes_give_the_contents_or_one_line(
    tmp_path: Path, kind: str, changes: list[tuple[float, int]], kept: float
) -> None:
    path = tmp_path / "x"
    content = bytearray(MAKERS[kind](path).read_bytes())
    for where, value in changes:
        content[int(where * len(content))] = value
    path.write_bytes(content[: max(1, int(kept * len(content)))])
    said = failure_of(path)
    assert said is None or ("\n" not in said and str(path) in said)


def failure_of(path: Path) -> str | None:
    try:
        with open_tree(path) as tree:
            for _ in tree.stream():
                pass
    except DataError as error:
        return str(error)
    return None


def test_the_defaults_let_real_datasets_through() -> None:
    """SUN RGB-D: 10,335 samples of about 20 files and 7 to 18 GB; VOC2012: 2 GB."""
    assert DEFAULT_LIMITS.members > 10_335 * 20
    assert DEFAULT_LIMITS.total_bytes > 18e9


@pytest.mark.shared
def test_the_real_label_maps_of_voc(shared_data: Path) -> None:
    with open_tree(shared_data / "voc2012" / "SegmentationClassAug.zip") as tree:
        names = tree.names()
        assert len(names) == 12_031
        assert tree.read(names[-1]).startswith(b"\x89PNG")
