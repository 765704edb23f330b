"""Prepared datasets: a Hugging Face ``DatasetDict`` with ``manifest.json`` beside it, made once and found again.

A prepared dataset appears complete or not at all: it is written to a temporary folder and renamed, and the manifest
is its last file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from segbench import homes
from segbench.atomic import new_folder
from segbench.data.assembly import Assembly, ChangedSourceError
from segbench.data.disk import writing
from segbench.data.hub_repository import is_hub
from segbench.data.locks import leftovers, making
from segbench.data.sample import Source, SourceFactory, SourceOptions
from segbench.data.work_folder import remove_work, work_folder, work_key, work_path
from segbench.errors import DataError, NotPreparedError, UnknownNameError
from segbench.manifest import MANIFEST_FILE, Manifest
from segbench.processors import available_processors
from segbench.progress import SILENT, Progress
from segbench.registry import DATASETS, closest, import_object
from segbench.specs import DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import datasets

SAMPLES_PER_PROCESS = 16

__all__ = ["PreparedDataset", "ensure_prepared", "find_prepared", "find_variant", "load", "prepare", "prepared_folder"]


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
    skip_corrupt: int = 0,
    jobs: int | None = None,
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
    skip_corrupt: int = 0,
    jobs: int | None = None,
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
    skip_corrupt: int = 0,
    jobs: int | None = None,
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
        skip_corrupt: Leave out up to this many samples that cannot be decoded; the manifest lists them, and boards
            refuse the result.
        jobs: Processes that decode and encode; ``None``: one for each processor. The result does not depend on it.
        progress: Where the work is reported.

    Returns:
        Where it is and what it holds; ``None`` after ``download_only``.

    Raises:
        UnknownNameError: No such dataset or variant.
        DataError: A source is missing, incomplete or not what it should be.
        CorruptImageError: More samples cannot be decoded than may be left out.
        DownloadError: No mirror delivered a file.
    """
    spec, configuration = find_variant(dataset, variant)
    options = SourceOptions(tuple(sources), size, partial, progress)
    if download_only:
        with _open_source(spec, configuration, options):
            progress.message(f"The sources of {dataset} {configuration.name} are here.")
        return None
    folder = prepared_folder(spec, configuration)
    with writing(folder):
        # Nothing is written where nothing is to be done: a folder that others share may be read-only.
        done = None if force or leftovers(folder) else _finished(spec, configuration, options, skip_corrupt)
        if done is not None:
            return done
        with making(folder, progress, keep=work_path(folder)):
            done = None if force else _finished(spec, configuration, options, skip_corrupt)
            if done is not None:
                remove_work(folder)
                return done
            manifest = _Making(spec, configuration, options, folder, skip_corrupt, jobs).manifest()
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


def prepared_folder(spec: DatasetSpec, variant: VariantSpec) -> Path:
    """Where a variant lies when it is prepared."""
    return homes.data_home() / spec.name / variant.name


def _command(spec: DatasetSpec, variant: VariantSpec) -> str:
    option = "" if variant.name == spec.default_variant else f" --variant {variant.name}"
    return f"segbench prepare {spec.name}{option}"


def _existing(spec: DatasetSpec, variant: VariantSpec) -> PreparedDataset | None:
    folder = prepared_folder(spec, variant)
    if not (folder / MANIFEST_FILE).is_file():
        return None
    try:
        return PreparedDataset(folder, Manifest.read(folder))
    except DataError as error:
        raise DataError(error.message, f"Run: {_command(spec, variant)} --force") from error


def _finished(
    spec: DatasetSpec, variant: VariantSpec, options: SourceOptions, skip_corrupt: int
) -> PreparedDataset | None:
    """What is there, if it is what is asked for."""
    existing = _existing(spec, variant)
    if existing is None or not _satisfies(existing.manifest, variant, options, skip_corrupt):
        return None
    options.progress.message(f"{spec.name} {variant.name} is prepared already: {existing.folder}")
    return existing


def _satisfies(manifest: Manifest, variant: VariantSpec, options: SourceOptions, skip_corrupt: int) -> bool:
    if options.size not in (None, manifest.size):
        return False
    return not manifest.partial or options.partial or _lacks_only_skipped(manifest, variant, skip_corrupt)


def _lacks_only_skipped(manifest: Manifest, variant: VariantSpec, skip_corrupt: int) -> bool:
    """Whether it is all of the dataset but samples that may be left out."""
    found = Counter(manifest.counts) + Counter(sample.split for sample in manifest.skipped)
    complete = all(found[split] >= count for split, count in variant.counts.items())
    return complete and 0 < len(manifest.skipped) <= skip_corrupt


def _describe(manifest: Manifest) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
    return f"{counts}{' (partial)' if manifest.partial else ''}"


def _open_source(spec: DatasetSpec, variant: VariantSpec, options: SourceOptions) -> AbstractContextManager[Source]:
    if any(map(is_hub, options.sources)):
        from segbench.data import hub_source

        return hub_source.open_source(spec, variant, options)
    factory: SourceFactory = import_object(spec.source)
    return factory(variant, options)


@dataclass(frozen=True)
class _Making:
    """The making of one folder."""

    spec: DatasetSpec
    variant: VariantSpec
    options: SourceOptions
    folder: Path
    skip_corrupt: int
    jobs: int | None

    def manifest(self) -> Manifest:
        """Makes the folder; goes on with what a killed preparation finished, if that is of the same source."""
        try:
            return self._attempt()
        except ChangedSourceError:
            self.options.progress.message(
                "The source has changed since the preparation was interrupted; starting anew."
            )
            return self._attempt()

    def _attempt(self) -> Manifest:
        key = work_key(self.spec, self.variant, self.options.size)
        with _open_source(self.spec, self.variant, self.options) as source, work_folder(self.folder, key) as work:
            assembly = Assembly(
                *(self.spec, self.variant, self.options, source), self._processes(source), self.skip_corrupt
            )
            assembly.fill(work)
            with new_folder(self.folder) as target:
                manifest = assembly.complete(work, target)
                self._check_known(manifest)
        return manifest

    def _processes(self, source: Source) -> int:
        """One where the work is done before another process would be up."""
        total = sum(source.counts.values())
        return min(available_processors(), total // SAMPLES_PER_PROCESS) if self.jobs is None else min(self.jobs, total)

    def _check_known(self, manifest: Manifest) -> None:
        known = self.variant.known_fingerprint
        comparable = known and not manifest.partial and manifest.size == self.variant.size
        if comparable and manifest.fingerprint != known:
            raise DataError(
                f"{self.spec.name} {self.variant.name} has the fingerprint {manifest.fingerprint[:16]}; "
                f"the complete dataset has {known[:16]}: ids, images or labels differ.",
                "Take the official source (segbench prepare without --from downloads it).",
            )
