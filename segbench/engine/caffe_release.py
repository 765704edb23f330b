"""The authors' released SegNet weights as a weights file of segbench: network, classes, input size, terms.

What a number of outputs says of the classes (SegNet-Tutorial Example_Models and Scripts):

- 11: CamVid in the order of its label files, which is that of ``camvid 360x480-11``;
- 12: the web demo's, CamVid with road markings between pole and road (Scripts/camvid12.png). No dataset has these
  classes: such weights predict, and are not evaluated;
- 21: Pascal VOC 2012 with its background first, as ``voc2012``;
- 37 or 38: SUN RGB-D in the order of seg37list. Of 38 the first is void, which training ignored; it is left out, so
  that a pixel gets the best of the 37 classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import nn

import segbench.data  # noqa: F401  registers the datasets
from segbench.data.preparation import find_variant
from segbench.engine.checkpoint import save_weights
from segbench.errors import CheckpointError, UsageError
from segbench.file_sha256 import file_sha256
from segbench.models import create_model
from segbench.models.blocks import describe_preprocess
from segbench.models.caffe_import import check_weights, fill, network_of
from segbench.models.caffe_network import CaffeNetwork, read_network
from segbench.models.caffe_weights import read_caffemodel
from segbench.record import Origin, WeightsHeader
from segbench.specs import IGNORE_INDEX, Colour, VariantSpec

__all__ = ["LICENCE", "Imported", "import_caffe"]

LICENCE = "CC-BY-NC-4.0"
"""Of the authors' model zoo (SegNet-Tutorial Example_Models/segnet_model_zoo.md)."""
DATASETS_BY_OUTPUTS = {11: "camvid", 12: "camvid", 21: "voc2012", 37: "sunrgbd", 38: "sunrgbd"}
WEB_DEMO, WEB_DEMO_VARIANT = 12, "web-demo-12"
ROAD_MARKING: tuple[int, str, Colour] = (3, "Road_marking", (255, 69, 0))
VOID_FIRST = 38


class Imported(NamedTuple):
    """Weights that were imported.

    Attributes:
        header: All that the file says of itself.
        sha256: Of the file.
        dropped: Outputs of the release that were left out.
    """

    path: Path
    header: WeightsHeader
    sha256: str
    dropped: int


class _Classes(NamedTuple):
    dataset: str
    variant: str
    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    size: tuple[int, int] | None


def import_caffe(definition: Path, weights: Path, target: Path, dataset: str | None = None) -> Imported:
    """Writes the weights of a trained network of caffe-segnet as a weights file.

    Args:
        definition: The ``.prototxt`` with which it is tested.
        weights: The ``.caffemodel``.
        target: The file to write.
        dataset: Whose classes the outputs are; told by their number where left out.

    Raises:
        CheckpointError: A file is damaged, or the network is none that can be imported.
        UsageError: The number of outputs tells no classes, or other weights lie at ``target``.
    """
    network, blobs = read_network(definition), read_caffemodel(weights)
    outputs = network.convolutions[-1].outputs
    classes = _classes(outputs, dataset, weights)
    what, dropped = (f"{definition}", f"{weights}"), outputs - len(classes.names)
    check_weights(network, blobs, what)
    model_name, config = network_of(network, what[0])
    model = create_model(model_name, len(classes.names), **config)
    fill(model, network, blobs, what, dropped)
    origin = Origin(
        kind="caffe", weights_sha256=file_sha256(weights), definition_sha256=file_sha256(definition), licence=LICENCE
    )
    header = _header(model_name, config, model, network, classes, origin)
    return Imported(target, header, _written(target, model, header), dropped)


def _classes(outputs: int, dataset: str | None, weights: Path) -> _Classes:
    name = dataset or DATASETS_BY_OUTPUTS.get(outputs)
    if name is None:
        known = ", ".join(map(str, DATASETS_BY_OUTPUTS))
        raise UsageError(
            f"{weights} has {outputs} outputs; the released models have {known}.",
            "Name the dataset whose classes they are: --dataset D",
        )
    spec, variant = find_variant(name)
    if outputs == WEB_DEMO and name == "camvid":
        return _web_demo(variant)
    if outputs not in (variant.num_classes, VOID_FIRST if name == "sunrgbd" else variant.num_classes):
        raise UsageError(f"{weights} has {outputs} outputs; {name} {variant.name} has {variant.num_classes} classes.")
    return _Classes(spec.name, variant.name, variant.class_names, variant.palette, variant.size)


def _web_demo(camvid: VariantSpec) -> _Classes:
    place, name, colour = ROAD_MARKING
    names = (*camvid.class_names[:place], name, *camvid.class_names[place:])
    palette = (*camvid.palette[:place], colour, *camvid.palette[place:])
    return _Classes("camvid", WEB_DEMO_VARIANT, names, palette, camvid.size)


def _header(
    name: str,
    config: dict[str, object],
    model: nn.Module,
    network: CaffeNetwork,
    classes: _Classes,
    origin: Origin,
) -> WeightsHeader:
    return WeightsHeader(
        model=name,
        num_classes=len(classes.names),
        class_names=list(classes.names),
        palette=list(classes.palette),
        ignore_index=IGNORE_INDEX,
        dataset=classes.dataset,
        dataset_variant=classes.variant,
        dataset_fingerprint="",
        input_size=network.size or classes.size,
        recipe=None,
        seed=0,
        iteration=0,
        config=config,
        preprocess=describe_preprocess(model),
        origin=origin,
    )


def _written(target: Path, model: nn.Module, header: WeightsHeader) -> str:
    """Writes the file; the same import again gives the same bytes, and other weights are left alone."""
    if not target.exists():
        return save_weights(target, model, header)
    beside = target.with_name(f".{target.name}.imported")
    try:
        sha256 = save_weights(beside, model, header)
    finally:
        beside.unlink(missing_ok=True)
    if not target.is_file() or file_sha256(target) != sha256:
        raise CheckpointError(f"{target} is there already and holds something else.", "Name another file with -o.")
    return sha256
