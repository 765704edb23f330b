"""Shadows: of the houses, as a question about places, and of smaller things, as dark polygons on the ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from segbench.data.roads.camera import Camera, Pixel
from segbench.data.roads.canvas import Canvas
from segbench.data.roads.floats import Floats, clipped
from segbench.data.roads.light import Colour, Light
from segbench.data.roads.street import Building, Car, Street, Thing

__all__ = ["Shade", "cast_shadows"]

Ground = Sequence[tuple[float, float]]

UNDER_A_CAR: Colour = (0.35, 0.36, 0.38)


class Shade:
    """The shadow that the houses cast, as a question about places on the ground."""

    STEP = 0.5
    REACH = 512

    def __init__(self, buildings: tuple[Building, ...], light: Light) -> None:
        x, y, z = light.towards_sun
        self.side = 1 if x > 0 else -1
        self.rise = y / max(abs(x), 0.05)
        self.shift = z / max(abs(x), 0.05)
        self.front = 0.0
        self.heights = np.zeros(self.REACH, np.float32)
        for building in buildings:
            if building.front * self.side > 0 and not building.across:
                self.front = max(self.front, abs(building.front))
                first, last = (int((edge + 64.0) / self.STEP) for edge in (building.near, building.far))
                self.heights[max(first, 0) : max(last, 0)] = building.height + building.pitch * 0.5

    def at(self, s: Floats, z: Floats) -> Floats:
        """Share of the sun that is kept off, for ``s`` [h, w] and ``z`` [h, 1]."""
        distance = np.float32(self.front) - s * np.float32(self.side)
        crossing = (z + distance * np.float32(self.shift) + np.float32(64.0)) * np.float32(1.0 / self.STEP)
        index = clipped(crossing, 0, self.REACH - 1).astype(np.int32)
        above = self.heights.take(index) - distance * np.float32(self.rise)
        return clipped(above * np.float32(1.5) + 0.5)

    def sunlit(self, s: float, z: float, y: float = 0.8) -> float:
        """Share of the sun that reaches a point ``y`` metres above the ground."""
        distance = max(self.front - s * self.side, 0.0)
        index = int((z + distance * self.shift + 64.0) / self.STEP)
        height = float(self.heights[min(max(index, 0), self.REACH - 1)])
        return 1.0 - min(1.0, max(0.0, (height - y - distance * self.rise) * 1.5 + 0.5))


def cast_shadows(canvas: Canvas, camera: Camera, light: Light, street: Street, shade: Shade) -> None:
    """The sun's shadows of vehicles, people and poles, and the dim ground right below the vehicles."""
    for car in street.cars:
        if camera.sees(car.s, car.z, car.width + car.length):
            ground = _corners(car)
            below = [camera.project(s, 0.0, z) for s, z in ground]
            canvas.shade_polygon(below, UNDER_A_CAR, max(0.4 * camera.scale(car.z), 1.0))
            _cast(canvas, camera, light, ground, car.height * 0.8, shade.sunlit(car.s, car.z, 0.0))
    for thing, height, half in _upright(street):
        if camera.sees(thing.s, thing.z, 3.0):
            foot = ((thing.s - half, thing.z), (thing.s + half, thing.z))
            _cast(canvas, camera, light, foot, height, shade.sunlit(thing.s, thing.z, 0.0))


def _upright(street: Street) -> Iterator[tuple[Thing, float, float]]:
    """Everything thin that stands, with its height and half its width."""
    for person in street.people:
        yield person, person.height, 0.2
    for cyclist in street.cyclists:
        yield cyclist, 1.7, 0.25
    for pole in street.poles:
        yield pole, pole.height, pole.radius


def _corners(car: Car) -> Ground:
    half, far = car.width / 2, car.z + car.length
    return ((car.s - half, car.z), (car.s + half, car.z), (car.s + half, far), (car.s - half, far))


def _cast(canvas: Canvas, camera: Camera, light: Light, ground: Ground, height: float, sunlit: float) -> None:
    """Darkens the ground between the outline ``ground`` and where its top's shadow falls."""
    x, y, z = light.towards_sun
    if sunlit < 0.3 or light.sun[0] < 0.5:
        return
    reach = min(height / max(y, 0.15), 9.0)
    fallen = [(s - x * reach, max(ahead - z * reach, 1.6)) for s, ahead in ground]
    outline = _hull([camera.project(s, 0.0, ahead) for s, ahead in (*ground, *fallen)])
    if len(outline) > 2:
        canvas.shade_polygon(outline, light.shadow(), 1.5)


def _hull(points: list[Pixel]) -> list[Pixel]:
    """The convex hull, by Andrew's monotone chain."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return []

    def chain(path: list[Pixel]) -> list[Pixel]:
        kept: list[Pixel] = []
        for point in path:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return chain(ordered) + chain(ordered[::-1])


def _turn(first: Pixel, second: Pixel, third: Pixel) -> float:
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])
