"""Label maps in files: one image of class ids each, in a folder or a zip, matched by the name without its ending."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError

__all__ = ["MapFile", "check_names", "fitted", "label_files", "paired_files", "read_label_map"]

LabelArray = NDArray[np.integer[Any]]

_ENDINGS = frozenset({".png", ".bmp", ".tif", ".tiff"})
# Pillow's modes whose pixels are numbers: bits, bytes, palette indices, 16 and 32 bits.
_MODES = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "I;16L"})
# Grey of fewer bits, which Pillow spreads over 0..255: 3 of 15 becomes 51.
_SPREAD = ("L;2", "L;4")
_LISTED = 5
# What a run leaves in its folder.
_OF_A_RUN = "predictions.zip"


@dataclass(frozen=True)
class MapFile:
    """Where one label map lies; any process can read it.

    Attributes:
        path: The image file, or the zip it is in.
        member: Its name in the zip.
    """

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}{':' if self.member else ''}{self.member}"

    def read(self) -> LabelArray:
        """Class ids [H,W].

        Raises:
            DataError: See ``read_label_map``.
        """
        if not self.member:
            return read_label_map(self.path)
        try:
            content = _archive(self.path, os.getpid()).read(self.member)
        except (OSError, zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError) as error:
            raise DataError(f"{self} cannot be read: {error}.") from error
        return _decoded(BytesIO(content), str(self))


@lru_cache(maxsize=4)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """Opened once a process: processes that share an open file would move each other's position."""
    return zipfile.ZipFile(path)


def read_label_map(path: Path) -> LabelArray:
    """Class ids [H,W] of an image file of mode L, P (its indices, not its colours) or I;16.

    Raises:
        DataError: The file is no image, or one of colours.
    """
    return _decoded(path, str(path))


def _decoded(source: Path | IO[bytes], name: str) -> LabelArray:
    from PIL import Image

    try:
        with Image.open(source) as image:
            if image.mode not in _MODES:
                raise DataError(
                    f"{name} is an image of mode {image.mode}; class ids come as mode L, P or I;16.",
                    "Save the class ids themselves, not their colours.",
                )
            if any(_raw_mode(tile) in _SPREAD for tile in image.tile):
                raise DataError(
                    f"{name} is grey of fewer than 8 bits, whose values readers scale.", "Save it with 8 bits a pixel."
                )
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} cannot be read as an image: {error}.") from error


def _raw_mode(tile: Sequence[Any]) -> str:
    """How the file stores its pixels: the arguments of the decoder, or the first of them."""
    return str(tile[3] if isinstance(tile[3], str) else next(iter(tile[3] or ()), ""))


def fitted(prediction: LabelArray, shape: tuple[int, ...]) -> LabelArray:
    """A prediction at its label's size, by nearest neighbour.

    Each pixel takes the prediction's pixel whose area holds its centre: row y of H from row floor((y + 1/2) h / H) of
    h, columns alike. So the corners of both images coincide, and a map of the right size stays as it is.

    Args:
        prediction: [h,w].
        shape: (H, W).
    """
    if prediction.shape == shape or prediction.ndim != 2 or len(shape) != 2 or not prediction.size:
        return prediction
    rows, columns = ((2 * np.arange(to) + 1) * at // (2 * to) for at, to in zip(prediction.shape, shape, strict=True))
    resized: LabelArray = prediction[rows[:, None], columns]
    return resized


def label_files(folder: Path) -> dict[str, MapFile]:
    """The label maps of a folder, a zip, or the predictions of a run's folder, by their names without ending, sorted.

    In a zip a name goes on with the folders that not all of its label maps share.

    Raises:
        DataError: There is no such folder or zip, or it holds two label maps of one name.
    """
    if folder.is_file():
        return _of_zip(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = _by_name((path.stem, MapFile(path)) for path in sorted(folder.iterdir()) if _is_map(path.name))
    if not found and (folder / _OF_A_RUN).is_file():
        return _of_zip(folder / _OF_A_RUN)
    return found


def _is_map(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _ENDINGS


def _of_zip(path: Path) -> dict[str, MapFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if _is_map(name) and not name.startswith("__MACOSX/"))
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is neither a folder nor a zip of label maps: {error}.") from error
    shared = os.path.commonpath([str(PurePosixPath(name).parent) for name in members]) if members else ""
    named = ((str(PurePosixPath(name).relative_to(shared).with_suffix("")), name) for name in members)
    return _by_name((name, MapFile(path, member)) for name, member in named)


def _by_name(files: Iterable[tuple[str, MapFile]]) -> dict[str, MapFile]:
    found: dict[str, MapFile] = {}
    for name, file in files:
        if name in found:
            raise DataError(f"{found[name]} and {file} have the same name.", "Keep one of them.")
        found[name] = file
    return found


def paired_files(predictions: Path, labels: Path) -> Iterator[tuple[str, MapFile, MapFile]]:
    """Name, prediction and label of each pair of two folders (or zips).

    Raises:
        DataError: A folder is missing, or a prediction or label has no counterpart; lists the first few.
    """
    guesses, truths = label_files(predictions), label_files(labels)
    if not truths:
        raise DataError(f"{labels} holds no label map ({', '.join(sorted(_ENDINGS))}).")
    check_names(str(predictions), guesses, str(labels), truths)
    return ((name, guesses[name], truths[name]) for name in truths)


def check_names(predictions: str, found: Collection[str], labels: str, wanted: Collection[str]) -> None:
    """Refuses predictions that do not bear the names of the labels.

    Args:
        predictions: What holds them, for the error.
        found: Their names.
        labels: What holds the labels, for the error.
        wanted: Their names.

    Raises:
        DataError: A prediction or label has no counterpart; lists the first few and counts them.
    """
    missing, strange = [sorted({*a} - {*b}) for a, b in ((wanted, found), (found, wanted))]
    problems = [
        f"{predictions} lacks {len(missing)} of {len(wanted)} label maps: {_listed(missing)}." if missing else "",
        f"{predictions} holds {len(strange)} that {labels} does not: {_listed(strange)}." if strange else "",
    ]
    if any(problems):
        raise DataError(" ".join(filter(None, problems)), "Every label needs a prediction of the same name.")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
