"""What a dataset and a model are, as data: nothing here loads torch or reads a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from segbench.errors import UsageError

__all__ = ["IGNORE_INDEX", "SPLITS", "DatasetSpec", "ModelSpec", "Submission", "VariantSpec", "folder_name"]

IGNORE_INDEX = 255
SPLITS = ("train", "validation", "test")

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class VariantSpec:
    """One configuration of a dataset, such as ``360x480-11``.

    Attributes:
        name: The Hugging Face config name.
        class_names: The C class names; the id of a class is its position.
        palette: C RGB colours, 0..255.
        counts: Images per split where the source is known, empty where a user decides.
        size: Height and width where every image has the same, else ``None``.
        class_weights: Published class weights by name, each C values.
        official_ids: Import string ``module:function`` of the official list: called with a split, returns its ids in
            order. Empty where there is none.
        known_fingerprint: Fingerprint of the complete content where it was seen, else empty.
        known_labels: Digest of all label maps where those alone were seen (``labels_digest`` of ``data.fingerprint``).
        depth: Its samples carry a depth map each, as a column of its own.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    size: tuple[int, int] | None = None
    class_weights: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    official_ids: str = ""
    known_fingerprint: str = ""
    known_labels: str = ""
    depth: bool = False

    @property
    def num_classes(self) -> int:
        """C, without the ignored label."""
        return len(self.class_names)


@dataclass(frozen=True)
class Submission:
    """How an evaluation server wants the label maps of a split whose labels it keeps.

    Attributes:
        folder: Where they lie in the archive that is handed in, with ``/`` between the parts; one ``<id>.png`` each.
        palette: 256 RGB colours of the PNG files, which have mode P; the indices are class ids.
    """

    folder: str
    palette: tuple[Colour, ...]


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset that can be prepared.

    Attributes:
        name: Kebab-case name of the command line.
        title: Name for people.
        summary: One line.
        variants: Configurations by name.
        default_variant: The one that is meant when none is named.
        source: Import string ``module:function`` of the sample source (see ``segbench.data.preparation``).
        licence: What is known of the terms of the images.
        citation: Whom to cite.
        homepage: Where it comes from.
        embedded: Made on the spot, nothing to download.
        submissions: For each split whose labels only an evaluation server has: how it wants predictions.
        licence_id: The licence as the Hub names it, such as ``apache-2.0``; empty where there is none of that list.
        redistributable: Whether anybody may pass the images on to everybody; not unless it is stated.
    """

    name: str
    title: str
    summary: str
    variants: Mapping[str, VariantSpec]
    default_variant: str
    source: str
    licence: str
    citation: str
    homepage: str
    embedded: bool = False
    submissions: Mapping[str, Submission] = field(default_factory=lambda: MappingProxyType({}))
    licence_id: str = ""
    redistributable: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """A network that can be created.

    Attributes:
        name: Kebab-case name of the command line.
        paper_name: Name on boards, as the paper prints it.
        factory: Import string ``module:function``; called with ``num_classes``.
        summary: One line.
        source: Paper section or file the definition follows.
        paper_parameters: Parameters the paper prints (a count, not millions), or ``None``.
        convolution_weights: Convolution weights of the definition at ``reference_classes`` classes.
        parameters: All trainable parameters at ``reference_classes`` classes.
        reference_classes: Number of classes the counts belong to.
        min_size: Smallest height and width that is accepted.
        kind: Where a network from outside comes from (``file``, ``package``, ``hf``, ``smp``, ``onnx``); empty for a
            registered one.
        arguments: Of the factory beside ``num_classes``, such as where a file is; never recorded.
        identity: What pins a network from outside, such as the sha256 of its code; part of its cells' ids.
    """

    name: str
    paper_name: str
    factory: str
    summary: str
    source: str
    paper_parameters: int | None = None
    convolution_weights: int | None = None
    parameters: int | None = None
    reference_classes: int = 11
    min_size: int = 32
    kind: str = ""
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    identity: str = ""

    @property
    def start(self) -> str:
        """What its weights are before training: random, those of its repository, or whatever its own code makes."""
        if self.kind == "hf":
            return f"{self.name} {self.identity}"
        return "as its code makes them" if self.kind in ("file", "package") else "random"

    def require_trainable(self) -> ModelSpec:
        """Itself.

        Raises:
            UsageError: It cannot be trained.
        """
        if self.kind == "onnx":
            raise UsageError(
                f"{self.name} is an ONNX file, which cannot be trained.",
                f"Score it as it is: segbench evaluate {self.name} --dataset D",
            )
        return self


def folder_name(model: str) -> str:
    """The name of a model's folder: the letters, digits, dots and hyphens of ``./my.py:net`` or ``hf:ORG/NAME``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")
