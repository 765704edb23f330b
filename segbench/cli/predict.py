"""``segbench predict``: label maps and overlays of pictures or of a split."""

from __future__ import annotations

from os.path import commonpath
from pathlib import Path
from typing import Annotated, Any

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

__all__ = ["predict_images"]


def predict_images(
    weights: Annotated[str, typer.Option("--weights", metavar="W", help="A run, weights, or ORG/NAME of the Hub.")],
    folder: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the label maps go.")],
    images: Annotated[list[Path] | None, typer.Argument(metavar="IMAGE", help="Picture files.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="D", autocompletion=complete_dataset, help="A whole split of this dataset.")
    ] = None,
    variant: Variant = None,
    split: Split = "test",
    model: Network = None,
    options: Options = None,
    samples: Samples = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also FOLDER/uncertainty/NAME.png: the brighter the less sure.")
    ] = False,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write label maps and overlays of pictures or of a split.

    FOLDER/NAME.png holds class ids, which 'segbench score' reads; FOLDER/overlays/NAME.png is to look at.

    With --uncertainty, FOLDER/uncertainty/NAME.png is white where all classes are equally probable; for Bayesian
    networks FOLDER/uncertainty/deviation/NAME.png shows how far the thinned networks disagree.

    A split whose labels only an evaluation server has is written as that server takes it: '--dataset voc2012 --split
    test' gives palette PNG files FOLDER/results/VOC2012/Segmentation/comp6_test_cls/ID.png (pack them with 'tar czf
    results.tgz -C FOLDER results').
    """
    if bool(images) == bool(dataset):
        raise UsageError(
            "Give either pictures or --dataset.", "Example: segbench predict street.jpg --weights RUN -o maps"
        )
    chosen = parse_options(options, samples)
    console = Console(json=as_json, quiet=quiet)
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.engine.pipeline import predict_dataset, predict_pictures

    asked: dict[str, Any] = {
        "options": chosen,
        "model": model,
        "uncertainty": uncertainty,
        "device": device,
        "progress": console.progress(),
    }
    if dataset:
        paths = predict_dataset(weights, dataset, folder, variant, split, **asked)
    else:
        paths = predict_pictures(images or [], weights, folder, **asked)
    values: dict[str, Any] = {"label_maps": [str(path) for path in paths], "overlays": str(folder / "overlays")}
    if uncertainty:
        values["uncertainty"] = str(folder / "uncertainty")
    place = Path(commonpath(path.parent for path in paths)) if paths else folder
    console.result(values, f"{len(paths)} label maps in {place}, overlays in {folder / 'overlays'}.")
