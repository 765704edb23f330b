"""SUN RGB-D as its authors released it: the photographs in SUNRGBD.zip, lists and label maps in SUNRGBDtoolbox.zip."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from segbench.data.download import Remote
from segbench.data.sample import LateSample, SourceArchive, SourceOptions
from segbench.data.spool import seekable
from segbench.data.stored_order import Place, Reader, reading
from segbench.data.sunrgbd import LANDMARKS, NUM_TEST, NUM_TRAIN, SUNRGBD
from segbench.data.sunrgbd_depth import DepthFile, DepthUnit
from segbench.data.sunrgbd_lists import Entry, read_entries, read_split
from segbench.data.sunrgbd_sample import LabelFile, RawSample
from segbench.data.sunrgbd_segmentation import Segmentation, open_segmentation
from segbench.data.trees import NamedTree
from segbench.errors import DataError
from segbench.progress import Progress
from segbench.specs import VariantSpec

__all__ = ["OFFICIAL_REMOTES", "OfficialSource", "is_official", "open_official"]

OFFICIAL_REMOTES = (
    Remote(
        file_name="SUNRGBDtoolbox.zip",
        urls=("http://rgbd.cs.princeton.edu/data/SUNRGBDtoolbox.zip",),
        md5="18d22e1761d36352f37232cba102f91f",
    ),
    # Its authors publish neither size nor checksum.
    Remote(file_name="SUNRGBD.zip", urls=("http://rgbd.cs.princeton.edu/data/SUNRGBD.zip",)),
)

ENTRIES, SPLIT, LABELS = "SUNRGBDMeta.mat", "allsplit.mat", "SUNRGBD2Dseg.mat"
COUNTS = {"train": NUM_TRAIN, "test": NUM_TEST}
# From the sensor's folder on, because archives and folders begin above or below SUNRGBD.
FILE = re.compile(r"(?:^|/)((?:kv1|kv2|realsense|xtion)/.+)/(image|depth_bfx)/([^/.][^/]*)$")
SUFFIXES = {"image": ".jpg", "depth_bfx": ".png"}
HINT = "Give both archives: --from SUNRGBD.zip --from SUNRGBDtoolbox.zip; or add --partial to prepare what is there."


class Files(NamedTuple):
    """The files of one sample."""

    entry: Entry
    image: Place
    depth: Place | None


def is_official(tree: NamedTree) -> bool:
    """Whether the tree holds something of this release."""
    toolbox = {ENTRIES, SPLIT, LABELS}
    return any(name.rpartition("/")[2] in toolbox or FILE.search(name) for name in tree.names())


@contextmanager
def open_official(trees: list[NamedTree], variant: VariantSpec, options: SourceOptions) -> Iterator[OfficialSource]:
    """Opens the release; the label maps wait in a file without a name where they come from an archive.

    Raises:
        DataError: Files are missing, damaged or there twice, or the lists contradict each other.
    """
    entries = _entries(trees)
    with ExitStack() as stack:
        place = _only(trees, LABELS)
        labels = stack.enter_context(open_segmentation(stack.enter_context(seekable(*place)), str(place)))
        _check_lists(entries, labels, options.progress)
        yield OfficialSource(trees, entries, labels, variant, partial=options.partial)


class OfficialSource:
    """The samples of the official release.

    Args:
        trees: Where the files are.
        entries: The images of each split.
        labels: Their label maps.
        variant: Which classes to make, and whether depth belongs to them.
        partial: Take what is there.
    """

    def __init__(
        self,
        trees: list[NamedTree],
        entries: Mapping[str, list[Entry]],
        labels: Segmentation,
        variant: VariantSpec,
        *,
        partial: bool,
    ) -> None:
        self._trees = trees
        self._labels = labels
        self._variant = variant
        found = _Found(trees, {"image", "depth_bfx"} if variant.depth else {"image"})
        complete, missing = _complete(entries, found, depth=variant.depth)
        self.partial = bool(missing) or {split: len(group) for split, group in entries.items()} != COUNTS
        if self.partial and not partial:
            raise _incomplete(trees, entries, missing)
        self._files = complete

    @property
    def counts(self) -> dict[str, int]:
        """Samples by split."""
        return {split: len(files) for split, files in self._files.items()}

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """The folders and archives, each with the digest of what was read from it."""
        return tuple(tree.source_archive() for tree in self._trees)

    def samples(self, split: str) -> Iterator[LateSample]:
        """Yields the split in the order of SUNRGBDMeta.mat.

        Raises:
            DataError: A file is damaged, or a label map is missing.
        """
        files = self._files.get(split, [])
        places = [place for entry in files for place in (entry.image, entry.depth) if place]
        with reading(places) as reader:
            for sample in files:
                yield self._raw(sample, reader).late(self._variant.num_classes)

    def _raw(self, files: Files, reader: Reader) -> RawSample:
        entry, image, depth = files
        label = LabelFile(self._labels.read(entry.number), self._labels.where(entry.number))
        content = reader.read(image)
        map_file = DepthFile(reader.read(depth), DepthUnit.ROTATED_MILLIMETRES, str(depth)) if depth else None
        return RawSample(entry.id, content, str(image), label, map_file)


class _Found:
    """Where photographs and depth maps are, by the folder of their sample."""

    def __init__(self, trees: list[NamedTree], kinds: set[str]) -> None:
        self._places: dict[tuple[str, str], dict[str, Place]] = {}
        for tree in trees:
            for name in tree.names():
                if (match := FILE.search(name)) and match[2] in kinds and name.endswith(SUFFIXES[match[2]]):
                    self._add(match, Place(tree, name))

    def _add(self, match: re.Match[str], place: Place) -> None:
        folder, kind, file_name = match.groups()
        group = self._places.setdefault((folder, kind), {})
        if file_name in group:
            raise DataError(f"{folder}/{kind}/{file_name} is there twice: {group[file_name]} and {place}.", HINT)
        group[file_name] = place

    def find(self, folder: str, kind: str, name: str) -> Place | None:
        """The file of that name, or the only one of its kind."""
        group = self._places.get((folder, kind), {})
        if name in group:
            return group[name]
        return next(iter(group.values())) if len(group) == 1 else None


def _entries(trees: list[NamedTree]) -> dict[str, list[Entry]]:
    """The images of each split by the toolbox's lists."""
    listed, divided = _only(trees, ENTRIES), _only(trees, SPLIT)
    with seekable(*divided) as file:
        splits = read_split(file, str(divided))
    with seekable(*listed) as file:
        entries = read_entries(file, str(listed))
    groups: dict[str, list[Entry]] = {split: [] for split in COUNTS}
    for entry in entries:
        if entry.folder not in splits:
            raise DataError(f"{listed}: image {entry.number}, {entry.folder}, is in no list of {SPLIT}.")
        groups[splits[entry.folder]].append(entry)
    return groups


def _only(trees: list[NamedTree], file_name: str) -> Place:
    """The one file of that name."""
    places = [Place(tree, name) for tree in trees for name in tree.names() if name.rpartition("/")[2] == file_name]
    if not places:
        raise DataError(f"{_given(trees)} lacks {file_name}, which is in SUNRGBDtoolbox.zip.", HINT)
    if len(places) > 1:
        raise DataError(f"{file_name} is there twice: {places[0]} and {places[1]}.", HINT)
    return places[0]


def _complete(
    entries: Mapping[str, list[Entry]], found: _Found, *, depth: bool
) -> tuple[dict[str, list[Files]], list[str]]:
    """The samples all of whose files are there, and the names of those files that are not."""
    complete: dict[str, list[Files]] = {split: [] for split in entries}
    missing = []
    for split, entry in ((split, entry) for split, group in entries.items() for entry in group):
        image = found.find(entry.folder, "image", entry.image)
        map_file = found.find(entry.folder, "depth_bfx", entry.depth) if depth else None
        missing += [] if image else [f"{entry.folder}/image/{entry.image}"]
        missing += [] if map_file or not depth else [f"{entry.folder}/depth_bfx/{entry.depth}"]
        if image and (map_file or not depth):
            complete[split].append(Files(entry, image, map_file))
    return complete, missing


def _check_lists(entries: Mapping[str, list[Entry]], labels: Segmentation, progress: Progress) -> None:
    """Refuses lists of different length and tells what differs from what is known of the release."""
    number = sum(map(len, entries.values()))
    if len(labels) != number:
        raise DataError(f"{ENTRIES} lists {number} images, but {LABELS} has {len(labels)} label maps.")
    names = tuple(re.sub(r"[ -]", "_", name).lower() for name in labels.class_names)
    expected = SUNRGBD.variants["37"].class_names
    if names != expected:
        shown = next((name for name, known in zip(names, expected, strict=False) if name != known), "nothing")
        progress.message(f"{LABELS}: seg37list is not the list of 37 classes that is known (it has {shown}).")
    folders = {entry.number: entry.folder for group in entries.values() for entry in group}
    first_train = min((entry.number for entry in entries["train"]), default=NUM_TEST + 1)
    if first_train <= NUM_TEST or any(folders.get(place) != folder for place, folder in LANDMARKS.items()):
        progress.message(
            f"{ENTRIES} numbers its images otherwise than the repackaged archives: the ids of the two releases differ."
        )


def _incomplete(trees: list[NamedTree], entries: Mapping[str, list[Entry]], missing: list[str]) -> DataError:
    if missing:
        total = sum(map(len, entries.values()))
        return DataError(
            f"{_given(trees)} lacks {len(missing)} files of the {total} samples of SUN RGB-D, "
            f"the first is {missing[0]}.",
            HINT,
        )
    counts = ", ".join(f"{len(group)} {split} images" for split, group in entries.items())
    return DataError(f"The lists of {_given(trees)} have {counts}; SUN RGB-D has 5285 and 5050.", HINT)


def _given(trees: list[NamedTree]) -> str:
    return ", ".join(tree.name for tree in trees)
