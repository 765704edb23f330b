"""A bundle comes out the same and goes in whole, or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from segbench.data.bundle import INDEX_FILE, export_bundle, import_bundle
from segbench.data.preparation import find_prepared, load, prepare
from segbench.errors import DataError, NotPreparedError, UnknownNameError, UsageError
from segbench.manifest import MANIFEST_FILE
from tests.data import toy
from tests.data.notes import Notes

Members = dict[str, bytes]

pytestmark = pytest.mark.usefixtures("toy_dataset")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of the toy, exported on another machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGBENCH_HOME", str(tmp_path / "there"))
        prepare("toy")
        export_bundle("toy", tmp_path / "toy.tar")
    return tmp_path / "toy.tar"


def content(path: Path) -> Members:
    with tarfile.open(path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def rewrite(path: Path, members: Members, *, honest: bool = True) -> Path:
    """Writes members in their order; with ``honest`` the index is made to agree with them."""
    if honest:
        index = json.loads(members[INDEX_FILE])
        index["members"] = [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != INDEX_FILE
        ]
        members = {**members, INDEX_FILE: json.dumps(index).encode()}
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def files(folder: Path) -> Members:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def nothing_half_written(home: Path) -> Iterator[None]:
    yield
    left = [path.name for path in (home / "data").rglob("*.partial")] if home.exists() else []
    assert left == []


def test_there_and_back(bundle: Path, tmp_path: Path, home: Path, notes: Notes) -> None:
    imported = import_bundle("toy", bundle, progress=notes)
    assert imported.fresh
    assert imported.folder == find_prepared("toy").folder
    assert files(imported.folder) == files(tmp_path / "there" / "data" / "toy" / "small")
    assert {split: rows.num_rows for split, rows in load("toy").items()} == {"train": 3, "test": 2}
    assert notes.steps["import"] == notes.totals["import"]


def test_the_bytes_are_the_same_and_the_index_is_first(bundle: Path, tmp_path: Path) -> None:
    import_bundle("toy", bundle)
    (find_prepared("toy").folder / "train" / "cache-123.arrow").write_bytes(b"of another program")
    _, members = export_bundle("toy", tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()
    with tarfile.open(bundle) as archive:
        listed = archive.getmembers()
    assert [info.name for info in listed[:2]] == [INDEX_FILE, MANIFEST_FILE]
    assert [info.name for info in listed[1:]] == [member.name for member in members]
    assert {(info.mtime, info.uid, info.gid, info.uname, info.gname) for info in listed} == {(0, 0, 0, "", "")}
    index = json.loads(content(bundle)[INDEX_FILE])
    assert (index["dataset"], index["variant"], index["licence"]) == ("toy", "small", "CC0-1.0")
    for entry in index["members"]:
        data = content(bundle)[entry["name"]]
        assert (entry["size"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_export_keeps_what_is_there(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPreparedError, match="segbench prepare toy"):
        export_bundle("toy", tmp_path / "new.tar")
    import_bundle("toy", bundle)
    (tmp_path / "new.tar").write_text("mine")
    with pytest.raises(UsageError, match=r"new\.tar is there already\. Add --force"):
        export_bundle("toy", tmp_path / "new.tar")
    assert (tmp_path / "new.tar").read_text() == "mine"
    export_bundle("toy", tmp_path / "new.tar", force=True)
    assert (tmp_path / "new.tar").read_bytes() == bundle.read_bytes()


def test_export_where_nothing_can_be_written(bundle: Path, tmp_path: Path) -> None:
    import_bundle("toy", bundle)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        export_bundle("toy", tmp_path / "file" / "toy.tar")


def test_import_replaces_only_when_told(bundle: Path, toy_dataset: list[toy.ToySource]) -> None:
    toy_dataset.append(replace(toy.ordinary(), groups={"train": [toy.sample(9)]}))
    mine = prepare("toy").manifest.fingerprint
    with pytest.raises(UsageError, match=r"toy small is prepared already: .+ Add --force"):
        import_bundle("toy", bundle)
    assert find_prepared("toy").manifest.fingerprint == mine
    import_bundle("toy", bundle, force=True)
    assert find_prepared("toy").manifest.counts == {"train": 3, "test": 2}


def test_a_bundle_of_something_else(bundle: Path) -> None:
    with pytest.raises(DataError, match="holds toy small, not camvid"):
        import_bundle("camvid", bundle)
    with pytest.raises(DataError, match="holds toy small, not toy other"):
        import_bundle("toy", bundle, "other")
    with pytest.raises(UnknownNameError, match="Unknown dataset 'tony'"):
        import_bundle("tony", bundle)


def without(name: str) -> Callable[[Members], Members]:
    return lambda members: {key: data for key, data in members.items() if key != name}


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        assert old in members[name]
        return {**members, name: members[name].replace(old, new)}

    return change


SHARD = "train/data-00000-of-00001.arrow"
STATE = "train/state.json"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (without(INDEX_FILE), r"it has no bundle\.json: it is no bundle"),
        (without(SHARD), rf"member {SHARD} is missing"),
        (replaced(INDEX_FILE, b"segbench bundle", b"another bundle!"), r"is not of a segbench bundle of schema 1"),
        (lambda members: {**members, INDEX_FILE: b"{"}, r"its bundle\.json is not JSON"),
        (lambda members: {**members, INDEX_FILE: b"[" * 100_000}, r"its bundle\.json is not JSON"),
        (lambda members: {**members, "evil.py": b"x"}, r"member evil\.py is not in its bundle\.json"),
        (lambda members: {**members, SHARD: members[SHARD] + b"x"}, rf"{SHARD} has \d+ bytes, not \d+"),
        (lambda members: {**members, SHARD: members[SHARD][:-1] + b"x"}, rf"{SHARD} is damaged: its sha256"),
        (replaced(INDEX_FILE, b'"members"', b'"m"'), "does not list its members"),
    ],
)
def test_a_damaged_bundle_is_refused(bundle: Path, home: Path, change: Callable[[Members], Members], line: str) -> None:
    rewrite(bundle, change(content(bundle)), honest=False)
    with pytest.raises(DataError, match=line):
        import_bundle("toy", bundle)
    assert not (home / "data" / "toy" / "small").exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda members: {**members, "evil.py": b"x"}, r"member evil\.py is no file of a dataset"),
        (lambda members: {**members, "../evil": b"x"}, r"'\.\.'"),
        (lambda members: {**members, "/evil": b"x"}, "is an absolute path"),
        (replaced(STATE, b"data-00000-of-00001.arrow", b"../../../../../../secret"), r"state\.json names the file"),
        (lambda members: {**members, STATE: b"[]"}, r"state\.json is not what a dataset has"),
        (without(SHARD), "files: "),
        (without(MANIFEST_FILE), r"it has no manifest\.json"),
        (replaced(MANIFEST_FILE, b'"pixels": ', b'"pixels": 1'), r"figures: "),
        (replaced(MANIFEST_FILE, b'"sky"', b'"sea"'), r"classes: "),
        (lambda members: {**members, SHARD: members[SHARD].replace(b"toy_001", b"toy_000")}, "ids: train toy_000"),
        (lambda members: {**members, SHARD: members[SHARD].replace(b"toy_001", b"toy_100")}, "fingerprint: train"),
    ],
)
def test_a_hostile_bundle_that_agrees_with_itself_is_refused(
    bundle: Path, home: Path, change: Callable[[Members], Members], line: str
) -> None:
    rewrite(bundle, change(content(bundle)))
    with pytest.raises(DataError, match=line) as refused:
        import_bundle("toy", bundle)
    assert "\n" not in str(refused.value)
    assert not (home / "data" / "toy" / "small").exists()


def test_links_are_refused(bundle: Path, home: Path) -> None:
    link = tarfile.TarInfo("train/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(bundle, "a") as archive:
        archive.addfile(link)
    with pytest.raises(DataError, match="is a link"):
        import_bundle("toy", bundle)


@pytest.mark.parametrize("tenths", [0, 1, 4, 6])
def test_a_bundle_that_is_cut_off(bundle: Path, tenths: int) -> None:
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[: len(whole) * tenths // 10])
    with pytest.raises(DataError, match=r"toy\.tar"):
        import_bundle("toy", bundle)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.tar is not a file"):
        import_bundle("toy", tmp_path / "nowhere.tar")
    with pytest.raises(DataError, match="is not a file"):
        import_bundle("toy", tmp_path)


def test_a_failed_import_keeps_what_was_prepared(bundle: Path) -> None:
    prepare("toy")
    rewrite(bundle, replaced(MANIFEST_FILE, b'"sky"', b'"sea"')(content(bundle)))
    before = files(find_prepared("toy").folder)
    with pytest.raises(DataError, match="classes: "):
        import_bundle("toy", bundle, force=True)
    assert files(find_prepared("toy").folder) == before
