"""A prepared dataset as the files of a dataset repository, with its images or as a recipe without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segbench.atomic import dump_json
from segbench.hub.content import RepoContent, RepoFile
from segbench.hub.dataset_card import DatasetCard
from segbench.hub.dataset_shards import MAX_SHARD_BYTES, SplitShards, column_features, split_ids, write_shards
from segbench.manifest import MANIFEST_FILE, Manifest
from segbench.progress import SILENT, Progress
from segbench.specs import DatasetSpec

__all__ = ["dataset_content", "recipe_content"]


def dataset_content(
    folder: Path,
    manifest: Manifest,
    spec: DatasetSpec,
    repo_id: str,
    workspace: Path,
    *,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    progress: Progress = SILENT,
) -> RepoContent:
    """All of a prepared variant: one configuration that ``load_dataset(repo_id, variant)`` opens without segbench.

    Args:
        folder: Of the prepared dataset.
        manifest: Its figures.
        spec: The dataset it is a variant of.
        repo_id: ``ORG/NAME``, which the card tells people to load.
        workspace: Where the parquet files are written; they have to stay until the push is done.
        max_shard_bytes: Of one parquet file.
        progress: Told how many images are written.

    Raises:
        DataError: The prepared files are missing or damaged.
    """
    shards = tuple(
        write_shards(folder, split, workspace / manifest.variant, max_bytes=max_shard_bytes, progress=progress)
        for split in manifest.splits
    )
    card = _card(folder, manifest, spec, repo_id, shards)
    files = (*_figures(manifest), *_parquet(manifest, shards))
    return RepoContent(
        repo_type="dataset",
        files=files,
        card=card.readme(),
        licence_allows_redistribution=spec.redistributable,
        what=f"{spec.name} {manifest.variant}",
        terms=spec.licence,
        merge_card=card.readme,
        owns=(f"{manifest.variant}/*.parquet", f"{manifest.variant}/ids/*"),
    )


def recipe_content(folder: Path, manifest: Manifest, spec: DatasetSpec, repo_id: str) -> RepoContent:
    """What is needed to make a variant from its origin, and not a pixel of it.

    The ids of each split, the checksums of the sources, the classes with their colours, the fingerprint, and a card.

    Args:
        folder: Of the prepared dataset; ids are all that is read.
        manifest: Its figures.
        spec: The dataset it is a variant of.
        repo_id: ``ORG/NAME``.

    Raises:
        DataError: The prepared files are missing or damaged.
    """
    card = _card(folder, manifest, spec, repo_id, ())
    return RepoContent(
        repo_type="dataset",
        files=(*_figures(manifest), *_ids(folder, manifest)),
        card=card.readme(),
        licence_allows_redistribution=True,
        what=f"the recipe of {spec.name} {manifest.variant}",
        terms=spec.licence,
        merge_card=card.readme,
        owns=(f"{manifest.variant}/ids/*",),
    )


def _card(
    folder: Path, manifest: Manifest, spec: DatasetSpec, repo_id: str, shards: tuple[SplitShards, ...]
) -> DatasetCard:
    return DatasetCard(repo_id, spec, manifest, column_features(folder, next(iter(manifest.splits))), shards)


def _figures(manifest: Manifest) -> Iterator[RepoFile]:
    """Manifest and class map, for programs."""
    names = {str(number): name for number, name in enumerate(manifest.class_names)}
    classes = {"id2label": names, "palette": manifest.palette, "ignore_index": manifest.ignore_index}
    yield RepoFile(f"{manifest.variant}/{MANIFEST_FILE}", dump_json(manifest.to_json()).encode())
    yield RepoFile(f"{manifest.variant}/classes.json", dump_json(classes).encode())


def _parquet(manifest: Manifest, shards: tuple[SplitShards, ...]) -> Iterator[RepoFile]:
    for one in shards:
        yield from (RepoFile(f"{manifest.variant}/{path.name}", path) for path in one.paths)


def _ids(folder: Path, manifest: Manifest) -> Iterator[RepoFile]:
    for split in manifest.splits:
        lines = "".join(f"{sample_id}\n" for sample_id in split_ids(folder, split))
        yield RepoFile(f"{manifest.variant}/ids/{split}.txt", lines.encode())
