"""SUN RGB-D: its facts; the samples are in ``sunrgbd_source`` and what that opens.

``37`` has the classes of the authors' toolbox, ``13`` the grouping of SceneNet; ``37-depth`` and ``13-depth`` carry a
depth map with every image. There is no validation split.

The id of a sample is its number in SUNRGBDMeta.mat with six digits: 000001..005050 are the test images, 005051..010335
the training images. The repackaged archives number their label maps in the same way. That both orders are one was seen
for the split sizes and a few images only (``LANDMARKS``), because the archives were at hand in no build of segbench;
where a source contradicts it, the preparation says so.
"""

from __future__ import annotations

import colorsys
from functools import cache
from types import MappingProxyType

from segbench.registry import DATASETS
from segbench.specs import Colour, DatasetSpec, VariantSpec

__all__ = ["GROUP_OF_CLASS", "LANDMARKS", "NUM_TEST", "NUM_TRAIN", "SUNRGBD", "official_ids"]

NUM_TRAIN, NUM_TEST = 5285, 5050
COUNTS = MappingProxyType({"train": NUM_TRAIN, "test": NUM_TEST})

# seg37list.mat; the label maps hold 1..37 in this order, and 0 where nothing is known.
CLASSES_37 = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture"),
    *("counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor_mat", "clothes"),
    *("ceiling", "books", "fridge", "tv", "paper", "towel", "shower_curtain", "box", "whiteboard", "person"),
    *("night_stand", "toilet", "sink", "lamp", "bathtub", "bag"),
)

# The classes of SceneNet (github.com/ankurhanda/SceneNetv1.0), in its order.
CLASSES_13 = (
    *("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall"),
    "window",
)

GROUP_OF_CLASS: tuple[int, ...] = (
    *(12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7),
    *(5, 7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7),
)
"""For each of the 37 classes its number (1..13) among the 13, as SceneNet publishes it."""

LANDMARKS = MappingProxyType(
    {
        1: "kv2/kinect2data/000002_2014-05-26_14-23-37_260595134347_rgbf000103-resize",
        NUM_TEST: "realsense/sa/2014_10_21-18_19_07-1311000073",
        NUM_TEST + NUM_TRAIN: "realsense/shr/2014_12_18-16_29_39-1311000073",
    }
)
"""Folders of the images with these numbers by the lists of the repackaged archives (ankurhanda/sunrgbd-meta-data)."""


def _palette(number: int) -> tuple[Colour, ...]:
    """Evenly spaced hues in three shades that take turns; neighbouring ids are a golden section of the circle apart."""
    shades = ((0.85, 0.95), (0.45, 0.85), (0.9, 0.6))
    places = (label * round(0.382 * number) % number for label in range(number))
    colours = (colorsys.hsv_to_rgb(place / (3 * -(-number // 3)), *shades[place % 3]) for place in places)
    return tuple((round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in colours)


def _variant(classes: tuple[str, ...], *, depth: bool) -> VariantSpec:
    return VariantSpec(
        name=f"{len(classes)}{'-depth' if depth else ''}",
        class_names=classes,
        palette=_palette(len(classes)),
        counts=COUNTS,
        official_ids="segbench.data.sunrgbd:official_ids",
        depth=depth,
    )


VARIANTS = tuple(_variant(classes, depth=depth) for depth in (False, True) for classes in (CLASSES_37, CLASSES_13))

SUNRGBD = DATASETS.add(
    DatasetSpec(
        name="sunrgbd",
        title="SUN RGB-D",
        summary="10,335 indoor scenes from four depth cameras, 5,285 for training and 5,050 for testing.",
        variants=MappingProxyType({variant.name: variant for variant in VARIANTS}),
        default_variant="37",
        source="segbench.data.sunrgbd_source:source",
        licence="None stated; it contains NYUv2, B3DO and SUN3D. Cite all four, do not redistribute.",
        citation=(
            "Song, Lichtenberg, Xiao: SUN RGB-D: A RGB-D Scene Understanding Benchmark Suite, CVPR 2015. "
            "NYUv2: Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support Inference from RGBD Images, ECCV "
            "2012. B3DO: Janoch, Karayev, Jia, Barron, Fritz, Saenko, Darrell: A Category-Level 3-D Object Dataset: "
            "Putting the Kinect to Work, ICCV Workshop on Consumer Depth Cameras for Computer Vision, 2011. SUN3D: "
            "Xiao, Owens, Torralba: SUN3D: A Database of Big Spaces Reconstructed Using SfM and Object Labels, ICCV "
            "2013."
        ),
        homepage="http://rgbd.cs.princeton.edu",
    )
)


@cache
def official_ids(split: str) -> tuple[str, ...]:
    """The ids of ``train`` or ``test`` in their official order; empty for another split."""
    first, number = {"train": (NUM_TEST + 1, NUM_TRAIN), "test": (1, NUM_TEST)}.get(split, (1, 0))
    return tuple(f"{index:06d}" for index in range(first, first + number))
