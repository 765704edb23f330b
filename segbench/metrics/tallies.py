"""Per-image tallies: all that scores are made of, so that any protocol can be worked out again without images.

The tallies of 233 CamVid images take well under 300 KiB as Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.atomic import new_file
from segbench.errors import DataError, RecordError, UsageError
from segbench.metrics.boundary import BOUNDARY_COLUMNS, boundary_counts
from segbench.metrics.confusion import ConfusionMatrix, PairCounts, VoidPredictions, count_pairs, integer_map
from segbench.metrics.disc import Tolerance
from segbench.metrics.numbering import Integers, class_ids

__all__ = ["ImageTally", "Tallies", "tally_image"]

SCHEMA_VERSION = 1
_PAIRS = ("true", "predicted", "count", "missed_class", "missed_count")
_ON_VOID = ("void_predicted", "void_count")


@dataclass(frozen=True)
class ImageTally:
    """What one image adds to the scores.

    Attributes:
        height: Pixels.
        width: Pixels.
        pairs: Sparse confusion counts.
        boundary_classes: int64 [n], classes with a boundary pixel in truth or prediction.
        boundary: int64 [n,9], columns as in ``BOUNDARY_COLUMNS``; ``None`` where boundaries were not looked at.
        on_void: int64 [n,2], what is predicted on void pixels (K: no class) and how often; ``None`` where that is not
            known, as in tallies of earlier versions.
    """

    height: int
    width: int
    pairs: PairCounts
    boundary_classes: NDArray[np.int64]
    boundary: NDArray[np.int64] | None
    on_void: NDArray[np.int64] | None = None

    @property
    def void_pixels(self) -> int:
        """Pixels that are void in the truth."""
        return self.height * self.width - int(self.pairs.count.sum() + self.pairs.missed_count.sum())


def tally_image(
    label: ArrayLike,
    prediction: ArrayLike,
    num_classes: int,
    ignore_index: int = 255,
    tolerance: Tolerance | None = Tolerance(),  # noqa: B008 - a frozen value
    void_predictions: VoidPredictions = "error",
) -> ImageTally:
    """Compares one prediction with its label; a pure function, fit for worker processes.

    Args:
        label: [H,W] class ids of any integer type, 0..K-1 or ``ignore_index``.
        prediction: [H,W] class ids.
        num_classes: K.
        ignore_index: The value that counts nowhere.
        tolerance: Radius of boundary F1; ``None`` leaves boundaries out.
        void_predictions: Whether a labelled pixel predicted as ``ignore_index`` is an error or wrong.

    Raises:
        DataError: The maps are not of one size, or hold a value that is not allowed.
    """
    truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
    if truth.ndim != 2 or not truth.size:
        raise DataError(f"A label of shape {truth.shape} is not an image: give height x width class ids.")
    pairs = count_pairs(truth, guess, num_classes, ignore_index, void_predictions)
    on_void = _predicted_on_void(truth, guess, num_classes, ignore_index)
    height, width = truth.shape
    if tolerance is None:
        return ImageTally(height, width, pairs, np.empty(0, np.int64), None, on_void)
    counts = boundary_counts(truth, guess, num_classes, ignore_index, tolerance)
    classes = np.flatnonzero(counts.any(axis=1))
    return ImageTally(height, width, pairs, classes, counts[classes], on_void)


def _predicted_on_void(truth: Integers, guess: Integers, num_classes: int, ignore_index: int) -> NDArray[np.int64]:
    ids = class_ids(guess[truth == ignore_index], num_classes, ignore_index)
    counts = np.bincount(np.minimum(ids, num_classes), minlength=1)
    classes = np.flatnonzero(counts)
    return np.stack([classes, counts[classes]], axis=1)


@dataclass
class Tallies:
    """The tallies of many images, in the order they were added.

    Attributes:
        class_names: K names.
        ignore_index: The value that counted nowhere.
        tolerance: Radius the boundary counts were made with; ``None`` where there are none.
        image_ids: One name an image, each once.
        images: One tally an image.
    """

    class_names: tuple[str, ...]
    ignore_index: int = 255
    tolerance: Tolerance | None = field(default_factory=Tolerance)
    image_ids: list[str] = field(default_factory=list)
    images: list[ImageTally] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known = set(self.image_ids)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[tuple[str, ImageTally]]:
        return zip(self.image_ids, self.images, strict=True)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of all images, ``None`` where they differ or there are none."""
        sizes = {(image.height, image.width) for image in self.images}
        return sizes.pop() if len(sizes) == 1 else None

    def add(self, image_id: str, image: ImageTally) -> None:
        """Appends an image.

        Raises:
            DataError: There is one of this name already.
        """
        if image_id in self._known:
            raise DataError(f"Image {image_id} was scored twice.", "Give each image a name of its own.")
        self._known.add(image_id)
        self.image_ids.append(image_id)
        self.images.append(image)

    def __add__(self, other: Tallies) -> Tallies:
        mine = (self.class_names, self.ignore_index, self.tolerance)
        theirs = (other.class_names, other.ignore_index, other.tolerance)
        if mine != theirs:
            raise UsageError("Tallies of different classes, ignore indices or tolerances cannot be added.")
        total = Tallies(*mine, [*self.image_ids], [*self.images])
        for image_id, image in other:
            total.add(image_id, image)
        return total

    def confusion(self) -> ConfusionMatrix:
        """The confusion matrix over all images."""
        matrix = ConfusionMatrix(self.num_classes, self.ignore_index, void_predictions="wrong")
        for image in self.images:
            matrix.add(image.pairs)
        return matrix

    def to_parquet(self, path: Path) -> None:
        """Writes one row an image; what belongs to all of them is in the file's metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = {name: pa.array(values, type=_column_type(pa, name)) for name, values in self._columns().items()}
        table = pa.table(rows).replace_schema_metadata({"segbench": json.dumps(self._header())})
        with new_file(Path(path)) as temporary:
            pq.write_table(table, temporary, compression="zstd", compression_level=15)

    def _header(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "class_names": list(self.class_names),
            "ignore_index": self.ignore_index,
            "tolerance": None if self.tolerance is None else str(self.tolerance.value),
            "tolerance_unit": None if self.tolerance is None else self.tolerance.unit,
        }

    def _columns(self) -> dict[str, Sequence[Any]]:
        columns: dict[str, Sequence[Any]] = {
            "id": self.image_ids,
            "height": [image.height for image in self.images],
            "width": [image.width for image in self.images],
        }
        columns |= {name: [getattr(image.pairs, name) for image in self.images] for name in _PAIRS}
        on_void = [image.on_void for image in self.images if image.on_void is not None]
        if len(on_void) == len(self.images):
            columns |= {name: [table[:, index] for table in on_void] for index, name in enumerate(_ON_VOID)}
        if self.tolerance is not None:
            columns["boundary_class"] = [image.boundary_classes for image in self.images]
            tables = [image.boundary for image in self.images if image.boundary is not None]
            for index, name in enumerate(BOUNDARY_COLUMNS):
                columns[f"boundary_{name}"] = [table[:, index] for table in tables]
        return columns

    @classmethod
    def from_parquet(cls, path: Path) -> Tallies:
        """Reads what ``to_parquet`` wrote.

        Raises:
            RecordError: The file is missing, damaged or no tallies.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            header = json.loads((table.schema.metadata or {})[b"segbench"])
            return cls._from_columns(header, table)
        except OSError as error:
            raise RecordError(f"Cannot read tallies {path}: {error.strerror or error}.") from error
        except (KeyError, ValueError, pa.ArrowException) as error:
            raise RecordError(f"{path} does not hold tallies of schema {SCHEMA_VERSION}: {error}.") from error

    @classmethod
    def _from_columns(cls, header: dict[str, Any], table: Any) -> Tallies:
        if header["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema {header['schema_version']}")
        tolerance = None
        if header["tolerance"] is not None:
            tolerance = Tolerance.of(header["tolerance"], header["tolerance_unit"])
        images = [_image(row, tolerance is not None) for row in _rows(table)]
        ids = table.column("id").to_pylist()
        return cls(tuple(header["class_names"]), header["ignore_index"], tolerance, ids, images)


def _column_type(pa: Any, name: str) -> Any:
    if name == "id":
        return pa.string()
    if name in ("height", "width"):
        return pa.int32()
    classes = name in ("true", "predicted", "missed_class", "boundary_class", "void_predicted")
    return pa.list_(pa.uint16() if classes else pa.int64())


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    """Rows with NumPy arrays in place of lists."""
    columns = {name: table.column(name).combine_chunks() for name in table.column_names if name != "id"}
    for index in range(table.num_rows):
        yield {name: _value(column[index]) for name, column in columns.items()}


def _value(scalar: Any) -> Any:
    return scalar.values.to_numpy().astype(np.int64) if hasattr(scalar, "values") else scalar.as_py()


def _image(row: dict[str, Any], with_boundary: bool) -> ImageTally:
    pairs = PairCounts(*(row[name] for name in _PAIRS))
    on_void = np.stack([row[name] for name in _ON_VOID], axis=1) if "void_count" in row else None
    if not with_boundary:
        return ImageTally(row["height"], row["width"], pairs, np.empty(0, np.int64), None, on_void)
    boundary = np.stack([row[f"boundary_{name}"] for name in BOUNDARY_COLUMNS], axis=1)
    return ImageTally(row["height"], row["width"], pairs, row["boundary_class"], boundary, on_void)
