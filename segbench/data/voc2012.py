"""PASCAL VOC 2012 segmentation: its facts and official lists; the samples are in ``voc2012_source``.

``train`` is the challenge's own training list, ``trainaug`` adds what the Semantic Boundaries Dataset (SBD) labels
beyond it. Both are validated on the challenge's 1,449 images, whose labels are VOC's own. The lists ship with segbench:
those inside archives are never read, because SBD's ``val.txt`` and many redistributed ones mean other images.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from segbench.registry import DATASETS
from segbench.specs import Colour, DatasetSpec, Submission, VariantSpec

__all__ = ["COLOUR_MAP", "VOC2012", "extra_ids", "listed", "train_ids", "trainaug_ids"]

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def _colour(label: int) -> Colour:
    """The colour of an id by VOClabelcolormap.m.

    Of each octal digit bit 0 goes to red, bit 1 to green and bit 2 to blue; the lowest digit to the highest bit there.
    """
    red, green, blue = (
        sum((label >> 3 * digit + channel & 1) << 7 - digit for digit in range(3)) for channel in range(3)
    )
    return red, green, blue


COLOUR_MAP: tuple[Colour, ...] = tuple(_colour(label) for label in range(256))
"""The palette of VOC's PNG files, all 256 entries; 255 is the pale border between objects."""


def _variant(name: str, num_train: int, official_ids: str, known_labels: str) -> VariantSpec:
    return VariantSpec(
        name=name,
        class_names=CLASSES,
        palette=COLOUR_MAP[: len(CLASSES)],
        # The test split, 1,456 photographs without labels, is there for those only who may fetch VOC2012test.tar.
        counts=MappingProxyType({"train": num_train, "validation": 1449}),
        official_ids=official_ids,
        known_labels=known_labels,
    )


# The digests are of the label maps in SegmentationClassAug.zip, which hold VOC's own.
VARIANTS = (
    _variant(
        name="train",
        num_train=1464,
        official_ids="segbench.data.voc2012:train_ids",
        known_labels="4eaef3dca3235bb81cf8b0c0dd8fd693ca81a020ed6040f041973fd27fbd5514",
    ),
    _variant(
        name="trainaug",
        num_train=10_582,
        official_ids="segbench.data.voc2012:trainaug_ids",
        known_labels="c88b26cf7302e72c1da1eefd17c1616673c21b1d1386b4030b4711c4a9471677",
    ),
)

VOC2012 = DATASETS.add(
    DatasetSpec(
        name="voc2012",
        title="PASCAL VOC 2012",
        summary="Photographs with 20 kinds of objects: 1,464 for training, or 10,582 with SBD's; 1,449 for validation.",
        variants=MappingProxyType({variant.name: variant for variant in VARIANTS}),
        default_variant="trainaug",
        source="segbench.data.voc2012_source:source",
        licence=(
            "The photographs come from Flickr: their use must respect Flickr's terms of use, and the copyright stays "
            "with the photographers. Do not redistribute."
        ),
        citation=(
            "Everingham, Eslami, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object Classes Challenge: A "
            "Retrospective, IJCV 111(1), 2015. The labels that trainaug adds: Hariharan, Arbelaez, Bourdev, Maji, "
            "Malik: Semantic Contours from Inverse Detectors, ICCV 2011."
        ),
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        # comp6 is the competition in which a method may learn from more than the challenge's own data.
        submissions=MappingProxyType(
            {"test": Submission(folder="results/VOC2012/Segmentation/comp6_test_cls", palette=COLOUR_MAP)}
        ),
    )
)


@cache
def listed(variant: str, split: str) -> tuple[str, ...]:
    """The image ids of a split in their official order, which is ascending.

    Args:
        variant: ``train`` or ``trainaug``.
        split: ``train``, ``validation`` or ``test``; the latter two are the same for both variants.
    """
    lists = _lists()
    if split == "train":
        return tuple(sorted(lists["train"] + lists["extra"])) if variant == "trainaug" else lists["train"]
    return lists["val" if split == "validation" else split]


def train_ids(split: str) -> tuple[str, ...]:
    """``listed`` of the variant ``train``."""
    return listed("train", split)


def trainaug_ids(split: str) -> tuple[str, ...]:
    """``listed`` of the variant ``trainaug``."""
    return listed("trainaug", split)


@cache
def extra_ids() -> frozenset[str]:
    """The 9,118 ids that only ``trainaug`` trains on: VOC has photographs of them but no label maps."""
    return frozenset(_lists()["extra"])


@cache
def _lists() -> Mapping[str, tuple[str, ...]]:
    text = files("segbench.data").joinpath("voc2012_ids.txt").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    name = year = ""
    for line in (line for line in text.splitlines() if not line.startswith("#")):
        if line.startswith(" "):
            found.setdefault(name, []).extend(f"{year}_{int(number):06d}" for number in line.split())
        else:
            name, year = line.split()
    return {name: tuple(ids) for name, ids in found.items()}
