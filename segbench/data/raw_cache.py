"""Decoded images as flat files that training maps into memory: no PNG is decoded twice.

A split is three files in ``<raw cache home>/<dataset>/<variant>/<fingerprint>/<split>``: ``images.bin`` (RGB pixels of
all images, one after the other), ``labels.bin`` (their ids; empty where only a server has them) and ``index.json``
(ids, sizes and the manifest). Reading needs numpy alone, so the folder can be copied to a machine that has nothing
else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segbench import homes
from segbench.atomic import new_folder, write_json
from segbench.data.codec import decode_ids, decode_rgb, header_size
from segbench.data.disk import writing
from segbench.data.fingerprint import SplitHash
from segbench.data.locks import making
from segbench.data.preparation import PreparedDataset
from segbench.data.raw_split import IMAGES_FILE, INDEX_FILE, LABELS_FILE, SCHEMA, RawSplit
from segbench.errors import DataError, UnknownNameError
from segbench.manifest import Manifest
from segbench.progress import SILENT, Progress
from segbench.registry import closest

if TYPE_CHECKING:
    import datasets

__all__ = ["CacheEntry", "RawSplit", "clear", "list_caches", "open_folder", "open_split"]

BYTES_PER_PIXEL = 4  # three of the image, one of the label
MIB = 1024 * 1024


@dataclass(frozen=True)
class CacheEntry:
    """One split in the raw cache.

    Attributes:
        folder: Where it is.
        dataset: Its dataset.
        variant: Its variant.
        split: Its name.
        fingerprint: Of the dataset it was made from.
        num_images: Number of images.
        num_bytes: Size on disk.
    """

    folder: Path
    dataset: str
    variant: str
    split: str
    fingerprint: str
    num_images: int
    num_bytes: int


def open_split(prepared: PreparedDataset, split: str, progress: Progress = SILENT) -> RawSplit:
    """The raw cache of a split; made the first time, and again when it is damaged.

    Args:
        prepared: The dataset.
        split: ``train``, ``validation`` or ``test``.
        progress: Told what is made, and how large it is.

    Raises:
        UnknownNameError: The dataset has no such split.
        DataError: Not enough free disk, or the prepared dataset is damaged.
    """
    manifest = prepared.manifest
    if split not in manifest.splits:
        raise UnknownNameError(
            f"{manifest.dataset} {manifest.variant} has no split '{split}'. {closest(split, list(manifest.splits))}"
        )
    folder = cache_folder(manifest) / split
    found = _intact(folder, manifest, split)
    if found is not None:
        return found
    with writing(folder), making(folder, progress):
        # Another process may have made it while this one waited.
        return _intact(folder, manifest, split) or _make(prepared, split, folder, progress)


def open_folder(folder: Path, split: str) -> RawSplit:
    """A split of a raw cache by its folder (the one that holds ``train``, ``test`` ...), wherever it was made.

    Raises:
        DataError: It is missing or damaged.
    """
    return RawSplit.open(Path(folder) / split)


def cache_folder(manifest: Manifest) -> Path:
    """Where the splits of a prepared dataset are cached."""
    return homes.raw_cache_home() / manifest.dataset / manifest.variant / manifest.fingerprint[:16]


def list_caches() -> list[CacheEntry]:
    """What the raw cache holds, by dataset, variant and split; damaged entries, which are made again, are left out."""
    found = sorted(homes.raw_cache_home().glob(f"*/*/*/[!.]*/{INDEX_FILE}"))
    return [entry for path in found if (entry := _entry(path.parent)) is not None]


def clear(dataset: str | None = None, variant: str | None = None) -> int:
    """Deletes the raw cache of a variant, of a dataset, or all of it; it is made again when it is needed.

    Returns:
        The number of bytes freed.
    """
    folders = [
        folder
        for folder in homes.raw_cache_home().glob("*/*")
        if dataset in (None, folder.parent.name) and variant in (None, folder.name)
    ]
    freed = sum(_num_bytes(folder) for folder in folders)
    for folder in folders:
        shutil.rmtree(folder)
    return freed


def _entry(folder: Path) -> CacheEntry | None:
    try:
        found = RawSplit.open(folder)
    except DataError:
        return None
    return CacheEntry(
        folder=folder,
        dataset=found.manifest.dataset,
        variant=found.manifest.variant,
        split=found.split,
        fingerprint=found.manifest.fingerprint,
        num_images=len(found),
        num_bytes=_num_bytes(folder),
    )


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _intact(folder: Path, manifest: Manifest, split: str) -> RawSplit | None:
    """The split where its files are whole and made from this very dataset."""
    try:
        found = RawSplit.open(folder)
    except DataError:
        return None
    return found if found.split == split and found.manifest.splits.get(split) == manifest.splits[split] else None


def _make(prepared: PreparedDataset, split: str, folder: Path, progress: Progress) -> RawSplit:
    manifest = prepared.manifest
    needed = _needed_bytes(prepared, split)
    title = f"{manifest.dataset} {manifest.variant} {split}"
    _check_free(folder.parent, needed, title)
    progress.message(f"Decoding {title} once into the raw cache: {needed / MIB:.0f} MiB in {folder}")
    with new_folder(folder) as target:
        ids, sizes = _write_pixels(prepared, split, target, progress)
        index = {"schema": SCHEMA, "split": split, "ids": ids, "sizes": sizes, "manifest": manifest.to_json()}
        write_json(target / INDEX_FILE, index)
    return RawSplit.open(folder)


def _needed_bytes(prepared: PreparedDataset, split: str) -> int:
    summary = prepared.manifest.splits[split]
    if summary.labelled:
        return BYTES_PER_PIXEL * summary.num_pixels
    # Pixels without labels are not in the manifest's figures.
    rows = _encoded(prepared, split)
    sizes = (header_size(row["image"]["bytes"], f"{row['id']} in {prepared.folder}") for row in rows)
    return (BYTES_PER_PIXEL - 1) * sum(height * width for height, width in sizes)


def _check_free(parent: Path, needed: int, title: str) -> None:
    free = shutil.disk_usage(parent).free
    if free < needed + 64 * MIB:
        raise DataError(
            f"The raw cache of {title} needs {needed / MIB:.0f} MiB in {parent}, where {free / MIB:.0f} MiB are free.",
            "Free some (segbench cache clear), or set SEGBENCH_HOME to a larger disk.",
        )


def _write_pixels(
    prepared: PreparedDataset, split: str, target: Path, progress: Progress
) -> tuple[list[str], list[list[int]]]:
    content = SplitHash()
    ids: list[str] = []
    sizes: list[list[int]] = []
    with (target / IMAGES_FILE).open("wb") as images, (target / LABELS_FILE).open("wb") as labels:
        for sample_id, image, label in _decoded(prepared, split, progress):
            content.add(sample_id, image, label)
            images.write(image.tobytes())
            if label is not None:
                labels.write(label.tobytes())
            ids.append(sample_id)
            sizes.append([*image.shape[:2]])
    if content.hexdigest() != prepared.manifest.splits[split].fingerprint:
        raise _damaged(prepared, f"the content of {split} is not what the manifest says")
    return ids, sizes


def _decoded(
    prepared: PreparedDataset, split: str, progress: Progress
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8] | None]]:
    rows = _encoded(prepared, split)
    with progress.task(f"decode {split}", len(rows), "images") as bar:
        for row in rows:
            where = f"{row['id']} in {prepared.folder}"
            label = None if row["label"] is None else decode_ids(row["label"]["bytes"], where)
            yield row["id"], decode_rgb(row["image"]["bytes"], where), label
            bar.advance()


def _encoded(prepared: PreparedDataset, split: str) -> datasets.Dataset:
    import datasets

    try:
        found = datasets.DatasetDict.load_from_disk(str(prepared.folder))[split]
    except (OSError, KeyError, ValueError) as error:
        raise _damaged(prepared, str(error)) from error
    undecoded = datasets.Image(decode=False)
    return found.cast_column("image", undecoded).cast_column("label", undecoded)


def _damaged(prepared: PreparedDataset, what: str) -> DataError:
    name = f"{prepared.manifest.dataset} --variant {prepared.manifest.variant}"
    return DataError(f"{prepared.folder} is damaged: {what}.", f"Run: segbench prepare {name} --force")
