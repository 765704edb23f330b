"""What a prepared dataset holds, in figures: ``manifest.json`` lies beside it and travels with every raw cache."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segbench.atomic import write_json
from segbench.errors import DataError, UnknownNameError, UsageError
from segbench.registry import closest
from segbench.specs import IGNORE_INDEX, Colour

__all__ = ["MANIFEST_FILE", "ClassCount", "Manifest", "SkippedSample", "SourceArchive", "SplitSummary"]

MANIFEST_FILE = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class SourceArchive:
    """Where samples came from.

    Attributes:
        name: File or folder name, never a path of the machine.
        origin: The address it is published at, or ``local`` where the user gave it.
        sha256: Of the archive's bytes, where it is one file.
        digest: Of what was read from it, where the archive's bytes may differ for the same content.
    """

    name: str
    origin: str = "local"
    sha256: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class ClassCount:
    """How often one class (or void) occurs in a split.

    Attributes:
        pixels: Pixels that bear it.
        images: Images with at least one such pixel.
        image_pixels: All pixels, void ones too, of those images.
    """

    pixels: int
    images: int
    image_pixels: int


@dataclass(frozen=True)
class SplitSummary:
    """One split in figures.

    Attributes:
        num_images: Number of images.
        num_pixels: Number of pixels, void ones too.
        classes: C counts, by class id.
        void: The count of the ignored label.
        fingerprint: sha256 over ids, image pixels and label pixels in order.
    """

    num_images: int
    num_pixels: int
    classes: tuple[ClassCount, ...]
    void: ClassCount
    fingerprint: str

    @property
    def labelled(self) -> bool:
        """Whether its labels are there; without them (a test split kept by a server) no pixel is counted."""
        return self.num_pixels > 0 or self.num_images == 0

    @property
    def pixels(self) -> tuple[int, ...]:
        """Pixels of each class."""
        return tuple(count.pixels for count in self.classes)

    @property
    def images_with_class(self) -> tuple[int, ...]:
        """Images containing each class."""
        return tuple(count.images for count in self.classes)

    @property
    def void_pixels(self) -> int:
        """Pixels that no class is known of."""
        return self.void.pixels


@dataclass(frozen=True)
class SkippedSample:
    """A sample that was left out because it cannot be decoded.

    Attributes:
        id: Its id.
        split: Where it belongs.
        reason: What is wrong with it; names the file.
    """

    id: str
    split: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """The figures, names and provenance of one prepared variant.

    Attributes:
        dataset: Registered name of the dataset.
        variant: Name of its configuration.
        class_names: C names; the id of a class is its position.
        palette: C RGB colours, 0..255.
        splits: Summary of each split, in the order train, validation, test.
        sources: The archives and folders read.
        fingerprint: sha256 over the fingerprints of the splits: own content hash, the same on every machine.
        licence: What is known of the terms of the images.
        citation: Whom to cite.
        homepage: Where the dataset comes from.
        size: Height and width where all images share them, else ``None``.
        partial: Not the complete official dataset; boards refuse it.
        skipped: Samples that were left out with ``--skip-corrupt``; where there are any, ``partial`` is true.
    """

    dataset: str
    variant: str
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    splits: Mapping[str, SplitSummary]
    sources: tuple[SourceArchive, ...]
    fingerprint: str
    licence: str
    citation: str
    homepage: str
    size: tuple[int, int] | None = None
    partial: bool = False
    skipped: tuple[SkippedSample, ...] = ()

    @property
    def num_classes(self) -> int:
        """C, without the ignored label."""
        return len(self.class_names)

    @property
    def ignore_index(self) -> int:
        """The label of pixels that no class is known of: 255 in everything prepared."""
        return IGNORE_INDEX

    @property
    def counts(self) -> dict[str, int]:
        """Images per split."""
        return {name: split.num_images for name, split in self.splits.items()}

    def median_frequency_weights(self, split: str = "train") -> tuple[float, ...]:
        """Class weights by the rule behind the SegNet release.

        ``freq(c)`` is the pixels of c over all pixels, void ones too, of the images that contain c; the weight is
        the median frequency over freq(c), the median taken over the C classes and void. (Eigen and Fergus 2014,
        section 6.3.2, as SegNet section 3.2 applies it; that void takes part was recovered from the released weights.)

        Returns:
            C positive weights; 0 for a class that ``split`` does not contain.

        Raises:
            DataError: The split does not exist.
        """
        if split not in self.splits:
            raise DataError(f"{self.dataset} {self.variant} has no split '{split}', only {', '.join(self.splits)}.")
        summary = self.splits[split]
        frequencies = [_frequency(count) for count in summary.classes]
        present = [value for value in (*frequencies, _frequency(summary.void)) if value > 0]
        median = statistics.median(present) if present else 0.0
        return tuple(median / value if value > 0 else 0.0 for value in frequencies)

    def require_labels(self, split: str) -> None:
        """Refuses to score a split that does not exist, or whose labels are not published.

        Raises:
            UnknownNameError: There is no such split.
            UsageError: The split has no labels.
        """
        if split not in self.splits:
            raise UnknownNameError(
                f"{self.dataset} {self.variant} has no split '{split}'. {closest(split, list(self.splits))}"
            )
        if not self.splits[split].labelled:
            raise UsageError(
                f"{self.dataset} {self.variant} {split} has no labels: only its evaluation server has them.",
                f"To hand in: segbench predict --dataset {self.dataset} --split {split} --weights WEIGHTS -o FOLDER",
            )

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values; classes are keyed by name for the reader's sake."""
        values = asdict(self)
        values["splits"] = {name: self._split_to_json(split) for name, split in self.splits.items()}
        return {"schema": SCHEMA, "ignore_index": IGNORE_INDEX, **values}

    def _split_to_json(self, split: SplitSummary) -> dict[str, Any]:
        classes = {name: asdict(count) for name, count in zip(self.class_names, split.classes, strict=True)}
        return {**asdict(split), "classes": classes}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str = MANIFEST_FILE) -> Manifest:
        """The manifest behind the values of ``to_json``.

        Raises:
            DataError: The schema is another one, or a key is missing or wrong.
        """
        if values.get("schema") != SCHEMA:
            raise DataError(f"{where} has schema {values.get('schema')!r}; this segbench reads {SCHEMA}.")
        try:
            return _parse(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where} is not a manifest: {type(error).__name__} {error}.") from error

    def write(self, folder: Path) -> None:
        """Writes ``manifest.json`` into ``folder`` atomically."""
        write_json(folder / MANIFEST_FILE, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Reads ``manifest.json`` from ``folder``.

        Raises:
            DataError: The file is missing or damaged.
        """
        path = folder / MANIFEST_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}.") from error
        if not isinstance(values, dict):
            raise DataError(f"{path} is not a manifest: it holds a {type(values).__name__}.")
        return cls.from_json(values, str(path))


def _frequency(count: ClassCount) -> float:
    return count.pixels / count.image_pixels if count.image_pixels else 0.0


def _parse(values: Mapping[str, Any]) -> Manifest:
    names = tuple(str(name) for name in values["class_names"])
    return Manifest(
        dataset=str(values["dataset"]),
        variant=str(values["variant"]),
        class_names=names,
        palette=tuple(_colour(colour) for colour in values["palette"]),
        splits={name: _parse_split(split, names) for name, split in values["splits"].items()},
        sources=tuple(SourceArchive(**source) for source in values["sources"]),
        fingerprint=str(values["fingerprint"]),
        licence=str(values["licence"]),
        citation=str(values["citation"]),
        homepage=str(values["homepage"]),
        size=_size(values["size"]),
        partial=bool(values["partial"]),
        # Manifests from before it was kept have none.
        skipped=tuple(SkippedSample(**sample) for sample in values.get("skipped", ())),
    )


def _parse_split(values: Mapping[str, Any], names: tuple[str, ...]) -> SplitSummary:
    return SplitSummary(
        num_images=int(values["num_images"]),
        num_pixels=int(values["num_pixels"]),
        classes=tuple(ClassCount(**values["classes"][name]) for name in names),
        void=ClassCount(**values["void"]),
        fingerprint=str(values["fingerprint"]),
    )


def _colour(values: Any) -> Colour:
    red, green, blue = values
    return int(red), int(green), int(blue)


def _size(values: Any) -> tuple[int, int] | None:
    if values is None:
        return None
    height, width = values
    return int(height), int(width)
