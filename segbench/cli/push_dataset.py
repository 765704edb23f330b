"""``segbench push dataset``: a prepared dataset, or the recipe of it, on the Hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segbench.cli.options import Json, Quiet, Variant, complete_dataset
from segbench.cli.push_options import Acknowledge, DryRun, Public, Repo, Revision, show_published
from segbench.console import Console

if TYPE_CHECKING:
    from segbench.data.preparation import PreparedDataset
    from segbench.hub.content import RepoContent
    from segbench.progress import Progress
    from segbench.specs import DatasetSpec

__all__ = ["push_dataset"]


def push_dataset(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    repo: Repo,
    variant: Variant = None,
    recipe_only: Annotated[
        bool, typer.Option("--recipe-only", help="Card, ids, checksums and classes, without a pixel.")
    ] = False,
    public: Public = False,
    acknowledge: Acknowledge = False,
    dry_run: DryRun = False,
    revision: Revision = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put a prepared dataset on the Hub, as a configuration that 'load_dataset' opens without segbench."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench import homes
    from segbench.data.preparation import ensure_prepared, find_variant
    from segbench.hub.connection import check_name
    from segbench.hub.upload import publish

    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    check_name(repo)
    spec, _ = find_variant(dataset, variant)
    prepared = ensure_prepared(dataset, variant, progress=progress)
    homes.cache_home().mkdir(parents=True, exist_ok=True)
    # The parquet files are as large as the dataset: they lie where the downloads are, not in a small /tmp.
    with tempfile.TemporaryDirectory(prefix="push-", dir=homes.cache_home()) as workspace:
        content = _content(prepared, spec, repo, Path(workspace), recipe_only, progress)
        published = publish(
            content,
            repo,
            public=public,
            acknowledge=acknowledge,
            dry_run=dry_run,
            revision=revision,
            progress=progress,
        )
    show_published(console, published)


def _content(
    prepared: PreparedDataset,
    spec: DatasetSpec,
    repo: str,
    workspace: Path,
    recipe_only: bool,
    progress: Progress,
) -> RepoContent:
    from segbench.hub.dataset_repo import dataset_content, recipe_content

    if recipe_only:
        return recipe_content(prepared.folder, prepared.manifest, spec, repo)
    return dataset_content(prepared.folder, prepared.manifest, spec, repo, workspace, progress=progress)
