"""A prepared dataset read again from its files, sample by sample and on all cores: what each one really holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segbench.data.codec import decode_ids, decode_rgb, image_size
from segbench.data.fingerprint import label_line, sample_digest
from segbench.data.near_duplicates import perceptual_hash
from segbench.errors import DataError
from segbench.processors import available_processors
from segbench.progress import SILENT, Progress

if TYPE_CHECKING:
    import datasets

__all__ = ["Examined", "Row", "examine_row", "examine_split", "open_splits"]

_BATCH = 64
_PNG, _GREY_8 = b"\x89PNG\r\n\x1a\n", b"\x08\x00"  # of IHDR: bits, colour type
COLUMNS = ("id", "image", "label", "classes")


class Row(NamedTuple):
    """A sample as it is stored: encoded files; ``label`` and ``depth`` are ``None`` where there is none."""

    id: str
    image: bytes | None
    label: bytes | None
    classes: tuple[int, ...]
    depth: bytes | None = None


@dataclass(frozen=True)
class Examined:
    """What one sample holds.

    Attributes:
        id: Its id.
        fault: Why it could not be read; all that follows is empty then.
        size: Height and width of the image.
        label_size: Height and width of the label map, ``None`` without one.
        label_is_plain: Whether the label map is stored as PNG of mode L with 8 bits.
        depth_size: Height and width of the depth map, ``None`` without one.
        classes: What the column ``classes`` says.
        counts: Pixels of each label value, int64 [256]; ``None`` without a label map.
        digest: What the fingerprint takes in of it.
        image_digest: sha256 of size and pixels of the image alone, hex.
        label_line: See ``segbench.data.fingerprint.label_line``; empty without a label map.
        hash: Perceptual hash of the image.
    """

    id: str
    fault: str = ""
    size: tuple[int, int] = (0, 0)
    label_size: tuple[int, int] | None = None
    label_is_plain: bool = True
    depth_size: tuple[int, int] | None = None
    classes: tuple[int, ...] = ()
    counts: NDArray[np.int64] | None = None
    digest: bytes = b""
    image_digest: str = ""
    label_line: str = ""
    hash: int = 0


def open_splits(folder: Path) -> dict[str, datasets.Dataset]:
    """The splits as ``datasets`` opens them, read as Arrow: nothing is decoded.

    Raises:
        DataError: It does not open, or has other columns.
    """
    import datasets
    import pyarrow

    try:
        found = datasets.DatasetDict.load_from_disk(str(folder))
    except (OSError, KeyError, ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DataError(f"{folder} does not open as a dataset ({_cause(error)}).") from error
    return {str(split): _as_arrow(rows, str(split)) for split, rows in found.items()}


def _as_arrow(rows: datasets.Dataset, split: str) -> datasets.Dataset:
    missing = [name for name in COLUMNS if name not in rows.column_names]
    if missing:
        raise DataError(f"{split} has no column '{missing[0]}', only {', '.join(rows.column_names)}.")
    return rows.with_format("arrow")


def examine_split(rows: datasets.Dataset, split: str, progress: Progress = SILENT) -> list[Examined]:
    """Reads every sample of a split anew, in order.

    Raises:
        DataError: The rows themselves cannot be read.
    """
    found: list[Examined] = []
    # Decoding, hashing and scaling release the interpreter's lock, so threads are enough and cost no start.
    with (
        ThreadPoolExecutor(available_processors()) as pool,
        progress.task(f"verify {split}", len(rows), "images") as bar,
    ):
        for batch in _batches(rows, split):
            for examined in pool.map(examine_row, batch):
                found.append(examined)
                bar.advance()
    return found


def _batches(rows: datasets.Dataset, split: str) -> Iterator[list[Row]]:
    import pyarrow

    try:
        for table in rows.iter(batch_size=_BATCH):
            yield [_row(values) for values in table.to_pylist()]
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise DataError(f"The rows of {split} cannot be read ({_cause(error)}).") from error


def _row(values: Mapping[str, Any]) -> Row:
    image, label, depth = ((values.get(name) or {}).get("bytes") for name in ("image", "label", "depth"))
    return Row(str(values["id"]), image, label, tuple(values["classes"] or ()), depth)


def examine_row(row: Row) -> Examined:
    """Decodes, counts and hashes one sample; what cannot be read is a fault, not an error."""
    try:
        return _examined(row)
    except DataError as error:
        return Examined(row.id, fault=error.message, classes=row.classes)


def _examined(row: Row) -> Examined:
    if row.image is None:
        raise DataError("the image is not stored in the dataset.")
    image = decode_rgb(row.image, "the image")
    known = partial(
        Examined,
        id=row.id,
        size=(image.shape[0], image.shape[1]),
        depth_size=None if row.depth is None else image_size(row.depth, "the depth"),
        classes=row.classes,
        image_digest=_image_digest(image),
        hash=perceptual_hash(image),
    )
    if row.label is None:
        return known(digest=sample_digest(row.id, image, None))
    label = decode_ids(row.label, "the label")
    return known(
        label_size=(label.shape[0], label.shape[1]),
        label_is_plain=row.label[:8] == _PNG and row.label[24:26] == _GREY_8,
        counts=_histogram(label),
        digest=sample_digest(row.id, image, label),
        label_line=label_line(row.id, label),
    )


def _histogram(label: NDArray[np.uint8]) -> NDArray[np.int64]:
    from PIL import Image

    # Several times faster than bincount, which makes 64-bit integers of all pixels first.
    return np.array(Image.fromarray(label).histogram() if label.size else [0] * 256, dtype=np.int64)


def _image_digest(image: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(f"{image.shape[0]}x{image.shape[1]}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def _cause(error: Exception) -> str:
    lines = f"{error}".splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
