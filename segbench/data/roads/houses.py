"""Draws the rows of houses by lot."""

from __future__ import annotations

from dataclasses import replace

from segbench.data.roads.dice import Dice
from segbench.data.roads.junctions import opens
from segbench.data.roads.paints import FRAMES, ROOFS, SHOPS, WALLS, varied
from segbench.data.roads.street import Building, Junction, Side

__all__ = ["draw_closing_row", "draw_houses"]


def draw_houses(dice: Dice, side: Side, junction: Junction | None, farthest: float) -> list[Building]:
    """A row of houses along the road, ever longer ones with the distance, from beside the camera to ``farthest``."""
    if side.character == "park":
        return []
    houses: list[Building] = []
    near = dice.between(-14.0, 0.0)
    while near < farthest:
        far = near + dice.between(6.0, 15.0) * (1.0 + max(near, 0.0) / 35.0)
        if junction is not None and opens(junction, side.sign):
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
        wall=varied(dice, dice.pick(WALLS), 0.12),
        frame=dice.pick(FRAMES),
        roof=varied(dice, dice.pick(ROOFS), 0.12),
        pitch=dice.between(2.0, 3.6) if pitched else 0.0,
        shop=shop,
        bands=dice.chance(0.35),
        key=dice.count(0, 900),
    )


def draw_closing_row(dice: Dice, end: float) -> list[Building]:
    """Houses that face the camera where the road ends."""
    houses, left = [], -48.0
    while left < 48.0:
        width = dice.between(8.0, 18.0)
        side = Side(1, "terrace", 0.0, left, False)
        house = _house(dice, side, end, end + 10.0)
        houses.append(replace(house, front=left, depth=width, pitch=0.0, across=True))
        left += width
    return houses
