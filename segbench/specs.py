"""What a dataset and a model are, as data: nothing here loads torch or reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["IGNORE_INDEX", "SPLITS", "DatasetSpec", "ModelSpec", "VariantSpec"]

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
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    size: tuple[int, int] | None = None
    class_weights: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def num_classes(self) -> int:
        """C, without the ignored label."""
        return len(self.class_names)


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
