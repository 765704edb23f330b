"""``segbench show``: what a prepared dataset looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segbench.cli.options import Json, Quiet, Split, Variant, complete_dataset
from segbench.console import Console
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.data.preparation import PreparedDataset

__all__ = ["show_dataset", "write_sheets"]

COUNT = 8
MOST = 60


def show_dataset(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    variant: Variant = None,
    split: Split = "train",
    count: Annotated[int, typer.Option(metavar="N", help="Number of images.")] = COUNT,
    seed: Annotated[int, typer.Option(metavar="S", help="Draws the images.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The sheet; DATASET.show.png if left out.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a contact sheet of images with their labels, and how often each class occurs."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import ensure_prepared

    console = Console(json=as_json, quiet=quiet)
    _check(count, seed, out)
    prepared = ensure_prepared(dataset, variant, progress=console.progress())
    written = write_sheets(prepared, console, split=split, count=count, seed=seed, out=out)
    console.result({"dataset": dataset, "variant": prepared.manifest.variant, "split": split, **written})


def _check(count: int, seed: int, out: Path | None) -> None:
    if not 1 <= count <= MOST:
        raise UsageError(f"--count {count} is not 1..{MOST}.")
    if seed < 0:
        raise UsageError(f"--seed {seed} is negative; allowed are 0, 1, 2 ...")
    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"-o {out}: the sheet is a PNG file.", "Example: -o sheet.png")


def write_sheets(
    prepared: PreparedDataset,
    console: Console,
    *,
    split: str = "train",
    count: int = COUNT,
    seed: int = 0,
    out: Path | None = None,
) -> dict[str, str]:
    """Writes the contact sheet and the plot of class frequencies beside it; says where they are and on which terms.

    Args:
        prepared: The dataset.
        console: Told the paths.
        split: Whose images are shown; the first one there is, if it has none of that name and the default is meant.
        count: Number of images.
        seed: Draws them.
        out: The sheet's path; ``None``: a name in the working folder that .gitignore knows.

    Returns:
        Paths by what they are: ``sheet`` and ``plot``.
    """
    from segbench.data.class_frequencies import frequency_plot, save_plot
    from segbench.data.contact_sheet import choose, contact_sheet
    from segbench.overlay import save_picture
    from segbench.registry import DATASETS

    manifest = prepared.manifest
    sheet = out or Path(f"{_stem(prepared)}.show.png")
    samples = choose(prepared, split, count, seed)
    save_picture(sheet, contact_sheet(manifest, split, samples))
    plot = save_plot(sheet.with_name(f"{sheet.stem.removesuffix('.show')}.classes.svg"), frequency_plot(manifest))
    console.note(f"Contact sheet      {sheet}")
    console.note(f"Class frequencies  {plot}")
    if not DATASETS[manifest.dataset].embedded:
        console.note(f"The sheet shows photographs; keep it to yourself. Terms of the images: {manifest.licence}")
    return {"sheet": str(sheet), "plot": str(plot)}


def _stem(prepared: PreparedDataset) -> str:
    from segbench.registry import DATASETS

    manifest = prepared.manifest
    default = DATASETS[manifest.dataset].default_variant
    return manifest.dataset if manifest.variant == default else f"{manifest.dataset}-{manifest.variant}"
