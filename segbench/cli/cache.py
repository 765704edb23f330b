"""``segbench cache``: the decoded copies that training reads."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench.cli.options import Json, Quiet, Variant, complete_dataset
from segbench.console import Column, Console, Table, byte_size

__all__ = ["clear_cache", "list_cache"]


def list_cache(as_json: Json = False, quiet: Quiet = False) -> None:
    """List the raw caches and their sizes."""
    from segbench.data.raw_cache import list_caches

    console = Console(json=as_json, quiet=quiet)
    entries = list_caches()
    values = [
        {
            "dataset": entry.dataset,
            "variant": entry.variant,
            "split": entry.split,
            "fingerprint": entry.fingerprint,
            "num_images": entry.num_images,
            "num_bytes": entry.num_bytes,
            "folder": str(entry.folder),
        }
        for entry in entries
    ]
    if not entries:
        console.note("The raw cache is empty.")
    rows = [[e.dataset, e.variant, e.split, f"{e.num_images:,}", byte_size(e.num_bytes)] for e in entries]
    columns = [Column("dataset"), Column("variant"), Column("split"), Column("images", right=True)]
    total = f"{byte_size(sum(entry.num_bytes for entry in entries))} in all; 'segbench cache clear' frees them."
    table = Table([*columns, Column("size", right=True)], rows, "Raw cache", [total])
    console.result(values, *([table] if rows else []))


def clear_cache(
    dataset: Annotated[
        str | None, typer.Argument(autocompletion=complete_dataset, help="Everything if left out.")
    ] = None,
    variant: Variant = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete raw caches; they are made again when training needs them."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import find_variant
    from segbench.data.raw_cache import clear
    from segbench.errors import UsageError

    if dataset is not None:
        find_variant(dataset, variant)
    elif variant is not None:
        raise UsageError(
            f"--variant {variant} needs a dataset.", f"Example: segbench cache clear camvid --variant {variant}"
        )
    freed = clear(dataset, variant)
    Console(json=as_json, quiet=quiet).result({"freed_bytes": freed}, f"{byte_size(freed)} freed.")
