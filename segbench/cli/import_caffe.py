"""``segbench import-caffe``: the authors' released weights become a weights file of segbench."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Quiet, complete_dataset
from segbench.console import Console

if TYPE_CHECKING:
    from segbench.engine.caffe_release import Imported

__all__ = ["import_release"]

SUFFIX = ".safetensors"


def import_release(
    definition: Annotated[
        Path, typer.Argument(metavar="PROTOTXT", help="The definition with which the network is tested.")
    ],
    weights: Annotated[Path, typer.Argument(metavar="CAFFEMODEL", help="Its trained weights.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER|FILE", help="A .safetensors file, or the folder that it goes into."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="D", autocompletion=complete_dataset, help="Whose classes the outputs are."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn weights that the SegNet authors released for Caffe into a weights file, without Caffe.

    SegNet-Basic, SegNet and their Bayesian forms on CamVid, SUN RGB-D and Pascal VOC; 'segbench evaluate' and
    'segbench predict' take the file, and by default its name. The number of outputs tells the dataset: 11, 12 (the web
    demo, which has road markings too and only predicts), 21, 37 or 38 (the first of which, void, is left out).
    """
    from segbench.engine.caffe_release import import_caffe

    console = Console(json=as_json, quiet=quiet)
    imported = import_caffe(definition, weights, _target(out, weights), dataset)
    console.result(_values(imported), "\n".join(_lines(imported)))


def _target(out: Path | None, weights: Path) -> Path:
    if out is not None and out.suffix == SUFFIX and not out.is_dir():
        return out
    folder = Path("runs") / "imported" / weights.stem if out is None else out
    return folder / f"weights{SUFFIX}"


def _values(imported: Imported) -> dict[str, Any]:
    header = imported.header
    kept = ("model", "config", "num_classes", "class_names", "dataset", "dataset_variant", "input_size", "preprocess")
    values = header.model_dump(mode="json")
    return {
        "path": str(imported.path),
        "sha256": imported.sha256,
        **{name: values[name] for name in kept},
        "outputs_left_out": imported.dropped,
        "origin": values["origin"],
    }


def _lines(imported: Imported) -> list[str]:
    header = imported.header
    origin = header.origin
    assert origin is not None
    size = "its images' own size" if header.input_size is None else "{}x{}".format(*header.input_size)
    first = f"output 0 (void) of {header.num_classes + 1} is left out; " if imported.dropped else ""
    network = ", ".join([header.model, *(f"{name} {value}" for name, value in header.config.items())])
    return [
        f"Weights  {imported.path}",
        f"Network  {network}, input {size}",
        f"Input    {_input(header.preprocess)}; batch normalisation with the statistics folded in",
        f"Classes  {first}ids 0 to {header.num_classes - 1} in the release's order: {', '.join(header.class_names)}",
        f"         as {header.dataset} {header.dataset_variant}{_use(header.dataset_variant)}",
        f"Licence  the authors' weights are under {origin.licence}: not for commercial use; others' under theirs",
    ]


def _input(preprocess: dict[str, Any]) -> str:
    lrn = f", local response normalisation {preprocess['lrn']}" if "lrn" in preprocess else ", nothing subtracted"
    order = "BGR" if preprocess["channels"] == "BGR" else "RGB (Caffe's BGR was turned round in the first convolution)"
    return f"{order} in 0..255{lrn}"


def _use(variant: str) -> str:
    return ", which no dataset has: these weights predict and are not evaluated" if variant.startswith("web-") else ""
