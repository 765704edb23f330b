"""What a command line names for export: trained weights, or a network as its factory makes it."""

from __future__ import annotations

import torch

from segbench.engine.checkpoint import build_model, load_weights, weights_path
from segbench.engine.export import Exporting
from segbench.engine.untrained import find_untrained, own_network
from segbench.errors import UsageError
from segbench.models import MODELS, create_model, find_model
from segbench.models.outside import installed_models
from segbench.record import WeightsHeader
from segbench.registry import DATASETS
from segbench.specs import ModelSpec

__all__ = ["find_exportable"]

USUAL_SIZE = (360, 480)


def find_exportable(
    source: str,
    size: tuple[int, int] | None = None,
    num_classes: int = 11,
    model: str | None = None,
    seed: int = 0,
) -> Exporting:
    """The network that ``source`` names.

    Args:
        source: Weights, as ``weights_path`` takes them; or a model, registered or from outside.
        size: Height and width of the input; that of the training where nothing is given, else 360x480.
        num_classes: Of a network without weights.
        model: The network from a file whose weights they are.
        seed: Of a network with random weights.

    Raises:
        UsageError: There is no such network, or it is an ONNX file already.
        CheckpointError: There are no such weights, or they are damaged.
    """
    spec = _model(source)
    if spec is None:
        return _of_weights(source, size, model)
    if spec.kind == "onnx":
        raise UsageError(f"{spec.name} is an ONNX file already.")
    torch.manual_seed(seed)
    network = own_network(spec, num_classes) if spec.kind == "hf" else create_model(spec, num_classes)
    classes = list(getattr(network, "class_names", []))
    described = {"classes": classes, "source": {"weights": spec.start, "seed": seed, "identity": spec.identity}}
    return Exporting(spec.name, network, size or USUAL_SIZE, described)


def _model(source: str) -> ModelSpec | None:
    if source in MODELS or source.startswith("smp:") or source in {spec.name for spec in installed_models()}:
        return find_model(source)
    return find_untrained(source)


def _of_weights(source: str, size: tuple[int, int] | None, model: str | None) -> Exporting:
    path = weights_path(source)
    tensors, header, sha256 = load_weights(path)
    network = build_model(tensors, header, path, find_model(model) if model else None)
    described = {
        "classes": header.class_names,
        "palette": header.palette,
        "ignore_index": header.ignore_index,
        "source": {
            "weights": sha256,
            "dataset": header.dataset,
            "dataset_variant": header.dataset_variant,
            "dataset_fingerprint": header.dataset_fingerprint,
            "recipe": header.label,
            "seed": header.seed,
            "identity": header.model_identity,
        },
    }
    return Exporting(header.model, network, size or header.input_size or _prepared_size(header), described)


def _prepared_size(header: WeightsHeader) -> tuple[int, int]:
    import segbench.data  # noqa: F401  registers the datasets

    if header.dataset not in DATASETS:
        return USUAL_SIZE
    variant = DATASETS[header.dataset].variants.get(header.dataset_variant)
    return (variant.size if variant else None) or USUAL_SIZE
