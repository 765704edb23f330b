"""Semantic segmentation networks of transformers as ours: what its image processor does becomes part of the module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from segbench.errors import UsageError
from segbench.models.outside.adapter import Adapted
from segbench.models.outside.library import library
from segbench.models.outside.normalisation import IMAGENET_DEVIATION, IMAGENET_MEAN, Normalisation
from segbench.models.outside.trying import tried

__all__ = ["create", "load", "normalisation"]

# Keys of an image processor that decide what the network sees; its resizing is the recipe's business.
DECISIVE = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std", "do_flip_channel_order")


def load(folder: Path, num_classes: int | None, where: str) -> Adapted:
    """The pretrained network of a folder, with its last layer made anew where the number of classes differs.

    Args:
        num_classes: K, or ``None`` for the network's own classes.
        where: What messages call it.

    Raises:
        UsageError: The files are no semantic segmentation model in safetensors, or transformers does not know it.
    """
    config, processor = _config(_json(folder / "config.json", where), where), {}
    if (folder / "preprocessor_config.json").exists():
        processor = _json(folder / "preprocessor_config.json", where)
    if not list(folder.glob("model*.safetensors")):
        raise UsageError(f"{where} has no weights in safetensors, the only format that is read.")
    head = {} if num_classes is None else {"num_labels": num_classes}
    network = tried(
        lambda: _library(where).AutoModelForSemanticSegmentation.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=num_classes is not None,
            dtype="float32",
            **head,
        ),
        where,
    )
    names = [str(config.id2label[number]) for number in sorted(config.id2label)] if num_classes is None else []
    return _adapted(network, num_classes or len(names), processor, where, names)


def create(num_classes: int, network: Mapping[str, Any], processor: Mapping[str, Any]) -> Adapted:
    """The network of a configuration with random weights: nothing is fetched.

    Raises:
        UsageError: transformers is not installed, or does not know the network.
    """
    where = f"hf: {network.get('model_type')}"
    config = _config({**network, "num_labels": num_classes}, where)
    automatic = _library(where).AutoModelForSemanticSegmentation
    return _adapted(
        tried(lambda: automatic.from_config(config, trust_remote_code=False), where), num_classes, processor, where, []
    )


def _adapted(
    network: nn.Module, num_classes: int, processor: Mapping[str, Any], where: str, names: list[str]
) -> Adapted:
    kept = {key: processor[key] for key in DECISIVE if key in processor}
    config = {"network": _plain(network.config), "processor": kept}
    made = Adapted(network, num_classes, where, normalisation(kept), any_size=True, config=config)
    made.class_names = names  # type: ignore[assignment]
    return made


def normalisation(processor: Mapping[str, Any]) -> Normalisation:
    """What an image processor does to the values; that of most networks where nothing is said."""
    scale = float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 1.0
    mean, deviation = processor.get("image_mean", IMAGENET_MEAN), processor.get("image_std", IMAGENET_DEVIATION)
    if not processor.get("do_normalize", True):
        mean, deviation = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return Normalisation(mean, deviation, scale, "BGR" if processor.get("do_flip_channel_order") else "RGB")


def _plain(config: Any) -> dict[str, Any]:
    """A configuration as JSON values, without class names, which are the dataset's, and without code to run."""
    values: dict[str, Any] = json.loads(config.to_json_string())
    dropped = ("id2label", "label2id", "auto_map", "_name_or_path", "transformers_version", "architectures")
    return {key: value for key, value in values.items() if key not in dropped}


def _config(values: dict[str, Any], where: str) -> Any:
    from_values = dict(values)
    kind = from_values.pop("model_type", None)
    transformers = _library(where)
    if kind not in transformers.CONFIG_MAPPING or "auto_map" in values:
        known = "code of its own, which is never run" if "auto_map" in values else f"type '{kind}'"
        raise UsageError(f"{where} is a model with {known}; transformers {transformers.__version__} must know it.")
    if transformers.CONFIG_MAPPING[kind] not in transformers.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING:
        raise UsageError(
            f"{where} is a {kind} model; transformers has no semantic segmentation by it.",
            "Known: segformer, upernet, dpt, beit, data2vec-vision, mobilenet_v2, mobilevit, mobilevitv2.",
        )
    return tried(lambda: transformers.AutoConfig.for_model(kind, **from_values), where)


def _library(where: str) -> Any:
    transformers = library("transformers", "transformers", where)
    # It reports on every weight that is made anew, which is what was asked for.
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{where}: {path.name} cannot be read.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{where}: {path.name} is no JSON object.")
    return values
