"""SUN RGB-D as ankurhanda/sunrgbd-meta-data repackages it: photographs and label maps by number, no MATLAB file.

Photograph i of SUNRGBD-test_images belongs to label map i, photograph i of SUNRGBD-train_images to label map 5050 + i.
The number of its label map is the id of a sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from segbench.data.download import Remote
from segbench.data.sample import LateSample, SourceArchive
from segbench.data.stored_order import Place, Reader, reading
from segbench.data.sunrgbd import NUM_TEST, NUM_TRAIN
from segbench.data.sunrgbd_depth import DepthFile, DepthUnit
from segbench.data.sunrgbd_sample import LabelFile, RawSample
from segbench.data.trees import NamedTree
from segbench.errors import DataError
from segbench.specs import VariantSpec

__all__ = ["REPACKAGED_DEPTH_REMOTES", "REPACKAGED_REMOTES", "RepackagedSource", "is_repackaged"]

HOST = "http://www.doc.ic.ac.uk/~ahanda"
LABELS_FILE = "sunrgbd_train_test_labels.tar.gz"


def _remote(file_name: str) -> Remote:
    """Neither sizes nor checksums are published."""
    return Remote(file_name=file_name, urls=(f"{HOST}/{file_name}",))


REPACKAGED_REMOTES = (
    _remote("SUNRGBD-train_images.tgz"),
    _remote("SUNRGBD-test_images.tgz"),
    Remote(LABELS_FILE, (f"https://github.com/ankurhanda/sunrgbd-meta-data/raw/master/{LABELS_FILE}",)),
)
REPACKAGED_DEPTH_REMOTES = (_remote("sunrgb_train_depth.tgz"), _remote("sunrgb_test_depth.tgz"))

OFFSETS = {"train": NUM_TEST, "test": 0}
COUNTS = {"train": NUM_TRAIN, "test": NUM_TEST}
FILE = re.compile(r"(?:img-)?(\d{1,6})\.(jpg|png)")
HINT = (
    "Give --from SUNRGBD-train_images.tgz --from SUNRGBD-test_images.tgz --from sunrgbd_train_test_labels.tar.gz "
    "(for depth also sunrgb_train_depth.tgz and sunrgb_test_depth.tgz); or add --partial to prepare what is there."
)


class Key(NamedTuple):
    """What a file is.

    Attributes:
        kind: ``image``, ``label`` or ``depth``.
        number: The id of the sample it belongs to.
    """

    kind: str
    number: int


def is_repackaged(tree: NamedTree) -> bool:
    """Whether the tree holds something of this release."""
    return any(FILE.fullmatch(name.rpartition("/")[2]) for name in tree.names())


class RepackagedSource:
    """The samples of the repackaged release.

    Args:
        trees: Where the files are: archives with their names, or folders named like them.
        variant: Which classes to make, and whether depth belongs to them.
        partial: Take what is there.

    Raises:
        DataError: Files are missing or there twice, or a photograph does not tell its split.
    """

    def __init__(self, trees: list[NamedTree], variant: VariantSpec, *, partial: bool) -> None:
        self._trees = trees
        self._variant = variant
        self._kinds = ("image", "label", "depth") if variant.depth else ("image", "label")
        self._places = _places(trees, self._kinds)
        missing = [key for split in COUNTS for key in self._wanted(split) if key not in self._places]
        if missing and not partial:
            raise _incomplete(trees, missing, len(self._kinds))
        self.partial = bool(missing)
        self._numbers = {split: self._present(split) for split in COUNTS}

    @property
    def counts(self) -> dict[str, int]:
        """Samples by split."""
        return {split: len(numbers) for split, numbers in self._numbers.items()}

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """The folders and archives, each with the digest of what was read from it."""
        return tuple(tree.source_archive() for tree in self._trees)

    def samples(self, split: str) -> Iterator[LateSample]:
        """Yields the split in the order of its numbers.

        Raises:
            DataError: A file is damaged.
        """
        numbers = self._numbers.get(split, [])
        keys = [Key(kind, number) for number in numbers for kind in self._kinds]
        with reading(self._places[key] for key in keys) as reader:
            for number in numbers:
                yield self._raw(number, reader).late(self._variant.num_classes)

    def _wanted(self, split: str) -> Iterator[Key]:
        for kind in self._kinds:
            for number in _numbers(split):
                yield Key(kind, number)

    def _present(self, split: str) -> list[int]:
        return [n for n in _numbers(split) if all(Key(kind, n) in self._places for kind in self._kinds)]

    def _raw(self, number: int, reader: Reader) -> RawSample:
        places = {kind: self._places[Key(kind, number)] for kind in self._kinds}
        contents = {kind: reader.read(place) for kind, place in places.items()}
        label = LabelFile(contents["label"], str(places["label"]))
        depth = None
        if "depth" in contents:
            depth = DepthFile(contents["depth"], DepthUnit.TENTHS, str(places["depth"]))
        return RawSample(f"{number:06d}", contents["image"], str(places["image"]), label, depth)


def _numbers(split: str) -> range:
    return range(OFFSETS[split] + 1, OFFSETS[split] + COUNTS[split] + 1)


def _places(trees: list[NamedTree], kinds: tuple[str, ...]) -> dict[Key, Place]:
    """Where each file is."""
    found: dict[Key, Place] = {}
    for tree in trees:
        for name in tree.names():
            place = Place(tree, name)
            key = _key(place)
            if key is None or key.kind not in kinds:
                continue
            if key in found:
                raise DataError(f"The {key.kind} of sample {key.number:06d} is there twice: {found[key]} and {place}.")
            found[key] = place
    return found


def _key(place: Place) -> Key | None:
    """What a file is by its name and, since both splits count from 1, by the folder or archive it is in."""
    folder, _, file_name = f"{place.tree.name}/{place.name}".rpartition("/")
    match = FILE.fullmatch(file_name)
    if match is None:
        return None
    kind = "image" if match[2] == "jpg" else "depth" if "depth" in folder else "label"
    split = None if kind == "label" else _split_of(folder)
    number, last = int(match[1]), sum(COUNTS.values()) if split is None else COUNTS[split]
    if kind != "label" and split is None:
        raise DataError(
            f"{place}: train or test? Folder or archive has to be named so, as SUNRGBD-train_images and "
            "SUNRGBD-test_images are."
        )
    if not 1 <= number <= last:
        raise DataError(f"{place}: number {number} is outside of 1..{last}.")
    return Key(kind, number + (OFFSETS[split] if split else 0))


def _split_of(folder: str) -> str | None:
    """The split that the innermost part names which names one."""
    for part in reversed(folder.lower().split("/")):
        named = [split for split in COUNTS if split in part]
        if len(named) == 1:
            return named[0]
    return None


def _incomplete(trees: list[NamedTree], missing: list[Key], num_kinds: int) -> DataError:
    given = ", ".join(tree.name for tree in trees)
    total = num_kinds * sum(COUNTS.values())
    counts = ", ".join(f"{count} {kind}s" for kind, count in _by_kind(missing).items() if count)
    first = missing[0]
    return DataError(
        f"{given} lacks {len(missing)} of the {total} files of SUN RGB-D ({counts}), "
        f"the first is the {first.kind} of sample {first.number:06d}.",
        HINT,
    )


def _by_kind(keys: list[Key]) -> Mapping[str, int]:
    return {kind: sum(key.kind == kind for key in keys) for kind in ("image", "label", "depth")}
