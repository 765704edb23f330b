"""What preparing does for one sample, in whichever process: decode, check, measure, encode."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from segbench.data.codec import decode_stored, encode_ids
from segbench.data.fingerprint import sample_digest
from segbench.data.orientation import without_orientation
from segbench.data.sample import AnySample, Sample
from segbench.errors import CorruptImageError, DataError
from segbench.specs import IGNORE_INDEX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Corrupt", "Measure", "Row", "Rules", "measure", "packed", "row_maker"]


SEARCHED_BYTES = 256


@dataclass(frozen=True)
class Rules:
    """What every sample of a variant has to keep.

    Attributes:
        variant: Name of the variant.
        num_classes: C.
        size: Height and width where all samples share them.
        depth: Whether samples carry depth.
    """

    variant: str
    num_classes: int
    size: tuple[int, int] | None
    depth: bool = False


@dataclass(frozen=True)
class Measure:
    """One sample in figures.

    Attributes:
        id: Its id.
        digest: Of its content, 64 hex digits (``segbench.data.fingerprint.sample_digest``).
        size: Height and width.
        pixels: Pixels of each label value that occurs; ``None`` where it has no label.
    """

    id: str
    digest: str
    size: tuple[int, int]
    pixels: dict[int, int] | None

    @property
    def class_ids(self) -> list[int]:
        """The classes that are present, ascending."""
        return [value for value in sorted(self.pixels or {}) if value != IGNORE_INDEX]


@dataclass(frozen=True)
class Row:
    """One sample as it is stored: encoded files and figures.

    Attributes:
        measure: Its figures.
        image: The file as the source has it, less what would turn it (``segbench.data.orientation``); empty on the way
            between processes.
        label: PNG of mode L; ``None`` where it has no label.
        depth: PNG of 16 bits; ``None`` where the variant has none.
        image_place: Where the file lies in the packed sample, which the receiver still has.
    """

    measure: Measure
    image: bytes
    label: bytes | None
    depth: bytes | None
    image_place: tuple[int, int] = (0, 0)

    def unpacked(self, packed_sample: bytes) -> Row:
        """The row with its image."""
        start, end = self.image_place
        return self if self.image else replace(self, image=packed_sample[start:end])


@dataclass(frozen=True)
class Corrupt:
    """A sample that cannot be decoded, and why."""

    reason: str


def packed(sample: AnySample) -> bytes:
    """A sample as bytes that go to another process; the same for the same content read by the same code."""
    return pickle.dumps(sample, protocol=5)


def row_maker(rules: Rules) -> Callable[[bytes], Row | Corrupt]:
    """The function from a packed sample to its row; it can be pickled."""
    return partial(_make_row, rules)


def _make_row(rules: Rules, packed_sample: bytes) -> Row | Corrupt:
    sample: AnySample = pickle.loads(packed_sample)
    try:
        (image, turned), label = decode_stored(sample.image, _file_of(sample)), sample.label
        _check_sizes(rules, sample, image)
        unturned = without_orientation(sample.image, image) if turned else sample.image
        file, place = _placed(unturned, packed_sample)
        made = Row(
            measure(sample.id, image, label),
            file,
            None if label is None else encode_ids(label),
            sample.depth if rules.depth else None,
            place,
        )
    except CorruptImageError as error:
        return Corrupt(str(error))
    _check_values(rules, made.measure)
    return made


def _placed(image: bytes, packed_sample: bytes) -> tuple[bytes, tuple[int, int]]:
    """Nothing and the place of ``image`` where the packed sample holds it as it is, as most do."""
    start = packed_sample.find(image[:SEARCHED_BYTES])
    end = start + len(image)
    # The comparison copies, and is still many times faster than a search for all of the image.
    return (b"", (start, end)) if image and packed_sample[start:end] == image else (image, (0, 0))


def _file_of(sample: AnySample) -> str:
    return (sample.file if isinstance(sample, Sample) else sample.made.file) or sample.id


def measure(sample_id: str, image: NDArray[np.uint8], label: NDArray[np.uint8] | None) -> Measure:
    """Counts and hashes a sample.

    Args:
        sample_id: Its id.
        image: RGB pixels, uint8 [H, W, 3].
        label: Ids, uint8 [H, W]; ``None`` where there are none.
    """
    digest = sample_digest(sample_id, image, label).hex()
    return Measure(sample_id, digest, (image.shape[0], image.shape[1]), None if label is None else _pixels(label))


def _pixels(label: NDArray[np.uint8]) -> dict[int, int]:
    import numpy as np

    # By runs of equal pixels, of which label maps have few.
    flat = label.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size) if flat.size else np.empty(0, np.int64)
    lengths = np.diff(ends, prepend=0)
    counts = np.bincount(flat[ends - 1], weights=lengths)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _check_sizes(rules: Rules, sample: AnySample, image: NDArray[np.uint8]) -> None:
    size = (image.shape[0], image.shape[1])
    if sample.label is not None and sample.label.shape != size:
        raise DataError(f"{sample.id}: the image is {_shown(size)} but its label is {_shown(sample.label.shape)}.")
    if rules.size not in (None, size):
        raise DataError(f"{sample.id} is {_shown(size)}; {rules.variant} has {_shown(rules.size)} only.")
    if rules.depth:
        _check_depth(sample, size)


def _check_depth(sample: AnySample, size: tuple[int, int]) -> None:
    from segbench.data.codec import image_size

    if sample.depth is None:
        raise DataError(f"{sample.id} has no depth, which this variant needs.")
    if (found := image_size(sample.depth, f"the depth of {sample.id}")) != size:
        raise DataError(f"{sample.id}: the image is {_shown(size)} but its depth is {_shown(found)}.")


def _check_values(rules: Rules, found: Measure) -> None:
    wrong = [value for value in found.class_ids if value >= rules.num_classes]
    if wrong:
        raise DataError(
            f"{found.id}: its label holds {wrong[0]}; "
            f"{rules.variant} has 0..{rules.num_classes - 1} and {IGNORE_INDEX} (ignore)."
        )


def _shown(size: tuple[int, ...] | None) -> str:
    return "x".join(map(str, size or ()))
