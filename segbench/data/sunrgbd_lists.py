"""Which images SUN RGB-D has and in which split each is: SUNRGBDMeta.mat and allsplit.mat of the toolbox.

Both are MATLAB 5 files. Their paths begin with a folder of the authors' machine, and some have two slashes in a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple, cast

from segbench.data.members import DAMAGE
from segbench.errors import DataError

__all__ = ["Entry", "read_entries", "read_split", "sample_folder"]

ROOT = "SUNRGBD"
FAULTS = (*DAMAGE, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, MemoryError)


class Entry(NamedTuple):
    """One image of the official list.

    Attributes:
        number: Its place in SUNRGBDMeta.mat, from 1.
        folder: Of the sample, from the sensor's folder on.
        image: File name of the photograph.
        depth: File name of the depth map.
    """

    number: int
    folder: str
    image: str
    depth: str

    @property
    def id(self) -> str:
        """Its number with six digits."""
        return f"{self.number:06d}"


def sample_folder(path: str) -> str | None:
    """What follows the folder SUNRGBD in a path, with single slashes; ``None`` where that folder does not occur."""
    parts = [part for part in path.split("/") if part]
    if ROOT not in parts:
        return None
    after = len(parts) - parts[::-1].index(ROOT)
    return "/".join(parts[after:])


def read_entries(file: IO[bytes], where: str) -> tuple[Entry, ...]:
    """All images in the order of SUNRGBDMeta.mat.

    Args:
        file: Its content.
        where: Its name in errors.

    Raises:
        DataError: It is damaged, a field is missing, or an image is listed twice.
    """
    entries = tuple(
        _entry(number, record, where) for number, record in enumerate(_variable(file, "SUNRGBDMeta", where), start=1)
    )
    numbers: dict[str, int] = {}
    for entry in entries:
        if (first := numbers.setdefault(entry.folder, entry.number)) != entry.number:
            raise DataError(f"{where}: {entry.folder} is there twice, as {first} and {entry.number}.")
    return entries


def read_split(file: IO[bytes], where: str) -> Mapping[str, str]:
    """The split, ``train`` or ``test``, of every sample folder in allsplit.mat.

    Raises:
        DataError: It is damaged, a list is missing, or a folder is in both.
    """
    splits: dict[str, str] = {}
    for split, folder in _listed_folders(file, where):
        if splits.setdefault(folder, split) != split:
            raise DataError(f"{where}: {folder} is in both alltrain and alltest.")
    return splits


def _listed_folders(file: IO[bytes], where: str) -> Iterator[tuple[str, str]]:
    for split in ("train", "test"):
        file.seek(0)
        for position, path in enumerate(_variable(file, f"all{split}", where), start=1):
            folder = sample_folder(path) if isinstance(path, str) else None
            if not folder:
                raise DataError(f"{where}: path {position} of all{split} has no folder {ROOT}: {str(path)[:200]!r}.")
            yield split, folder


def _entry(number: int, record: Any, where: str) -> Entry:
    path = _text(record, "rgbpath", number, where)
    folder, _, image = (sample_folder(path) or "").rpartition("/")
    parent, _, last = folder.rpartition("/")
    if not parent or last != "image":
        raise DataError(f"{where}: rgbpath of image {number} is not .../{ROOT}/.../image/NAME: {path[:200]!r}.")
    return Entry(number, parent, image, _text(record, "depthname", number, where))


def _text(record: Any, field: str, number: int, where: str) -> str:
    value = getattr(record, field, None)
    if not isinstance(value, str):
        raise DataError(f"{where}: image {number} has no {field}.")
    return value


def _variable(file: IO[bytes], name: str, where: str) -> Sequence[Any]:
    """The elements of a MATLAB 5 variable: a cell array of strings, or an array of structures."""
    import numpy as np
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values = loadmat(cast("Any", file), squeeze_me=True, struct_as_record=False, variable_names=[name])
    except (*FAULTS, MatReadError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{where} cannot be read as a MATLAB 5 file: {reason or type(error).__name__}.") from error
    if name not in values:
        raise DataError(f"{where} has no variable {name}.")
    return list(np.atleast_1d(values[name]))
