"""``segbench evaluate``: trained weights scored on a split."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench.cli.options import Device, Json, Options, Quiet, Samples, Split, Variant, complete_dataset, parse_options
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
    samples: Samples = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also score what the network's certainty is worth.")
    ] = False,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score trained weights on a split of a prepared dataset.

    With --uncertainty also calibration (expected error, reliability by confidence), and the accuracy of the pixels the
    network is most certain of, ranked by confidence, by entropy, and for Bayesian networks by the variance over the
    thinned networks.
    """
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.cli.class_table import scores_table
    from segbench.cli.uncertainty_table import uncertainty_tables
    from segbench.data.preparation import ensure_prepared

    chosen = parse_options(options, samples)
    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    manifest = ensure_prepared(dataset, variant, progress=progress).manifest
    from segbench.engine.pipeline import evaluate, evaluate_uncertainty

    title = f"{weights} on {manifest.dataset} {manifest.variant}, {split}"
    if not uncertainty:
        scores = evaluate(weights, dataset, variant, split, options=chosen, device=device, progress=progress)
        console.result(lambda: scores.model_dump(mode="json"), scores_table(title, scores))
        return
    scores, certain = evaluate_uncertainty(
        weights, dataset, variant, split, options=chosen, device=device, progress=progress
    )
    console.result(
        lambda: {**scores.model_dump(mode="json"), "uncertainty": certain.to_json()},
        scores_table(title, scores),
        *uncertainty_tables(certain),
    )
