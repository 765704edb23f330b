"""What a scene consists of, in metres of the road's own coordinates (see ``Camera``); ``layout`` draws it by lot."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.data.roads.light import Colour

__all__ = [
    "Building", "Car", "Cyclist", "Fence", "Junction", "Person", "Pole", "Side", "Sign", "Street", "Thing", "Tree",
    "Void",
]  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """Something on the ground at ``s`` metres right of the road's axis and ``z`` metres ahead."""

    s: float
    z: float


@dataclass(frozen=True)
class Building:
    """A house whose front stands at ``front`` (negative: left of the road) and runs from ``near`` to ``far``.

    Its ``gable`` may be hidden by the next nearer house. One that stands ``across`` the road's end faces the camera at
    ``near``, from ``front`` to ``front + depth``.
    """

    front: float
    near: float
    far: float
    height: float
    depth: float
    floor: float
    bay: float
    window: tuple[float, float]
    wall: Colour
    frame: Colour
    roof: Colour
    pitch: float
    shop: Colour | None
    bands: bool
    key: int
    gable: bool = True
    across: bool = False


@dataclass(frozen=True)
class Tree(Thing):
    """A tree, bush or hedge plant; ``trunk`` is the height at which the crown begins."""

    height: float
    crown: float
    trunk: float
    leaf: Colour
    conifer: bool
    key: int


@dataclass(frozen=True)
class Car(Thing):
    """A motor vehicle; ``s``, ``z`` are the middle of its near end."""

    kind: str
    length: float
    width: float
    height: float
    paint: Colour
    away: bool


@dataclass(frozen=True)
class Person(Thing):
    """A pedestrian; ``turn`` is the width of the stride as seen, -1..1."""

    height: float
    turn: float
    stride: float
    top: Colour
    legs: Colour
    skin: Colour
    hair: Colour
    skirt: bool
    bag: Colour | None


@dataclass(frozen=True)
class Cyclist(Thing):
    """A bicycle with its rider; ``turn`` is how much of the side is seen, -1..1."""

    turn: float
    pedal: float
    top: Colour
    legs: Colour
    skin: Colour
    helmet: Colour
    frame: Colour


@dataclass(frozen=True)
class Sign:
    """A plate or traffic light at ``y`` metres."""

    kind: str
    y: float
    size: float
    paint: Colour


@dataclass(frozen=True)
class Pole(Thing):
    """A column with what hangs on it; ``arm`` is the reach of a lamp over the road, with its sign."""

    height: float
    radius: float
    paint: Colour
    arm: float
    signs: tuple[Sign, ...]


@dataclass(frozen=True)
class Fence:
    """A panel of a fence from (s, z) to (s_far, z_far)."""

    s: float
    z: float
    s_far: float
    z_far: float
    height: float
    kind: str
    paint: Colour


@dataclass(frozen=True)
class Void(Thing):
    """A thing outside the eleven classes."""

    kind: str
    size: float
    paint: Colour


@dataclass(frozen=True)
class Junction:
    """A side street between ``near`` and ``far``, on the sides that it opens to."""

    near: float
    far: float
    left: bool
    right: bool


@dataclass(frozen=True)
class Side:
    """One side of the road: where its pavement ends, where its houses begin, and what lies between."""

    sign: int
    character: str
    pavement: float
    front: float
    lawn: bool


@dataclass(frozen=True)
class Street:
    """The whole scene, in metres of the road's own coordinates."""

    half: float
    left: Side
    right: Side
    junction: Junction | None
    end: float
    markings: tuple[tuple[float, float, str], ...]
    zebra: float | None
    dash_shift: float
    asphalt: Colour
    slabs: Colour
    kerb: Colour
    grass: Colour
    ground_shift: tuple[float, float]
    sky_shift: tuple[float, float]
    woods_height: float
    roofs: tuple[float, ...]
    roof_paint: Colour
    bonnet: Colour | None
    patches: tuple[tuple[float, float, float, float, float], ...]
    buildings: tuple[Building, ...]
    trees: tuple[Tree, ...]
    cars: tuple[Car, ...]
    people: tuple[Person, ...]
    cyclists: tuple[Cyclist, ...]
    poles: tuple[Pole, ...]
    fences: tuple[Fence, ...]
    voids: tuple[Void, ...]
