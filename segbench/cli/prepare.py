"""``segbench prepare``: a dataset made ready once."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Quiet, Variant, complete_dataset, parse_size
from segbench.console import Column, Console, Table
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.data.preparation import PreparedDataset

__all__ = ["prepare_dataset"]


def prepare_dataset(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    variant: Variant = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="SOURCE ...", help="Archives or folders that you have; nothing is downloaded."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="Size, where the dataset can be made at any.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it again even if it is there.")] = False,
    download_only: Annotated[bool, typer.Option("--download-only", help="Fetch the sources and stop there.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Take what the sources hold; boards refuse it.")] = False,
    skip_corrupt: Annotated[
        int, typer.Option(metavar="N", min=0, help="Leave out up to N images that cannot be decoded, and list them.")
    ] = 0,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes; one for each processor.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Draw a contact sheet and class frequencies.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a dataset ready: download or read it, check, convert. Twice does nothing."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import find_variant, prepare

    if context.args and not source:
        raise UsageError(f"'{context.args[0]}' is one dataset too many.", "Sources come after --from.")
    console = Console(json=as_json, quiet=quiet)
    find_variant(dataset, variant)
    prepared = prepare(
        dataset,
        variant,
        sources=[*(source or []), *context.args],
        size=None if size is None else parse_size(size),
        force=force,
        download_only=download_only,
        partial=partial,
        skip_corrupt=skip_corrupt,
        jobs=jobs,
        progress=console.progress(),
    )
    if prepared is None:
        console.result({"dataset": dataset, "downloaded": True})
        return
    sheets = None
    if preview:
        from segbench.cli.show import write_sheets

        sheets = write_sheets(prepared, console)
    console.result({**_values(prepared), "preview": sheets}, _table(prepared))


def _values(prepared: PreparedDataset) -> dict[str, Any]:
    manifest = prepared.manifest
    return {
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "folder": str(prepared.folder),
        "fresh": prepared.fresh,
        "partial": manifest.partial,
        "skipped": [asdict(sample) for sample in manifest.skipped],
        "size": None if manifest.size is None else list(manifest.size),
        "counts": manifest.counts,
        "fingerprint": manifest.fingerprint,
        "pixels": {
            name: {**dict(zip(manifest.class_names, split.pixels, strict=True)), "void": split.void_pixels}
            for name, split in manifest.splits.items()
        },
    }


def _table(prepared: PreparedDataset) -> Table:
    from segbench.leaderboard.wording import percent

    manifest = prepared.manifest
    columns = [Column("% of pixels"), *(Column(name, right=True) for name in manifest.splits)]
    rows = [["images", *(f"{split.num_images:,}" for split in manifest.splits.values())]]
    shares = [[*split.pixels, split.void_pixels] for split in manifest.splits.values()]
    totals = [split.num_pixels for split in manifest.splits.values()]
    for number, name in enumerate([*manifest.class_names, "void"]):
        # A split whose labels are not published has no pixels to share.
        parts = (share[number] / total if total else None for share, total in zip(shares, totals, strict=True))
        rows.append([name, *map(percent, parts)])
    return Table(columns, rows, f"{manifest.dataset} {manifest.variant}", [f"Folder: {prepared.folder}"])
