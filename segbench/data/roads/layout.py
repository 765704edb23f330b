"""Draws a street by lot: every choice about what stands where is made here, in metres, before anything is painted."""

from __future__ import annotations

from dataclasses import replace

from segbench.data.roads.camera import Camera
from segbench.data.roads.dice import Dice
from segbench.data.roads.light import Colour, scaled
from segbench.data.roads.street import (
    Building,
    Car,
    Cyclist,
    Fence,
    Junction,
    Person,
    Pole,
    Side,
    Sign,
    Street,
    Tree,
    Void,
)

__all__ = ["draw_camera", "draw_street"]

FARTHEST = 150.0
NO_END = 1e6

WALLS: tuple[Colour, ...] = (
    (0.58, 0.33, 0.26), (0.52, 0.28, 0.22), (0.66, 0.45, 0.34), (0.74, 0.63, 0.46), (0.79, 0.70, 0.55),
    (0.88, 0.86, 0.80), (0.90, 0.88, 0.84), (0.64, 0.63, 0.61), (0.55, 0.55, 0.54), (0.80, 0.66, 0.58),
    (0.68, 0.74, 0.76), (0.80, 0.78, 0.62), (0.42, 0.37, 0.34), (0.36, 0.40, 0.45),
)  # fmt: skip
FRAMES: tuple[Colour, ...] = ((0.92, 0.92, 0.90), (0.86, 0.85, 0.80), (0.30, 0.28, 0.26), (0.72, 0.68, 0.60))
ROOFS: tuple[Colour, ...] = ((0.36, 0.36, 0.39), (0.48, 0.29, 0.24), (0.40, 0.33, 0.29), (0.29, 0.30, 0.32))
SHOPS: tuple[Colour, ...] = (
    (0.55, 0.12, 0.12), (0.10, 0.24, 0.42), (0.10, 0.32, 0.22), (0.20, 0.20, 0.22), (0.80, 0.72, 0.30),
    (0.85, 0.84, 0.80),
)  # fmt: skip
LEAVES: tuple[Colour, ...] = (
    (0.40, 0.54, 0.24), (0.34, 0.49, 0.22), (0.46, 0.57, 0.28), (0.30, 0.44, 0.24), (0.52, 0.58, 0.26),
    (0.38, 0.50, 0.30), (0.64, 0.50, 0.22), (0.62, 0.38, 0.20),
)  # fmt: skip
CAR_PAINTS: tuple[Colour, ...] = (
    (0.90, 0.90, 0.90), (0.88, 0.88, 0.88), (0.74, 0.75, 0.77), (0.66, 0.68, 0.70), (0.42, 0.43, 0.45),
    (0.16, 0.16, 0.18), (0.12, 0.12, 0.14), (0.64, 0.10, 0.10), (0.52, 0.08, 0.10), (0.12, 0.22, 0.48),
    (0.20, 0.36, 0.60), (0.16, 0.34, 0.26), (0.76, 0.68, 0.52), (0.82, 0.62, 0.14),
)  # fmt: skip
CLOTHES: tuple[Colour, ...] = (
    (0.16, 0.17, 0.20), (0.24, 0.26, 0.34), (0.70, 0.16, 0.16), (0.20, 0.34, 0.60), (0.86, 0.86, 0.84),
    (0.50, 0.46, 0.42), (0.76, 0.62, 0.24), (0.26, 0.46, 0.34), (0.56, 0.30, 0.48), (0.82, 0.46, 0.30),
    (0.40, 0.42, 0.44),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = (
    (0.14, 0.15, 0.18), (0.20, 0.24, 0.36), (0.28, 0.34, 0.48), (0.34, 0.32, 0.30), (0.62, 0.56, 0.46),
    (0.10, 0.10, 0.12),
)  # fmt: skip
SKINS: tuple[Colour, ...] = ((0.86, 0.68, 0.58), (0.80, 0.60, 0.48), (0.60, 0.42, 0.32), (0.44, 0.30, 0.23))
HAIRS: tuple[Colour, ...] = ((0.12, 0.10, 0.09), (0.26, 0.18, 0.12), (0.48, 0.36, 0.22), (0.62, 0.60, 0.58))
HELMETS: tuple[Colour, ...] = (
    (0.88, 0.88, 0.86),
    (0.74, 0.12, 0.12),
    (0.14, 0.15, 0.17),
    (0.82, 0.72, 0.12),
    (0.14, 0.32, 0.64),
)
POLE_PAINTS: tuple[Colour, ...] = (
    (0.52, 0.54, 0.55),
    (0.60, 0.61, 0.61),
    (0.38, 0.40, 0.41),
    (0.22, 0.24, 0.24),
    (0.18, 0.28, 0.24),
)
FENCE_PAINTS = {
    "boards": ((0.54, 0.40, 0.27), (0.46, 0.36, 0.27), (0.62, 0.50, 0.36)),
    "railings": ((0.12, 0.13, 0.14), (0.16, 0.20, 0.18), (0.24, 0.25, 0.27)),
    "rails": ((0.70, 0.71, 0.71), (0.50, 0.52, 0.54), (0.84, 0.83, 0.78)),
    "mesh": ((0.36, 0.44, 0.38), (0.46, 0.48, 0.48)),
    "wall": ((0.50, 0.36, 0.30), (0.46, 0.44, 0.42)),
}
FENCE_HEIGHTS = {
    "boards": (1.3, 1.9),
    "railings": (1.0, 1.5),
    "rails": (0.9, 1.15),
    "mesh": (1.4, 2.0),
    "wall": (1.1, 1.5),
}
VOID_PAINTS = {
    "bin": ((0.16, 0.26, 0.20), (0.18, 0.18, 0.20), (0.20, 0.26, 0.46)),
    "post box": ((0.70, 0.08, 0.09),),
    "cone": ((0.92, 0.38, 0.10),),
    "dog": ((0.36, 0.26, 0.18), (0.76, 0.68, 0.56), (0.14, 0.13, 0.13)),
    "bench": ((0.50, 0.36, 0.24),),
}
CHARACTERS = ("terrace", "terrace", "terrace", "gardens", "gardens", "park", "works")


def _varied(dice: Dice, paint: Colour, amount: float) -> Colour:
    """``paint`` a little lighter or darker, and a little off in each channel."""
    level = 1.0 + dice.between(-amount, amount)
    red, green, blue = (channel * level * (1.0 + dice.between(-0.3, 0.3) * amount) for channel in paint)
    return min(red, 0.97), min(green, 0.97), min(blue, 0.97)


def draw_camera(dice: Dice, height: int, width: int) -> Camera:
    """A camera on a car in the lane on one side of the road (the side is drawn, too)."""
    return Camera(
        height=height,
        width=width,
        focal=width * dice.between(0.78, 1.05),
        column=width * dice.between(0.40, 0.60),
        horizon=height * dice.between(0.44, 0.56),
        eye=dice.between(1.35, 1.85),
        offset=dice.sign() * dice.between(1.1, 2.0),
        bend=dice.between(-1.0, 1.0) * abs(dice.between(-1.0, 1.0)) * 0.0022,
    )


def draw_street(dice: Dice, camera: Camera) -> Street:
    """A street for that camera."""
    half = dice.between(3.1, 5.2)
    left, right = _side(dice, -1, half), _side(dice, 1, half)
    junction = _junction(dice) if dice.chance(0.45) else None
    end = dice.between(45.0, 85.0) if dice.chance(0.25) else NO_END
    buildings = [
        building for side in (left, right) for building in _houses(dice, side, junction, min(end - 12.0, FARTHEST))
    ]
    if end < NO_END:
        buildings.extend(_closing_row(dice, end))
    return Street(
        half=half,
        left=left,
        right=right,
        junction=junction,
        end=end,
        markings=_markings(dice, half),
        zebra=_zebra(dice, junction),
        dash_shift=dice.between(0.0, 6.0),
        asphalt=_varied(
            dice, dice.pick(((0.40, 0.40, 0.41), (0.47, 0.47, 0.47), (0.35, 0.35, 0.37), (0.51, 0.49, 0.47))), 0.10
        ),
        slabs=_varied(
            dice, dice.pick(((0.60, 0.59, 0.57), (0.66, 0.63, 0.58), (0.54, 0.53, 0.53), (0.60, 0.52, 0.48))), 0.10
        ),
        kerb=_varied(dice, (0.70, 0.69, 0.67), 0.10),
        grass=_varied(dice, dice.pick(((0.36, 0.47, 0.22), (0.42, 0.50, 0.25), (0.48, 0.48, 0.27))), 0.12),
        ground_shift=(dice.between(0.0, 256.0), dice.between(0.0, 256.0)),
        sky_shift=(dice.between(0.0, 256.0), dice.between(0.0, 256.0)),
        woods_height=dice.between(0.015, 0.075),
        roofs=tuple(dice.between(0.02, 0.10) * (not dice.chance(0.4)) for _ in range(31)) if dice.chance(0.7) else (),
        roof_paint=dice.pick(((0.50, 0.48, 0.47), (0.56, 0.46, 0.42), (0.62, 0.60, 0.57))),
        bonnet=_varied(dice, dice.pick(CAR_PAINTS), 0.1) if dice.chance(0.22) else None,
        patches=tuple(_patch(dice, half) for _ in range(dice.count(0, 4))),
        buildings=tuple(buildings),
        trees=tuple(_trees(dice, (left, right), junction)),
        cars=tuple(_cars(dice, camera, half, junction)),
        people=tuple(_people(dice, camera, (left, right), half)),
        cyclists=tuple(_cyclists(dice, camera, half)),
        poles=tuple(_poles(dice, (left, right), half, junction)),
        fences=tuple(_fences(dice, (left, right), half, junction)),
        voids=tuple(_voids(dice, (left, right), half)),
    )


def _side(dice: Dice, sign: int, half: float) -> Side:
    character = dice.pick(CHARACTERS)
    pavement = half + dice.between(2.2, 4.4)
    depth = {"terrace": 0.0, "gardens": dice.between(3.0, 6.0), "park": 40.0, "works": dice.between(4.0, 9.0)}[
        character
    ]
    return Side(sign, character, pavement, pavement + depth, character in ("gardens", "park"))


def _junction(dice: Dice) -> Junction:
    near = dice.between(9.0, 34.0)
    opens = dice.pick(("left", "right", "both"))
    return Junction(near, near + dice.between(6.0, 8.5), opens != "right", opens != "left")


def _opens(junction: Junction | None, sign: int) -> bool:
    return junction is not None and (junction.left if sign < 0 else junction.right)


def _at_mouth(junction: Junction | None, sign: int, near: float, far: float, margin: float = 2.0) -> bool:
    """Whether a thing from ``near`` to ``far`` would stand in the side street."""
    if junction is None or not _opens(junction, sign):
        return False
    return near < junction.far + margin and far > junction.near - margin


def _markings(dice: Dice, half: float) -> tuple[tuple[float, float, str], ...]:
    lines: list[tuple[float, float, str]] = []
    if dice.chance(0.85):
        lines.append((0.0, 0.13, "dashed" if dice.chance(0.75) else "solid"))
    if dice.chance(0.5):
        kind = dice.pick(("yellow", "yellow", "solid"))
        for sign in (-1, 1):
            if dice.chance(0.8):
                lines.append((sign * (half - 0.35), 0.12, kind))
                if kind == "yellow":
                    lines.append((sign * (half - 0.62), 0.12, kind))
    return tuple(lines)


def _zebra(dice: Dice, junction: Junction | None) -> float | None:
    if not dice.chance(0.22):
        return None
    return junction.near - 5.5 if junction is not None else dice.between(8.0, 25.0)


def _patch(dice: Dice, half: float) -> tuple[float, float, float, float, float]:
    """A mended rectangle of the road: near, far, left, right, change of tone."""
    near, left = dice.between(2.5, 30.0), dice.between(-half, half - 1.5)
    return near, near + dice.between(0.8, 7.0), left, left + dice.between(0.6, 2.2), dice.between(-0.35, 0.15)


def _houses(dice: Dice, side: Side, junction: Junction | None, farthest: float) -> list[Building]:
    """A row of houses along the road, ever longer ones with the distance, from beside the camera to ``farthest``."""
    if side.character == "park":
        return []
    houses: list[Building] = []
    near = dice.between(-14.0, 0.0)
    while near < farthest:
        far = near + dice.between(6.0, 15.0) * (1.0 + max(near, 0.0) / 60.0)
        if junction is not None and _opens(junction, side.sign):
            if near < junction.near - 2.5 < far:
                far = junction.near - 2.5
            if junction.near - 2.6 < near < junction.far + 2.5:
                near, far = junction.far + 2.5, junction.far + 2.5 + (far - near)
        house = _house(dice, side, near, far)
        houses.append(replace(house, gable=not houses or _shows_gable(houses[-1], house)))
        gap = {"terrace": 0.10, "gardens": 0.55, "works": 0.35}[side.character]
        near = far + (dice.between(1.5, 6.0) if dice.chance(gap) else 0.0)
    return houses


def _shows_gable(nearer: Building, house: Building) -> bool:
    """Whether something of the end that faces the camera can be seen past the nearer house."""
    return house.near > nearer.far or house.height > nearer.height or abs(house.front) < abs(nearer.front)


def _house(dice: Dice, side: Side, near: float, far: float) -> Building:
    floors = {"terrace": dice.count(2, 5), "gardens": dice.count(2, 2), "works": dice.count(1, 3)}[side.character]
    floor, bay = dice.between(2.7, 3.4), dice.between(1.9, 3.4)
    shop = dice.pick(SHOPS) if side.character == "terrace" and dice.chance(0.40) else None
    setback = dice.between(0.0, 0.5)
    pitched = dice.chance({"terrace": 0.45, "gardens": 0.95, "works": 0.3}[side.character])
    return Building(
        front=side.sign * (side.front + setback),
        near=near,
        far=far,
        height=floors * floor + (1.6 if shop is None else 4.0),
        depth=dice.between(7.0, 11.0),
        floor=floor,
        bay=bay,
        window=(bay * dice.between(0.38, 0.62), floor * dice.between(0.45, 0.62)),
        wall=_varied(dice, dice.pick(WALLS), 0.12),
        frame=dice.pick(FRAMES),
        roof=_varied(dice, dice.pick(ROOFS), 0.12),
        pitch=dice.between(2.0, 3.6) if pitched else 0.0,
        shop=shop,
        bands=dice.chance(0.35),
        key=dice.count(0, 900),
    )


def _closing_row(dice: Dice, end: float) -> list[Building]:
    """Houses that face the camera where the road ends."""
    houses, left = [], -48.0
    while left < 48.0:
        width = dice.between(8.0, 18.0)
        side = Side(1, "terrace", 0.0, left, False)
        house = _house(dice, side, end, end + 10.0)
        houses.append(replace(house, front=left, depth=width, pitch=0.0, across=True))
        left += width
    return houses


def _trees(dice: Dice, sides: tuple[Side, Side], junction: Junction | None) -> list[Tree]:
    trees: list[Tree] = []
    for side in sides:
        counts = {"terrace": (0, 3), "gardens": (2, 5), "park": (7, 12), "works": (0, 4)}
        leaf = dice.pick(LEAVES)
        for _ in range(dice.count(*counts[side.character])):
            z = (
                dice.between(6.0, 70.0)
                if side.character != "park"
                else 5.0 + 75.0 * dice.unit() * dice.between(0.3, 1.0)
            )
            if _at_mouth(junction, side.sign, z, z, 3.0):
                continue
            trees.append(_tree(dice, side, z, leaf))
    return trees


def _tree(dice: Dice, side: Side, z: float, leaf: Colour) -> Tree:
    inside = {"terrace": (-0.9, -0.5), "gardens": (0.8, 3.0), "park": (1.0, 16.0), "works": (0.8, 4.0)}[side.character]
    s = side.sign * (side.pavement + dice.between(*inside))
    paint = _varied(dice, leaf, 0.14)
    shape = dice.unit()
    if shape < 0.16 and side.character != "terrace":
        height = dice.between(4.0, 9.0)
        return Tree(s, z, height, height * dice.between(0.22, 0.32), 0.5, scaled(paint, 0.8), True, dice.count(0, 5000))
    if shape < 0.42 and side.character != "terrace":
        height = dice.between(1.0, 2.4)
        return Tree(s, z, height, height * dice.between(0.55, 0.9), 0.0, paint, False, dice.count(0, 5000))
    height = dice.between(4.5, 9.5)
    return Tree(
        s,
        z,
        height,
        height * dice.between(0.28, 0.44),
        height * dice.between(0.24, 0.36),
        paint,
        False,
        dice.count(0, 5000),
    )


def _cars(dice: Dice, camera: Camera, half: float, junction: Junction | None) -> list[Car]:
    cars: list[Car] = []
    own = 1 if camera.offset > 0 else -1
    for sign in (-1, 1):
        if half > 4.1 and dice.chance(0.7):
            cars.extend(_parked(dice, sign, half, own, junction))
    z = dice.between(9.0, 26.0)
    for _ in range(dice.count(0, 2)):
        cars.append(_car(dice, own * half * 0.46 + dice.between(-0.2, 0.2), z, True))
        z += dice.between(8.0, 18.0)
    z = dice.between(8.0, 30.0)
    for _ in range(dice.count(0, 3)):
        cars.append(_car(dice, -own * half * 0.46 + dice.between(-0.2, 0.2), z, False))
        z += dice.between(8.0, 18.0)
    return cars


def _parked(dice: Dice, sign: int, half: float, own: int, junction: Junction | None) -> list[Car]:
    cars: list[Car] = []
    z = dice.between(4.0, 20.0)
    for _ in range(dice.count(1, 5)):
        car = _car(dice, sign * (half - 1.0), z, sign == own)
        if not _at_mouth(junction, sign, z, z + car.length):
            cars.append(car)
        z += car.length + (dice.between(0.7, 1.6) if dice.chance(0.6) else dice.between(5.0, 15.0))
    return cars


def _car(dice: Dice, s: float, z: float, away: bool) -> Car:
    kind = dice.pick(
        ("hatch", "hatch", "hatch", "saloon", "saloon", "saloon", "van", "bus")
        if z > 14
        else ("hatch", "saloon", "saloon", "van")
    )
    length, width, height = {
        "hatch": (dice.between(3.7, 4.2), 1.72, dice.between(1.45, 1.62)),
        "saloon": (dice.between(4.3, 4.8), 1.80, dice.between(1.38, 1.50)),
        "van": (dice.between(4.8, 5.6), 1.98, dice.between(2.1, 2.5)),
        "bus": (dice.between(9.0, 12.0), 2.45, dice.between(3.0, 4.2)),
    }[kind]
    return Car(s, z, kind, length, width, height, _varied(dice, dice.pick(CAR_PAINTS), 0.08), away)


def _people(dice: Dice, camera: Camera, sides: tuple[Side, Side], half: float) -> list[Person]:
    people: list[Person] = []
    if dice.chance(0.15):
        return people
    for _ in range(dice.count(1, 6)):
        side = dice.pick(sides)
        z = 4.5 + 16.0 * dice.unit() * dice.between(0.2, 1.0)
        if dice.chance(0.15):
            people.append(_person(dice, dice.between(-half, half), z + 3.0, dice.sign() * 1.0))
            continue
        s = side.sign * dice.between(half + 0.4, side.pavement - 0.3)
        people.append(_person(dice, s, z, dice.between(-0.6, 0.6)))
        if dice.chance(0.3):
            people.append(_person(dice, s + side.sign * 0.6, z + 0.3, dice.between(-0.6, 0.6)))
    return people


def _person(dice: Dice, s: float, z: float, turn: float) -> Person:
    return Person(
        s=s,
        z=z,
        height=dice.between(1.55, 1.92) if not dice.chance(0.12) else dice.between(1.1, 1.4),
        turn=turn,
        stride=dice.between(0.3, 1.0) if dice.chance(0.8) else 0.1,
        top=_varied(dice, dice.pick(CLOTHES), 0.15),
        legs=_varied(dice, dice.pick(TROUSERS), 0.15),
        skin=dice.pick(SKINS),
        hair=dice.pick(HAIRS),
        skirt=dice.chance(0.18),
        bag=dice.pick(CLOTHES) if dice.chance(0.3) else None,
    )


def _cyclists(dice: Dice, camera: Camera, half: float) -> list[Cyclist]:
    riders: list[Cyclist] = []
    if not dice.chance(0.68):
        return riders
    for _ in range(dice.pick((1, 1, 2))):
        crossing = dice.chance(0.4)
        riders.append(
            Cyclist(
                s=dice.between(-half * 0.9, half * 0.9) if crossing else dice.sign() * (half - dice.between(0.6, 1.6)),
                z=5.0 + 13.0 * dice.unit() * dice.between(0.3, 1.0),
                turn=dice.sign() * (dice.between(0.75, 1.0) if crossing else dice.between(0.12, 0.6)),
                pedal=dice.between(-1.0, 1.0),
                top=_varied(dice, dice.pick(CLOTHES), 0.15),
                legs=_varied(dice, dice.pick(TROUSERS), 0.15),
                skin=dice.pick(SKINS),
                helmet=dice.pick(HELMETS),
                frame=dice.pick(CAR_PAINTS),
            )
        )
    return riders


def _poles(dice: Dice, sides: tuple[Side, Side], half: float, junction: Junction | None) -> list[Pole]:
    poles: list[Pole] = []
    paint = dice.pick(POLE_PAINTS)
    for side in sides:
        poles.extend(_lamp_posts(dice, side, half, junction, paint))
        for _ in range(dice.count(0, 2)):
            z = 6.0 + 20.0 * dice.unit() * dice.between(0.3, 1.0)
            if not _at_mouth(junction, side.sign, z, z, 0.5):
                poles.append(_sign_post(dice, side, half, z))
    if junction is not None and dice.chance(0.65):
        for side in sides:
            poles.append(_signal(dice, side, half, junction.near - 2.8))
    return poles


def _lamp_posts(dice: Dice, side: Side, half: float, junction: Junction | None, paint: Colour) -> list[Pole]:
    posts: list[Pole] = []
    if not dice.chance(0.75):
        return posts
    z, spacing, height, reach = (
        dice.between(5.0, 18.0),
        dice.between(15.0, 26.0),
        dice.between(5.5, 8.5),
        dice.between(0.7, 1.8),
    )
    while z < 55.0:
        if not _at_mouth(junction, side.sign, z, z, 0.0):
            signs = (_plate(dice, dice.between(2.3, 2.9)),) if dice.chance(0.15) else ()
            posts.append(
                Pole(side.sign * (half + 0.55), z, height, dice.between(0.11, 0.15), paint, -side.sign * reach, signs)
            )
        z += spacing
    return posts


def _plate(dice: Dice, y: float) -> Sign:
    kind = dice.pick(("round", "round", "triangle", "board"))
    paints: dict[str, tuple[Colour, ...]] = {
        "round": ((0.74, 0.08, 0.09), (0.74, 0.08, 0.09), (0.08, 0.22, 0.62)),
        "triangle": ((0.74, 0.08, 0.09),),
        "board": ((0.05, 0.32, 0.20), (0.08, 0.22, 0.55), (0.86, 0.86, 0.82)),
    }
    size = dice.between(1.0, 1.4) if kind != "board" else dice.between(1.6, 2.4)
    return Sign(kind, y, size, dice.pick(paints[kind]))


def _sign_post(dice: Dice, side: Side, half: float, z: float) -> Pole:
    first = _plate(dice, dice.between(2.5, 3.0))
    signs = [first]
    if dice.chance(0.25):
        signs.append(_plate(dice, first.y - 1.25))
    top = first.y + first.size * 0.5 + 0.1
    return Pole(
        side.sign * (half + dice.between(0.5, 0.9)),
        z,
        top,
        dice.between(0.09, 0.12),
        dice.pick(POLE_PAINTS),
        0.0,
        tuple(signs),
    )


def _signal(dice: Dice, side: Side, half: float, z: float) -> Pole:
    return Pole(
        side.sign * (half + 0.6), z, 3.6, 0.11, (0.20, 0.21, 0.21), 0.0, (Sign("lights", 3.0, 1.35, (0.1, 0.1, 0.1)),)
    )


def _fences(dice: Dice, sides: tuple[Side, Side], half: float, junction: Junction | None) -> list[Fence]:
    panels: list[Fence] = []
    for side in sides:
        chance = {"terrace": 0.0, "gardens": 0.75, "park": 0.7, "works": 0.8}[side.character]
        if dice.chance(chance):
            kind = dice.pick(
                ("boards", "railings", "wall", "mesh")
                if side.character != "works"
                else ("mesh", "mesh", "railings", "boards")
            )
            panels.extend(
                _fence(
                    dice, side, kind, side.pavement + 0.1, dice.between(2.0, 8.0), dice.between(20.0, 45.0), junction
                )
            )
        elif dice.chance(0.28):
            start = dice.between(4.0, 16.0)
            panels.extend(_fence(dice, side, "rails", half + 0.4, start, start + dice.between(6.0, 16.0), junction))
    return panels


def _fence(
    dice: Dice, side: Side, kind: str, s: float, near: float, far: float, junction: Junction | None
) -> list[Fence]:
    height, paint = dice.between(*FENCE_HEIGHTS[kind]), _varied(dice, dice.pick(FENCE_PAINTS[kind]), 0.12)
    panels: list[Fence] = []
    while near < far:
        end = near + 3.2 * (1.0 + near / 20.0)
        if not _at_mouth(junction, side.sign, near, end):
            panels.append(Fence(side.sign * s, near, side.sign * s, end, height, kind, paint))
        near = end
    return panels


def _voids(dice: Dice, sides: tuple[Side, Side], half: float) -> list[Void]:
    things: list[Void] = []
    for _ in range(dice.count(0, 4)):
        side = dice.pick(sides)
        kind = dice.pick(("bin", "bin", "post box", "cone", "dog", "bench"))
        s = (
            side.sign * (half + dice.between(0.6, 1.4))
            if kind != "cone"
            else side.sign * (half - dice.between(0.3, 1.2))
        )
        z = 5.0 + 22.0 * dice.unit() * dice.between(0.4, 1.0)
        things.append(Void(s, z, kind, dice.between(0.85, 1.2), _varied(dice, dice.pick(VOID_PAINTS[kind]), 0.12)))
    return things
