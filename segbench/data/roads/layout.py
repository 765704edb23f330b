"""Draws a street by lot: every choice about what stands where is made before anything is painted, in metres."""

from __future__ import annotations

from segbench.data.roads.camera import Camera
from segbench.data.roads.dice import Dice
from segbench.data.roads.houses import draw_closing_row, draw_houses
from segbench.data.roads.junctions import draw_junction
from segbench.data.roads.paints import ASPHALTS, CAR_PAINTS, GRASSES, SKYLINES, SLABS, varied
from segbench.data.roads.roadside import draw_fences, draw_poles, draw_trees, draw_voids
from segbench.data.roads.street import Junction, Side, Street
from segbench.data.roads.traffic import draw_cars, draw_cyclists, draw_people

__all__ = ["draw_camera", "draw_street"]

FARTHEST_M = 150.0
NO_END = 1e6
CHARACTERS = ("terrace", "terrace", "terrace", "gardens", "gardens", "park", "works")


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
    junction = draw_junction(dice) if dice.chance(0.45) else None
    end = dice.between(45.0, 85.0) if dice.chance(0.25) else NO_END
    buildings = [
        building
        for side in (left, right)
        for building in draw_houses(dice, side, junction, min(end - 12.0, FARTHEST_M))
    ]
    if end < NO_END:
        buildings.extend(draw_closing_row(dice, end))
    return Street(
        half=half,
        left=left,
        right=right,
        junction=junction,
        end=end,
        markings=_markings(dice, half),
        zebra=_zebra(dice, junction),
        dash_shift=dice.between(0.0, 6.0),
        asphalt=varied(dice, dice.pick(ASPHALTS), 0.10),
        slabs=varied(dice, dice.pick(SLABS), 0.10),
        kerb=varied(dice, (0.70, 0.69, 0.67), 0.10),
        grass=varied(dice, dice.pick(GRASSES), 0.12),
        ground_shift=(dice.between(0.0, 256.0), dice.between(0.0, 256.0)),
        sky_shift=(dice.between(0.0, 256.0), dice.between(0.0, 256.0)),
        woods_height=dice.between(0.015, 0.075),
        roofs=tuple(dice.between(0.02, 0.10) * (not dice.chance(0.4)) for _ in range(31)) if dice.chance(0.7) else (),
        roof_paint=dice.pick(SKYLINES),
        bonnet=varied(dice, dice.pick(CAR_PAINTS), 0.1) if dice.chance(0.22) else None,
        patches=tuple(_patch(dice, half) for _ in range(dice.count(0, 4))),
        buildings=tuple(buildings),
        trees=tuple(draw_trees(dice, (left, right), junction)),
        cars=tuple(draw_cars(dice, camera, half, junction)),
        people=tuple(draw_people(dice, camera, (left, right), half)),
        cyclists=tuple(draw_cyclists(dice, camera, half)),
        poles=tuple(draw_poles(dice, camera, (left, right), half, junction)),
        fences=tuple(draw_fences(dice, (left, right), half, junction)),
        voids=tuple(draw_voids(dice, (left, right), half)),
    )


def _side(dice: Dice, sign: int, half: float) -> Side:
    character = dice.pick(CHARACTERS)
    pavement = half + dice.between(2.2, 4.4)
    depth = {"terrace": 0.0, "gardens": dice.between(3.0, 6.0), "park": 40.0, "works": dice.between(4.0, 9.0)}[
        character
    ]
    return Side(sign, character, pavement, pavement + depth, character in ("gardens", "park"))


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
