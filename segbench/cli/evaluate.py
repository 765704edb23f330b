"""``segbench evaluate``: trained weights scored on a split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.options import (
    Device,
    Json,
    Network,
    Options,
    Quiet,
    Samples,
    Split,
    Variant,
    complete_dataset,
    parse_options,
)
from segbench.console import Console
from segbench.errors import UsageError

__all__ = ["evaluate_weights"]


def evaluate_weights(
    weights: Annotated[
        str,
        typer.Argument(
            metavar="WEIGHTS", help="A run's folder, a weights file, ORG/NAME of the Hub; or onnx:FILE, hf:ORG/NAME."
        ),
    ],
    dataset: Annotated[
        str, typer.Option(metavar="D", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    variant: Variant = None,
    split: Split = "test",
    model: Network = None,
    class_map: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Which classes of onnx: or hf: are which (TOML or JSON).")
    ] = None,
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

    A network from outside that brings its own weights (onnx:FILE, hf:ORG/NAME, ./file.py:factory) is scored as it is.
    Its classes are matched by name, or by the lines of --class-map, such as "car" = "Car": its own, the dataset's.
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
        scores = evaluate(
            weights,
            dataset,
            variant,
            split,
            options=chosen,
            model=model,
            class_map=class_map,
            device=device,
            progress=progress,
        )
        console.result(lambda: scores.model_dump(mode="json"), scores_table(title, scores))
        return
    if class_map is not None:
        raise UsageError("--uncertainty and --class-map do not go together.", "Leave out one of them.")
    scores, certain = evaluate_uncertainty(
        weights, dataset, variant, split, options=chosen, model=model, device=device, progress=progress
    )
    console.result(
        lambda: {**scores.model_dump(mode="json"), "uncertainty": certain.to_json()},
        scores_table(title, scores),
        *uncertainty_tables(certain),
    )
