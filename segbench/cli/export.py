"""``segbench export``: a network as a file that runs without segbench."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from segbench.cli.options import Json, Network, Quiet, complete_model, parse_size
from segbench.console import Console, byte_size
from segbench.errors import UsageError
from segbench.specs import folder_name

if TYPE_CHECKING:
    from segbench.engine.export import Exported, Format

__all__ = ["export_model"]


def export_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|WEIGHTS", autocompletion=complete_model, help="A run, weights, a repository, or a model."
        ),
    ],
    format: Annotated[str, typer.Option("--format", metavar="F", help="onnx or torch-export.")],
    target: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The file; MODEL.onnx or .pt2 if left out.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Of the input; that of the training if left out.")
    ] = None,
    classes: Annotated[int, typer.Option(min=2, metavar="K", help="Of a model without weights.")] = 11,
    seed: Annotated[int, typer.Option(metavar="S", help="Of a model with random weights.")] = 0,
    model: Network = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a network as an ONNX file or a torch.export program.

    It takes RGB in 0..255 and returns logits; normalisation and unpooling are inside, the batch is free, height and
    width are fixed. The file is run (by onnxruntime, or torch) against the network before it is written, and tells its
    classes, palette, preprocessing and source.
    """
    pixels = parse_size(size) if size else None
    from segbench.engine.export import FORMATS, export_network
    from segbench.engine.exportable import find_exportable

    if format not in FORMATS:
        raise UsageError(f"--format '{format}' is not one of {', '.join(FORMATS)}.", "Example: --format onnx")
    console = Console(json=as_json, quiet=quiet)
    exporting = find_exportable(source, pixels, classes, model, seed)
    path = target or Path(f"{folder_name(exporting.name)}{FORMATS[format]}")
    console.progress().message(f"Exporting {exporting.name} at {exporting.size[0]}x{exporting.size[1]}")
    exported = export_network(exporting, path, cast("Format", format))
    console.result(_values(exporting.name, exported), _text(exporting.name, exported))


def _values(name: str, exported: Exported) -> dict[str, Any]:
    values = asdict(exported)
    path = values.pop("path")
    return {"model": name, "file": str(path), **values}


def _text(name: str, exported: Exported) -> str:
    opset = f", opset {exported.opset}" if exported.opset else ""
    height, width = exported.size
    return (
        f"{exported.path}: {name}, {exported.num_classes} classes, any batch of {height}x{width}{opset}, "
        f"{byte_size(exported.num_bytes)}. Largest difference to the network {exported.max_absolute_difference:.3g} "
        f"of logits up to {exported.largest_logit:.3g} ({exported.tolerance:.3g} allowed)."
    )
