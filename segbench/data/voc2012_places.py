"""Which file of which archive or folder is the photograph, and which the label map, of an image of VOC2012."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from segbench.data.stored_order import Place
from segbench.data.trees import NamedTree
from segbench.data.voc2012 import extra_ids, listed
from segbench.errors import DataError

__all__ = ["Pair", "Places", "the_content"]

# Files are known by the folder they lie in, because archives nest these folders differently. SegmentationObject and
# inst, which hold instances under the same file names, are not among them.
SUFFIXES = {
    **{"JPEGImages": ".jpg", "SegmentationClass": ".png"},  # VOC's own
    "SegmentationClassAug": ".png",  # the redistributed label maps: VOC's own, and SBD's beyond them
    **{"img": ".jpg", "cls": ".mat"},  # SBD
}
IMAGE_FOLDERS = ("JPEGImages", "img")


class Pair(NamedTuple):
    """The files of a sample.

    Attributes:
        id: Of the image.
        image: Where its photograph is; all places hold the same one. Empty where it is missing.
        label: The same of its label map.
    """

    id: str
    image: tuple[Place, ...]
    label: tuple[Place, ...]


class Places:
    """The listed files of all trees.

    Args:
        trees: What was given or downloaded.
    """

    def __init__(self, trees: Iterable[NamedTree]) -> None:
        self._found: dict[tuple[str, str], list[Place]] = {}
        known = {sample_id for split in ("train", "validation", "test") for sample_id in listed("trainaug", split)}
        for tree in trees:
            for name in tree.names():
                folder, stem = _folder_and_stem(tree, name)
                if stem in known:
                    self._found.setdefault((folder, stem), []).append(Place(tree, name))

    def pair(self, sample_id: str, split: str) -> Pair:
        """Where photograph and label map of an image are; of several folders the first that has it counts."""
        folders = () if split == "test" else _label_folders(sample_id)
        return Pair(sample_id, self._first(sample_id, IMAGE_FOLDERS), self._first(sample_id, folders))

    def _first(self, sample_id: str, folders: Iterable[str]) -> tuple[Place, ...]:
        return next((tuple(found) for folder in folders if (found := self._found.get((folder, sample_id)))), ())


def _label_folders(sample_id: str) -> tuple[str, ...]:
    """Where the label map of an image may lie, best first.

    SBD drew its own outlines of many images that VOC has labels of; those are never taken, so that ``train`` and
    ``validation`` are VOC's.
    """
    return (
        ("SegmentationClassAug", "cls") if sample_id in extra_ids() else ("SegmentationClass", "SegmentationClassAug")
    )


def the_content(places: Iterable[Place], read: Callable[[Place], bytes]) -> bytes:
    """The content of a file that may lie in several places.

    Raises:
        DataError: They differ.
    """
    (content, first), *others = [(read(place), place) for place in places]
    for other, place in others:
        if other != content:
            raise DataError(f"{first} and {place} differ; give one of them only.")
    return content


def _folder_and_stem(tree: NamedTree, name: str) -> tuple[str, str]:
    """The folder that says what a file is, or an empty string, and the file's name without its ending."""
    parent, _, file_name = name.rpartition("/")
    # A folder or archive of the files alone is known by its own name.
    folder = parent.rpartition("/")[2] if parent else tree.name.partition(".")[0]
    stem, dot, ending = file_name.rpartition(".")
    return (folder, stem) if SUFFIXES.get(folder) == (dot + ending).lower() else ("", "")
