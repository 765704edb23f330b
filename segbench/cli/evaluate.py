"""``segbench evaluate``: trained weights scored on a split."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench.cli.options import Device, Json, Options, Quiet, Split, Variant, complete_dataset, parse_options
from segbench.console import Console

__all__ = ["evaluate_weights"]


def evaluate_weights(
    weights: Annotated[
        str, typer.Argument(metavar="WEIGHTS", help="A run's folder, a weights file, or ORG/NAME of the Hub.")
    ],
    dataset: Annotated[
        str, typer.Option(metavar="D", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    variant: Variant = None,
    split: Split = "test",
    options: Options = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score trained weights on a split of a prepared dataset."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.cli.class_table import scores_table
    from segbench.data.preparation import ensure_prepared

    chosen = parse_options(options)
    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    manifest = ensure_prepared(dataset, variant, progress=progress).manifest
    from segbench.engine.pipeline import evaluate

    scores = evaluate(weights, dataset, variant, split, options=chosen, device=device, progress=progress)
    console.result(
        lambda: scores.model_dump(mode="json"),
        scores_table(f"{weights} on {manifest.dataset} {manifest.variant}, {split}", scores),
    )
