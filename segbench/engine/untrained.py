"""Networks from outside scored as they are, without a training of ours: their own weights and their own classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from segbench.errors import UsageError
from segbench.manifest import Manifest
from segbench.models import create_model, find_model
from segbench.models.blocks import describe_preprocess
from segbench.models.outside import is_file_address
from segbench.models.outside.class_map import ClassMapped, load_class_map, match_classes
from segbench.models.outside.hugging_face import is_transformers_model
from segbench.registry import import_object
from segbench.specs import ModelSpec

__all__ = ["Untrained", "find_untrained", "load_untrained", "own_network"]


@dataclass(frozen=True)
class Untrained:
    """A network that was trained elsewhere, with the classes of a dataset.

    Attributes:
        name: Its public name.
        model: In evaluation mode; logits of the dataset's classes.
        input_size: Height and width that it takes where it takes no other.
        notes: What is done to its input and its classes, in sentences.
    """

    name: str
    model: nn.Module
    input_size: tuple[int, int] | None
    notes: list[str]


def find_untrained(source: str) -> ModelSpec | None:
    """The network that ``source`` names, or ``None`` where it names weights of segbench.

    Raises:
        UsageError: There is no such file or repository.
    """
    if source.startswith("onnx:") or is_file_address(source):
        return find_model(source)
    if not source.startswith("hf:"):
        return None
    spec = find_model(source)
    return spec if is_transformers_model(spec) else None


def load_untrained(spec: ModelSpec, manifest: Manifest, class_map: Path | None) -> Untrained:
    """The network with the classes of a prepared dataset.

    Args:
        spec: What :func:`find_untrained` found.
        class_map: File that says which of its classes are which of the dataset's.

    Raises:
        UsageError: Nothing says which classes are which, or the map does not fit.
    """
    model = own_network(spec, manifest.num_classes)
    own = list(getattr(model, "class_names", []))
    count = int(getattr(model, "num_classes", manifest.num_classes))
    chosen = load_class_map(class_map) if class_map else None
    groups = match_classes(own, count, manifest.class_names, chosen)
    if groups is None:
        raise _other_classes(spec.name, own, count, manifest)
    mapped = ClassMapped(model, groups).eval()
    return Untrained(spec.name, mapped, getattr(model, "input_size", None), list(_notes(spec, model, groups, manifest)))


def own_network(spec: ModelSpec, num_classes: int) -> nn.Module:
    """A network from outside with the classes that it brings; one from a file is asked for ``num_classes``."""
    if spec.kind == "file":
        return create_model(spec, num_classes)
    model: nn.Module = import_object(spec.factory)(None, **spec.arguments)
    return model


def _other_classes(name: str, own: list[str], count: int, manifest: Manifest) -> UsageError:
    shown = f" ({', '.join(own[:3])}, ...)" if own else ""
    return UsageError(
        f"{name} tells {count} classes apart{shown} that are not the {manifest.num_classes} of {manifest.dataset} "
        f"{manifest.variant}.",
        f"Say which is which with --class-map FILE.toml, or train it: segbench run {name} --dataset {manifest.dataset}",
    )


def _notes(spec: ModelSpec, model: nn.Module, groups: Sequence[Sequence[int]], manifest: Manifest) -> Iterator[str]:
    described = ", ".join(f"{key} {value}" for key, value in describe_preprocess(model).items())
    yield f"{spec.name} ({spec.identity}): input {described}."
    empty = [name for name, group in zip(manifest.class_names, groups, strict=True) if not group]
    if empty:
        yield f"Never predicted, because no class of the network stands for them: {', '.join(empty)}."
