"""Prepared datasets: a Hugging Face ``DatasetDict`` with ``manifest.json`` beside it, made once and found again.

A prepared dataset appears complete or not at all: it is written to a temporary folder and renamed, and the manifest
is its last file.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, overload

from segbench import homes
from segbench.atomic import new_folder
from segbench.data.assembly import Assembly
from segbench.data.disk import writing
from segbench.data.locks import making
from segbench.data.sample import Source, SourceFactory, SourceOptions
from segbench.errors import DataError, NotPreparedError, UnknownNameError
from segbench.manifest import MANIFEST_FILE, Manifest
from segbench.progress import SILENT, Progress
from segbench.registry import DATASETS, closest, import_object
from segbench.specs import DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import datasets

__all__ = ["PreparedDataset", "ensure_prepared", "find_prepared", "find_variant", "load", "prepare"]


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared dataset on disk.

    Attributes:
        folder: What ``datasets.load_from_disk`` opens; ``manifest.json`` lies in it.
        manifest: Its figures.
        fresh: Made by this very call.
    """

    folder: Path
    manifest: Manifest
    fresh: bool = False


def find_variant(dataset: str, variant: str | None = None) -> tuple[DatasetSpec, VariantSpec]:
    """The specs behind a dataset's name and a variant's, or its default variant.

    Raises:
        UnknownNameError: No such dataset or variant; names the closest ones.
    """
    spec = DATASETS[dataset]
    name = variant or spec.default_variant
    if name not in spec.variants:
        raise UnknownNameError(f"Unknown variant '{name}' of {dataset}. {closest(name, list(spec.variants))}")
    return spec, spec.variants[name]


@overload
def prepare(
    dataset: str,
    variant: str | None = None,
    *,
    sources: Sequence[Path | str] = (),
    size: tuple[int, int] | None = None,
    force: bool = False,
    download_only: Literal[False] = False,
    partial: bool = False,
    progress: Progress = SILENT,
) -> PreparedDataset: ...
@overload
def prepare(
    dataset: str,
    variant: str | None = None,
    *,
    sources: Sequence[Path | str] = (),
    size: tuple[int, int] | None = None,
    force: bool = False,
    download_only: bool,
    partial: bool = False,
    progress: Progress = SILENT,
) -> PreparedDataset | None: ...
def prepare(
    dataset: str,
    variant: str | None = None,
    *,
    sources: Sequence[Path | str] = (),
    size: tuple[int, int] | None = None,
    force: bool = False,
    download_only: bool = False,
    partial: bool = False,
    progress: Progress = SILENT,
) -> PreparedDataset | None:
    """Makes a dataset ready for training and evaluation; does nothing where that is done already.

    Args:
        dataset: Registered name.
        variant: Configuration; ``None`` means the default one.
        sources: Archives and folders the user has; empty: download.
        size: Height and width, for datasets that can be made at any size.
        force: Make it again even if it is there.
        download_only: Fetch and open the sources, and stop there.
        partial: Take what the sources hold of the official lists; the manifest says so and boards refuse it.
        progress: Where the work is reported.

    Returns:
        Where it is and what it holds; ``None`` after ``download_only``.

    Raises:
        UnknownNameError: No such dataset or variant.
        DataError: A source is missing, incomplete or not what it should be.
        DownloadError: No mirror delivered a file.
    """
    spec, configuration = find_variant(dataset, variant)
    options = SourceOptions(tuple(sources), size, partial, progress)
    if download_only:
        with _open_source(spec, configuration, options):
            progress.message(f"The sources of {dataset} {configuration.name} are here.")
        return None
    folder = _folder(spec, configuration)
    with writing(folder), making(folder, progress):
        existing = None if force else _existing(spec, configuration)
        if existing is not None and _satisfies(existing.manifest, options):
            progress.message(f"{dataset} {configuration.name} is prepared already: {folder}")
            return existing
        manifest = _make(spec, configuration, options, folder)
    progress.message(f"Prepared {dataset} {configuration.name}: {_describe(manifest)} in {folder}")
    return PreparedDataset(folder, manifest, fresh=True)


def find_prepared(dataset: str, variant: str | None = None) -> PreparedDataset:
    """The prepared dataset.

    Raises:
        NotPreparedError: It is not there; the hint is the command that makes it.
    """
    spec, configuration = find_variant(dataset, variant)
    existing = _existing(spec, configuration)
    if existing is None:
        raise NotPreparedError(
            f"{dataset} {configuration.name} is not prepared.", f"Run: {_command(spec, configuration)}"
        )
    return existing


def ensure_prepared(
    dataset: str, variant: str | None = None, *, size: tuple[int, int] | None = None, progress: Progress = SILENT
) -> PreparedDataset:
    """The prepared dataset; an embedded one, which needs no download, is made on the spot.

    Raises:
        NotPreparedError: It is not there and has to be downloaded; the hint is the command that makes it.
    """
    spec, configuration = find_variant(dataset, variant)
    existing = _existing(spec, configuration)
    if existing is not None and (size is None or existing.manifest.size == size):
        return existing
    if spec.embedded:
        return prepare(dataset, variant, size=size, progress=progress)
    return find_prepared(dataset, variant)


def load(dataset: str, variant: str | None = None) -> datasets.DatasetDict:
    """The prepared dataset as a ``DatasetDict``: id, image, label (255 = ignore), classes (present in the image).

    Raises:
        NotPreparedError: It is not there; the hint is the command that makes it.
    """
    import datasets

    prepared = ensure_prepared(dataset, variant)
    found = datasets.DatasetDict.load_from_disk(str(prepared.folder))
    for split, rows in found.items():
        # Some versions derive another one from what is on disk.
        rows._fingerprint = prepared.manifest.splits[split].fingerprint
    return found


def _folder(spec: DatasetSpec, variant: VariantSpec) -> Path:
    return homes.data_home() / spec.name / variant.name


def _command(spec: DatasetSpec, variant: VariantSpec) -> str:
    option = "" if variant.name == spec.default_variant else f" --variant {variant.name}"
    return f"segbench prepare {spec.name}{option}"


def _existing(spec: DatasetSpec, variant: VariantSpec) -> PreparedDataset | None:
    folder = _folder(spec, variant)
    if not (folder / MANIFEST_FILE).is_file():
        return None
    try:
        return PreparedDataset(folder, Manifest.read(folder))
    except DataError as error:
        raise DataError(error.message, f"Run: {_command(spec, variant)} --force") from error


def _satisfies(manifest: Manifest, options: SourceOptions) -> bool:
    return (options.size in (None, manifest.size)) and (options.partial or not manifest.partial)


def _describe(manifest: Manifest) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
    return f"{counts}{' (partial)' if manifest.partial else ''}"


def _open_source(spec: DatasetSpec, variant: VariantSpec, options: SourceOptions) -> AbstractContextManager[Source]:
    factory: SourceFactory = import_object(spec.source)
    return factory(variant, options)


def _make(spec: DatasetSpec, variant: VariantSpec, options: SourceOptions, folder: Path) -> Manifest:
    with (
        _open_source(spec, variant, options) as source,
        new_folder(folder) as target,
        TemporaryDirectory(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent) as scratch,
    ):
        return Assembly(spec, variant, options, source).write(target, Path(scratch))
