"""Files in the order a dataset has them: the right contents, one pass, and a spool only where it is needed."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segbench.data.archive import open_tree
from segbench.data.spool import new_spool, seekable
from segbench.data.stored_order import Place, reading
from segbench.data.trees import NamedTree
from segbench.errors import DataError
from segbench.homes import cache_home
from tests.data.test_archive import KINDS, make

pytestmark = pytest.mark.usefixtures("home")

FILES = {f"f{number}": random.Random(number).randbytes(5_000 + number) for number in range(6)}
Opener = Callable[[str], NamedTree]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens ``FILES`` as an archive of some kind."""
    with ExitStack() as stack:

        def open_kind(kind: str) -> NamedTree:
            folder = tmp_path / kind
            folder.mkdir()
            return NamedTree(f"a.{kind}", "local", stack.enter_context(open_tree(make(kind, folder, FILES))))

        yield open_kind


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_pieces_are_the_content(self, kind: str, opened: Opener) -> None:
        tree = opened(kind).tree
        for name, content in FILES.items():
            assert tree.size(name) == len(content)
            assert b"".join(tree.pieces(name)) == content

    def test_pieces_of_nothing(self, kind: str, opened: Opener) -> None:
        tree = opened(kind).tree
        with pytest.raises(DataError, match="has no file nothing"):
            tree.size("nothing")
        with pytest.raises(DataError, match="has no file nothing"):
            list(tree.pieces("nothing"))

    def test_a_seekable_file_and_its_digest(self, kind: str, opened: Opener) -> None:
        tree = opened(kind)
        with seekable(tree, "f3") as file:
            assert file.read() == FILES["f3"]
            file.seek(10)
            assert file.read(5) == FILES["f3"][10:15]
        line = f"f3 {hashlib.sha256(FILES['f3']).hexdigest()}\n"
        assert tree.content_digest() == hashlib.sha256(line.encode()).hexdigest()

    def test_any_order(self, kind: str, opened: Opener) -> None:
        tree = opened(kind)
        for order in (list(FILES), list(FILES)[::-1], ["f4", "f0", "f5", "f1"]):
            places = [Place(tree, name) for name in order]
            with reading(places) as reader:
                assert [reader.read(place) for place in places] == [FILES[name] for name in order]

    def test_only_compressed_tars_go_in_one_direction(self, kind: str, opened: Opener) -> None:
        assert opened(kind).tree.sequential == (kind in ("tar.gz", "tar.bz2", "tar.xz"))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=st.tuples(st.permutations(list(FILES)), st.permutations(list(FILES))))
def test_two_archives_in_any_orders(
    orders: tuple[list[str], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("orders")
    with ExitStack() as stack:
        trees = [
            NamedTree(kind, "local", stack.enter_context(open_tree(make(kind, _new(folder / kind), FILES))))
            for kind in ("tar.gz", "tar.xz")
        ]
        places = [
            Place(tree, name) for pair in zip(*orders, strict=True) for tree, name in zip(trees, pair, strict=True)
        ]
        with reading(places) as reader:
            assert [reader.read(place) for place in places] == [FILES[place.name] for place in places]


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_compressed_tar_is_streamed_once(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = opened("tar.xz")
    taken: list[str] = []
    stream = tree.tree.stream

    def counted(names: list[str]) -> Iterator[tuple[str, bytes]]:
        for name, content in stream(names):
            taken.append(name)
            yield name, content

    monkeypatch.setattr(tree.tree, "stream", counted)
    places = [Place(tree, name) for name in ("f5", "f2", "f0")]
    with reading(places) as reader:
        assert [reader.read(place) for place in places] == [FILES[place.name] for place in places]
    assert taken == ["f0", "f2", "f5"]


def test_the_stored_order_needs_no_spool(opened: Opener) -> None:
    tree = opened("tar.gz")
    places = [Place(tree, name) for name in ("f1", "f2", "f4")]
    with reading(places) as reader:
        assert [reader.read(place) for place in places] == [FILES[place.name] for place in places]
    assert not cache_home().exists()


def test_the_room_asked_for_is_that_of_the_files_wanted(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, usage = opened("tar.gz"), shutil.disk_usage("/")
    needed = len(FILES["f1"]) + len(FILES["f4"])
    places = [Place(tree, name) for name in ("f4", "f1")]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=needed))
    with reading(places) as reader:
        assert reader.read(places[0]) == FILES["f4"]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=needed - 1))
    with reading(places) as reader, pytest.raises(DataError, match=rf"^a\.tar\.gz, stored in .* needs {needed} bytes"):
        reader.read(places[0])


class _Full(io.BytesIO):
    """A file on a full disk."""

    def write(self, content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class TestSpool:
    def test_it_has_no_name(self) -> None:
        with new_spool(10, "x") as spool:
            assert [spool.append(part) for part in (b"abc", b"defg")] == [0, 3]
            assert (spool.read(3, 4), spool.read(0, 2)) == (b"defg", b"ab")
            assert list(cache_home().iterdir()) == []

    def test_a_full_disk_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with new_spool(10, "x") as spool:
            monkeypatch.setattr(spool, "handle", _Full())
            with pytest.raises(DataError, match=r"cache cannot be written \(No space left on device\)\. Free some"):
                spool.append(b"abc")

    def test_an_error_of_the_block_stays_what_it_is(self) -> None:
        with pytest.raises(PermissionError), new_spool(10, "x"):
            raise PermissionError(13, "elsewhere")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_may_not_be_written(self, home: Path) -> None:
        home.mkdir()
        home.chmod(0o500)
        with pytest.raises(DataError, match="cannot be written"), new_spool(10, "x"):
            pass
