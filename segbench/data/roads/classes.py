"""The eleven classes, in CamVid's order; a thing that none of them fits is void."""

from __future__ import annotations

from segbench.specs import IGNORE_INDEX

__all__ = [
    "BICYCLIST", "BUILDING", "CAR", "CLASS_NAMES", "FENCE", "PALETTE", "PAVEMENT", "PEDESTRIAN", "POLE", "ROAD", "SIGN",
    "SKY", "TREE", "VOID",
]  # fmt: skip

CLASS_NAMES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
VOID = IGNORE_INDEX

# The colours of the SegNet tutorial's camvid11.png.
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
