"""``segbench bundle``: a prepared dataset as one file, out and in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.options import Json, Quiet, Variant, complete_dataset
from segbench.console import Console, byte_size

__all__ = ["export_dataset", "import_dataset"]

Dataset = Annotated[
    str, typer.Argument(metavar="DATASET", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
]


def export_dataset(
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, such as camvid.tar.")],
    variant: Variant = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a prepared dataset to one file, for machines without a network."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.bundle import export_bundle

    console = Console(json=as_json, quiet=quiet)
    manifest, members = export_bundle(dataset, file, variant, force=force, progress=console.progress())
    size = file.stat().st_size
    values = {
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "file": str(file),
        "bytes": size,
        "fingerprint": manifest.fingerprint,
        "licence": manifest.licence,
        "members": [member.name for member in members],
    }
    console.result(values, f"{manifest.dataset} {manifest.variant}: {byte_size(size)} in {file}")
    console.note(f"Terms of the images: {manifest.licence}")
    console.note(f"There: segbench bundle import {manifest.dataset} {file.name}")


def import_dataset(
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'segbench bundle export' wrote.")],
    variant: Variant = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the dataset if it is prepared.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a prepared dataset from a file; every byte is checked first."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.bundle import import_bundle

    console = Console(json=as_json, quiet=quiet)
    prepared = import_bundle(dataset, file, variant, force=force, progress=console.progress())
    manifest = prepared.manifest
    values = {
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "folder": str(prepared.folder),
        "counts": manifest.counts,
        "partial": manifest.partial,
        "fingerprint": manifest.fingerprint,
    }
    counts = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
    console.result(values, f"{manifest.dataset} {manifest.variant}: {counts} in {prepared.folder}")
