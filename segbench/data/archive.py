"""Folders and archives read as one kind of tree, safely: nothing is ever unpacked to disk.

An archive from the network is hostile until read: its member names are checked (no absolute path, no ``..``, no
duplicate), links, devices and sparse files are refused, and sizes are judged before a byte is decompressed. A folder
is the user's own: links inside it are followed.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, NamedTuple, NoReturn, Protocol, Self, cast

from segbench.data.compressed import DecompressedFile
from segbench.data.download import Remote, fetch
from segbench.data.members import (
    DAMAGE,
    DEFAULT_LIMITS,
    Limits,
    Members,
    allowed_by_ratio,
    damaged,
    naming,
    refuse,
    shown,
)
from segbench.errors import DataError
from segbench.file_sha256 import file_sha256

__all__ = ["DEFAULT_LIMITS", "Limits", "Remote", "Tree", "fetch", "open_tree"]

_MIB = 1024 * 1024
_BLOCK = 512
_LARGEST_TAR_HEADER = 64 * 1024
_MAGIC = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def open_tree(path: Path, limits: Limits = DEFAULT_LIMITS) -> Tree:
    """Opens a folder, a zip, or a tar that is plain or compressed by gzip, bzip2 or xz, as its content says.

    Every member is checked here, so a tree that opens has only safe names and sizes; a compressed tar is decompressed
    once for it, which also checks its checksum.

    Args:
        path: A folder or an archive; its name does not matter.
        limits: What is refused as a decompression bomb.

    Returns:
        The tree; use it in a ``with`` statement.

    Raises:
        DataError: Missing, unreadable, no archive, damaged, or hostile; the line names archive and member.
    """
    path = Path(path)
    if path.is_dir():
        return _FolderTree(path)
    with naming(path):
        kind = _kind(path)
        return _ZipTree(path, limits) if kind == "zip" else _TarTree(path, kind, limits)


class Tree(ABC):
    """Regular files by name, from a folder or an archive. One tree belongs to one thread.

    Attributes:
        path: The folder or archive.
        sequential: Going back costs decompression, so files are best taken in stored order (``stream``).
    """

    sequential = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest: str | None = None

    @abstractmethod
    def names(self) -> list[str]:
        """Relative names of all regular files with ``/`` between the parts, sorted."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Content of one file.

        Costs what the file costs in a folder, zip and plain tar; in a tar.gz also the decompression of some MiB before
        it; in a tar.bz2 or tar.xz, when ``name`` lies before the last one read, of all before it: use ``stream``.

        Raises:
            DataError: No such file, or it is damaged.
        """

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of one file.

        Raises:
            DataError: No such file.
        """

    @abstractmethod
    def pieces(self, name: str) -> Iterator[bytes]:
        """Content of one file in pieces of at most 1 MiB, for those that are too large to hold.

        Raises:
            DataError: No such file, or it is damaged.
        """

    def stream(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, bytes]]:
        """Names and contents in the order in which the archive stores them: one pass whatever the format.

        Args:
            names: What is wanted, each once; ``None`` for all.

        Raises:
            DataError: No such file, or it is damaged.
        """
        for name in self._in_stored_order(self.names() if names is None else list(dict.fromkeys(names))):
            yield name, self.read(name)

    @abstractmethod
    def __contains__(self, name: object) -> bool:
        """Whether ``name`` is one of ``names()``."""

    def digest(self) -> str | None:
        """SHA-256 of the archive file in hex; ``None`` for a folder."""
        if self._digest is None and not self.path.is_dir():
            with naming(self.path):
                self._digest = file_sha256(self.path)
        return self._digest

    def close(self) -> None:  # noqa: B027 (a folder holds nothing open)
        """Lets go of the archive."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_stored_order(self, names: list[str]) -> list[str]:
        return sorted(names)


class _FolderTree(Tree):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._names = set(_files_below(path))

    def names(self) -> list[str]:
        return sorted(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def read(self, name: str) -> bytes:
        if name not in self._names:
            _missing(self.path, name)
        with naming(self.path, name):
            return (self.path / name).read_bytes()

    def size(self, name: str) -> int:
        if name not in self._names:
            _missing(self.path, name)
        with naming(self.path, name):
            return (self.path / name).stat().st_size

    def pieces(self, name: str) -> Iterator[bytes]:
        expected = self.size(name)
        with naming(self.path, name), (self.path / name).open("rb") as handle:
            yield from _pieces(handle, expected)


def _pieces(handle: _Readable, size: int) -> Iterator[bytes]:
    """The next ``size`` bytes of ``handle``."""
    while size > 0:
        piece = handle.read(min(size, _MIB))
        if not piece:
            raise EOFError("it is truncated")
        size -= len(piece)
        yield piece


def _files_below(root: Path) -> Iterator[str]:
    """Names of the regular files; links are followed, a link to a folder around itself is refused."""
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_unreadable_folder):
        here = Path(folder)
        for name in subfolders:
            if (here / name).is_symlink() and here.resolve().is_relative_to((here / name).resolve()):
                raise DataError(f"{root}: {shown(name)} in {here} is a link to a folder around it; remove the link.")
        for name in files:
            if (here / name).is_file():
                yield (here / name).relative_to(root).as_posix()


def _unreadable_folder(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from error


class _ZipTree(Tree):
    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        try:
            self._members = _zip_members(path, self._zip, limits)
        except BaseException:
            self._zip.close()
            raise

    def names(self) -> list[str]:
        return sorted(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        info = self._members.get(name)
        if info is None:
            _missing(self.path, name)
        with naming(self.path, name), self._zip.open(info) as handle:
            # A bounded read: without it zipfile inflates up to 2 GiB however small the member claims to be.
            data = handle.read(info.file_size + 1)
            if len(data) != info.file_size:
                raise EOFError("it is truncated")
            return data

    def size(self, name: str) -> int:
        info = self._members.get(name)
        if info is None:
            _missing(self.path, name)
        return info.file_size

    def pieces(self, name: str) -> Iterator[bytes]:
        expected = self.size(name)
        with naming(self.path, name), self._zip.open(self._members[name]) as handle:
            yield from _pieces(handle, expected)

    def close(self) -> None:
        self._zip.close()

    def _in_stored_order(self, names: list[str]) -> list[str]:
        return sorted(names, key=lambda name: info.header_offset if (info := self._members.get(name)) else -1)


def _zip_members(path: Path, archive: zipfile.ZipFile, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    members: Members[zipfile.ZipInfo] = Members(path, limits)
    for info in archive.infolist():
        name = members.checked_name(info.orig_filename)
        _check_zip_member(path, name, info)
        members.check_ratio(name, info.file_size, info.compress_size)
        members.add(name, info.file_size, None if info.is_dir() else info)
    return members.places


def _check_zip_member(path: Path, name: str, info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        refuse(path, name, "is a link" if kind == stat.S_IFLNK else "is a device or another special file")
    if info.flag_bits & 0x1:
        refuse(path, name, "is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refuse(path, name, f"has zip compression method {info.compress_type}; stored (0) and deflate (8) are read")


class _Extent(NamedTuple):
    start: int
    size: int


class _TarTree(Tree):
    def __init__(self, path: Path, kind: str, limits: Limits) -> None:
        super().__init__(path)
        self.sequential = kind != "tar"
        self._data: BinaryIO | DecompressedFile = path.open("rb") if kind == "tar" else DecompressedFile(path, kind)
        try:
            self._members = _tar_members(path, self._data, limits)
        except BaseException:
            self._data.close()
            raise

    def names(self) -> list[str]:
        return sorted(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        extent = self._members.get(name)
        if extent is None:
            _missing(self.path, name)
        with naming(self.path, name):
            self._data.seek(extent.start)
            data = self._data.read(extent.size)
            if len(data) != extent.size:
                raise EOFError("it is truncated")
            return data

    def size(self, name: str) -> int:
        extent = self._members.get(name)
        if extent is None:
            _missing(self.path, name)
        return extent.size

    def pieces(self, name: str) -> Iterator[bytes]:
        expected = self.size(name)
        with naming(self.path, name):
            self._data.seek(self._members[name].start)
            yield from _pieces(self._data, expected)

    def close(self) -> None:
        self._data.close()

    def _in_stored_order(self, names: list[str]) -> list[str]:
        return sorted(names, key=lambda name: self._members.get(name, _Extent(-1, 0)).start)


def _tar_members(path: Path, data: BinaryIO | DecompressedFile, limits: Limits) -> dict[str, _Extent]:
    members: Members[_Extent] = Members(path, limits)
    headers = _HeaderReader(data)
    last = "the first member"
    try:
        with tarfile.TarFile(fileobj=cast("IO[bytes]", headers), encoding="utf-8") as archive:
            while (info := archive.next()) is not None:
                cast("Any", archive).members.clear()  # tarfile would keep every header
                last = members.checked_name(info.name)
                _check_tar_member(path, last, info)
                extent = _Extent(info.offset_data, info.size)
                members.add(last, info.size, extent if info.isreg() else None)
        headers.check_end()
        if isinstance(data, DecompressedFile):
            _read_to_end(path, data, limits)
    except DAMAGE as error:
        raise damaged(f"{path}: {shown(last)} or what follows it", error) from error
    return members.places


def _check_tar_member(path: Path, name: str, info: tarfile.TarInfo) -> None:
    if info.issym() or info.islnk():
        refuse(path, name, "is a link")
    if info.issparse():
        refuse(path, name, "is a sparse file")
    if not (info.isreg() or info.isdir()):
        refuse(path, name, "is a device or another special file")
    if info.size < 0:
        refuse(path, name, f"claims a size of {info.size} bytes")


def _read_to_end(path: Path, data: DecompressedFile, limits: Limits) -> None:
    """Decompresses what follows the last member (padding), because the checksum of the stream comes after it."""
    start, allowed = data.tell(), allowed_by_ratio(limits, path.stat().st_size)
    while data.read(_MIB):
        if data.tell() - start > allowed:
            raise DataError(f"{path}: more than {allowed:.0f} bytes follow the last member: the archive is refused.")


class _HeaderReader:
    """What tarfile reads headers from: in small pieces only, so that no header can fill the memory."""

    def __init__(self, data: BinaryIO | DecompressedFile) -> None:
        self._data = data
        self._last = b""

    def tell(self) -> int:
        return self._data.tell()

    def seek(self, offset: int) -> int:
        return self._data.seek(offset)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST_TAR_HEADER:
            raise ValueError(f"a header of {size} bytes")
        self._last = self._data.read(size)
        return self._last

    def check_end(self) -> None:
        """tarfile takes a broken header and a missing end for the end; only a block of zeros is one."""
        if len(self._last) < _BLOCK:
            raise EOFError("the archive is truncated")
        if self._last.count(0) != _BLOCK:
            raise ValueError("a header is broken")


def _kind(path: Path) -> str:
    """``zip``, ``tar``, or how a tar is compressed."""
    with path.open("rb") as handle:
        head = handle.read(_BLOCK)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if _is_tar_header(head):
        return "tar"
    allowed = "Allowed are folders, zip, tar, tar.gz, tar.bz2 and tar.xz."
    raise DataError(f"{path} is not an archive ({_beginning(head)}).", allowed)


def _is_tar_header(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return head.count(0) == _BLOCK  # an empty tar
    return True


def _beginning(head: bytes) -> str:
    return f"it begins with {head[:16]!r}" if head else "it is empty"


def _missing(path: Path, name: str) -> NoReturn:
    raise DataError(f"{path} has no file {shown(name)}.")
