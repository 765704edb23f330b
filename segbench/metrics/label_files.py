"""Label maps in files: one image of class ids each, matched by the name without its ending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError

__all__ = ["label_files", "paired_files", "read_label_map"]

_ENDINGS = frozenset({".png", ".bmp", ".tif", ".tiff"})
# Pillow's modes whose pixels are numbers: bits, bytes, palette indices, 16 and 32 bits.
_MODES = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "I;16L"})
_LISTED = 5


def read_label_map(path: Path) -> NDArray[np.integer[Any]]:
    """Class ids [H,W] of an image file of mode L, P (its indices, not its colours) or I;16.

    Raises:
        DataError: The file is no image, or one of colours.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.mode not in _MODES:
                raise DataError(f"{path} is an image of mode {image.mode}; class ids come as mode L, P or I;16.")
            return np.asarray(image)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}.") from error


def label_files(folder: Path) -> dict[str, Path]:
    """The label maps of a folder by their names without ending, sorted.

    Raises:
        DataError: The folder is missing or holds none, or two of one name.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    return _by_stem(path for path in sorted(folder.iterdir()) if path.suffix.lower() in _ENDINGS)


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DataError(f"{found[path.stem]} and {path} have the same name.", "Keep one of them.")
        found[path.stem] = path
    return found


def paired_files(predictions: Path, labels: Path) -> Iterator[tuple[str, Path, Path]]:
    """Name, prediction and label of each pair of two folders.

    Raises:
        DataError: A folder is missing, or a prediction or label has no counterpart; lists the first few.
    """
    guesses, truths = label_files(predictions), label_files(labels)
    if not truths:
        raise DataError(f"{labels} holds no label map ({', '.join(sorted(_ENDINGS))}).")
    problems = [
        _listed(f"{predictions} lacks", [name for name in truths if name not in guesses]),
        _listed(f"{labels} lacks", [name for name in guesses if name not in truths]),
    ]
    if any(problems):
        raise DataError(" ".join(filter(None, problems)), "Every label needs a prediction of the same name.")
    return ((name, guesses[name], truths[name]) for name in truths)


def _listed(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{what} {', '.join(names[:_LISTED])}{more} ({len(names)} files)." if names else ""
