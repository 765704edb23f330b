"""What may be in an archive: names that stay inside, each once, of sizes that are no bomb; and how a fault is told."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from segbench.errors import DataError

__all__ = ["DAMAGE", "DEFAULT_LIMITS", "Limits", "Members", "allowed_by_ratio", "damaged", "naming", "refuse", "shown"]

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(ValueError, RuntimeError, OverflowError, struct.error),  # what zipfile and tarfile let through on mangled headers
)

Place = TypeVar("Place")


@dataclass(frozen=True)
class Limits:
    """What an archive may claim before it is taken for a decompression bomb.

    Attributes:
        members: Number of members, folders included.
        member_bytes: Decompressed bytes of one member (it is held in memory when read).
        total_bytes: Decompressed bytes of all members.
        ratio: Decompressed over compressed bytes, of a zip member and of a whole archive.
        ratio_floor: Bytes below which the ratio is not judged: an empty label map compresses well and harms nobody.
    """

    members: int = 2_000_000
    member_bytes: int = 4 * _GIB
    total_bytes: int = 64 * _GIB
    ratio: float = 250.0
    ratio_floor: int = 64 * _MIB


DEFAULT_LIMITS = Limits()


class Members(Generic[Place]):
    """The index of an archive while it is built; refuses what is unsafe.

    Attributes:
        places: Where each regular file is, by name.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._archive_bytes = path.stat().st_size
        self._count = 0
        self._total = 0
        self.places: dict[str, Place] = {}

    def checked_name(self, raw: str) -> str:
        """The name with ``/`` between its parts and without ``.`` parts."""
        name = raw.replace("\\", "/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or (parts and parts[0].endswith(":")):
            refuse(self._path, raw, "is an absolute path")
        if ".." in parts:
            refuse(self._path, raw, "leads out of the archive by '..'")
        if "\0" in raw:
            refuse(self._path, raw, "has a NUL in its name")
        return "/".join(parts)

    def check_ratio(self, name: str, size: int, stored: int) -> None:
        """Refuses a member of ``size`` bytes stored in far too few."""
        if size > allowed_by_ratio(self._limits, stored):
            refuse(self._path, name, f"would grow from {stored} to {size} bytes")

    def add(self, name: str, size: int, place: Place | None) -> None:
        """Counts a member and, where it is a regular file, keeps its place."""
        self._count += 1
        self._total += size
        if self._count > self._limits.members:
            refuse(self._path, name, f"is member {self._count}, {self._limits.members} are allowed")
        if size > self._limits.member_bytes:
            refuse(self._path, name, f"has {size} bytes, {self._limits.member_bytes} are allowed")
        if self._total > _allowed_bytes(self._limits, self._archive_bytes):
            refuse(self._path, name, f"brings {self._archive_bytes} bytes of archive to {self._total}")
        if place is not None:
            self._keep(name, place)

    def _keep(self, name: str, place: Place) -> None:
        if not name:
            refuse(self._path, name, "has no name")
        if name in self.places:
            refuse(self._path, name, "is there twice")
        self.places[name] = place


def _allowed_bytes(limits: Limits, archive_bytes: int) -> float:
    return min(limits.total_bytes, allowed_by_ratio(limits, archive_bytes))


def allowed_by_ratio(limits: Limits, stored_bytes: int) -> float:
    """Most bytes that ``stored_bytes`` may become."""
    return max(limits.ratio_floor, limits.ratio * stored_bytes)


@contextmanager
def naming(path: Path, member: str | None = None) -> Iterator[None]:
    """Turns what reading can raise into one line that names archive and member."""
    try:
        yield
    except DAMAGE as error:
        raise damaged(f"{path}: {shown(member)}" if member is not None else f"{path}", error) from error


def damaged(what: str, error: Exception) -> DataError:
    """The line for an error of the system or of a decoder."""
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{what} cannot be read ({error.strerror}).")
    cause = shown(" ".join(str(error).split()).rstrip(".")) if str(error) else type(error).__name__
    return DataError(f"{what} is damaged: {cause}.", "Fetch the archive again.")


def shown(text: str) -> str:
    """A name from outside on one line and without control characters."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in plain) or "''"


def refuse(path: Path, member: str, why: str) -> NoReturn:
    """Ends the reading of a hostile archive."""
    raise DataError(f"{path}: member {shown(member)} {why}: the archive is refused.")
