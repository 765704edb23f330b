"""Draws by lot what stands beside the road: trees, poles with signs, fences, and things of no class."""

from __future__ import annotations

from segbench.data.roads.camera import Camera
from segbench.data.roads.dice import Dice
from segbench.data.roads.junctions import at_mouth
from segbench.data.roads.light import Colour, scaled
from segbench.data.roads.paints import FENCE_PAINTS, LEAVES, POLE_PAINTS, VOID_PAINTS, varied
from segbench.data.roads.street import Fence, Junction, Pole, Side, Sign, Tree, Void

__all__ = ["draw_fences", "draw_poles", "draw_trees", "draw_voids"]

FENCE_HEIGHTS = {
    "boards": (1.4, 2.0),
    "railings": (1.2, 1.7),
    "rails": (1.0, 1.25),
    "mesh": (1.6, 2.2),
    "wall": (1.3, 1.8),
}


def draw_trees(dice: Dice, sides: tuple[Side, Side], junction: Junction | None) -> list[Tree]:
    """Trees and bushes, more of them before gardens and in parks."""
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
            if at_mouth(junction, side.sign, z, z, 3.0):
                continue
            trees.append(_tree(dice, side, z, leaf))
    return trees


def _tree(dice: Dice, side: Side, z: float, leaf: Colour) -> Tree:
    inside = {"terrace": (-0.9, -0.5), "gardens": (0.8, 3.0), "park": (1.0, 16.0), "works": (0.8, 4.0)}[side.character]
    s = side.sign * (side.pavement + dice.between(*inside))
    paint = varied(dice, leaf, 0.14)
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


def draw_poles(
    dice: Dice, camera: Camera, sides: tuple[Side, Side], half: float, junction: Junction | None
) -> list[Pole]:
    """Lamp posts in rows, signs on their posts, and traffic lights before a side street."""
    poles: list[Pole] = []
    paint = dice.pick(POLE_PAINTS)
    for side in sides:
        poles.extend(_lamp_posts(dice, side, half, junction, paint))
        for _ in range(dice.count(0, 2)):
            z = max(6.0, camera.enters(side.sign * (half + 0.7))) + 14.0 * dice.unit() * dice.between(0.1, 1.0)
            if not at_mouth(junction, side.sign, z, z, 0.5):
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
    while z < 45.0:
        if not at_mouth(junction, side.sign, z, z, 0.0):
            signs = (_plate(dice, dice.between(2.3, 2.9)),) if dice.chance(0.15) else ()
            posts.append(
                Pole(side.sign * (half + 0.55), z, height, dice.between(0.12, 0.17), paint, -side.sign * reach, signs)
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
    size = dice.between(0.9, 1.25) if kind != "board" else dice.between(1.4, 2.0)
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
        dice.between(0.10, 0.14),
        dice.pick(POLE_PAINTS),
        0.0,
        tuple(signs),
    )


def _signal(dice: Dice, side: Side, half: float, z: float) -> Pole:
    return Pole(
        side.sign * (half + 0.6), z, 3.6, 0.11, (0.20, 0.21, 0.21), 0.0, (Sign("lights", 3.0, 1.35, (0.1, 0.1, 0.1)),)
    )


def draw_fences(dice: Dice, sides: tuple[Side, Side], half: float, junction: Junction | None) -> list[Fence]:
    """Panels before gardens, parks and works, and guard rails along some kerbs."""
    panels: list[Fence] = []
    for side in sides:
        chance = {"terrace": 0.0, "gardens": 0.8, "park": 0.75, "works": 0.85}[side.character]
        if dice.chance(chance):
            kind = dice.pick(
                ("boards", "boards", "railings", "wall", "wall", "mesh")
                if side.character != "works"
                else ("mesh", "railings", "boards", "boards")
            )
            panels.extend(
                _fence(
                    dice, side, kind, side.pavement + 0.1, dice.between(2.0, 6.0), dice.between(22.0, 45.0), junction
                )
            )
        elif dice.chance(0.28):
            start = dice.between(4.0, 16.0)
            panels.extend(_fence(dice, side, "rails", half + 0.4, start, start + dice.between(6.0, 16.0), junction))
    return panels


def _fence(
    dice: Dice, side: Side, kind: str, s: float, near: float, far: float, junction: Junction | None
) -> list[Fence]:
    height, paint = dice.between(*FENCE_HEIGHTS[kind]), varied(dice, dice.pick(FENCE_PAINTS[kind]), 0.12)
    panels: list[Fence] = []
    while near < far:
        end = near + 3.2 * (1.0 + near / 20.0)
        if not at_mouth(junction, side.sign, near, end):
            panels.append(Fence(side.sign * s, near, side.sign * s, end, height, kind, paint))
        near = end
    return panels


def draw_voids(dice: Dice, sides: tuple[Side, Side], half: float) -> list[Void]:
    """Bins, post boxes, dogs and benches on the pavement, cones on the road."""
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
        things.append(Void(s, z, kind, dice.between(0.85, 1.2), varied(dice, dice.pick(VOID_PAINTS[kind]), 0.12)))
    return things
