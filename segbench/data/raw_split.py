"""One split of the raw cache, mapped into memory; reading it needs numpy and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError
from segbench.manifest import Manifest

__all__ = ["IMAGES_FILE", "INDEX_FILE", "LABELS_FILE", "SCHEMA", "RawSplit"]

SCHEMA = 1
IMAGES_FILE, LABELS_FILE, INDEX_FILE = "images.bin", "labels.bin", "index.json"
INDEX_KEYS = {"split", "ids", "sizes", "manifest"}

Indices = Sequence[int] | NDArray[np.integer[Any]]


class RawSplit:
    """One split, decoded; ``image`` and ``label`` are read-only views of the files, ``images`` and ``labels`` copies.

    Args:
        folder: The folder of the split.
        manifest: Of the prepared dataset.
        split: Its name.
        ids: One per image.
        sizes: Heights and widths, int64 [N, 2].
    """

    def __init__(self, folder: Path, manifest: Manifest, split: str, ids: list[str], sizes: NDArray[np.int64]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.split = split
        self.ids = ids
        self.sizes = sizes
        self._ends = np.cumsum(sizes[:, 0] * sizes[:, 1])
        self._images = _mapped(folder / IMAGES_FILE, 3 * self.num_pixels)
        self._labels = _mapped(folder / LABELS_FILE, self.num_pixels if self.labelled else 0)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens the folder of a split.

        Raises:
            DataError: It is missing or damaged.
        """
        index = _read_index(folder)
        sizes = np.asarray(index["sizes"], dtype=np.int64).reshape(-1, 2)
        return cls(folder, Manifest.from_json(index["manifest"]), index["split"], index["ids"], sizes)

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        # A worker process maps the files itself instead of receiving their content.
        return type(self).open, (self.folder,)

    @property
    def labelled(self) -> bool:
        """Whether it has labels; those of some test splits only an evaluation server has."""
        return self.manifest.splits[self.split].labelled

    @property
    def num_pixels(self) -> int:
        """Pixels of all images together."""
        return int(self._ends[-1]) if len(self.ids) else 0

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width where all images share them, else ``None``."""
        first = self.sizes[:1]
        return (int(first[0, 0]), int(first[0, 1])) if len(first) and bool((self.sizes == first).all()) else None

    def image(self, index: int) -> NDArray[np.uint8]:
        """RGB pixels of one image, uint8 [H, W, 3]."""
        start, height, width = self._place(index)
        return self._images[3 * start : 3 * (start + height * width)].reshape(height, width, 3)

    def label(self, index: int) -> NDArray[np.uint8]:
        """Class ids of one image, uint8 [H, W]: 0..C-1 and 255.

        Raises:
            UsageError: The split has no labels.
        """
        self.manifest.require_labels(self.split)
        start, height, width = self._place(index)
        return self._labels[start : start + height * width].reshape(height, width)

    def images(self, indices: Indices) -> NDArray[np.uint8]:
        """RGB pixels of several images, uint8 [n, H, W, 3].

        Raises:
            DataError: The images of the split differ in size.
        """
        height, width = self._common_size()
        return self._images.reshape(-1, height, width, 3)[np.asarray(indices, dtype=np.int64)]

    def labels(self, indices: Indices) -> NDArray[np.uint8]:
        """Class ids of several images, uint8 [n, H, W].

        Raises:
            DataError: The images of the split differ in size.
            UsageError: The split has no labels.
        """
        self.manifest.require_labels(self.split)
        height, width = self._common_size()
        return self._labels.reshape(-1, height, width)[np.asarray(indices, dtype=np.int64)]

    def _place(self, index: int) -> tuple[int, int, int]:
        height, width = (int(value) for value in self.sizes[index])
        return int(self._ends[index]) - height * width, height, width

    def _common_size(self) -> tuple[int, int]:
        if self.size is None:
            raise DataError(
                f"The images of {self.manifest.dataset} {self.split} differ in size and cannot be stacked; "
                "set input_size in the recipe, or read them one at a time."
            )
        return self.size


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX_FILE
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not isinstance(index, dict) or index.get("schema") != SCHEMA or not index.keys() >= INDEX_KEYS:
        raise DataError(f"{path} is no raw cache of schema {SCHEMA}.")
    return index


def _mapped(path: Path, num_bytes: int) -> NDArray[np.uint8]:
    found = path.stat().st_size if path.is_file() else 0
    if found != num_bytes:
        raise DataError(f"{path} has {found} bytes; its index says {num_bytes}.")
    # An empty file cannot be mapped.
    return np.memmap(path, dtype=np.uint8, mode="r") if num_bytes else np.empty(0, dtype=np.uint8)
