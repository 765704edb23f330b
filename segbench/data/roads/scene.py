"""One street scene: what is painted in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segbench.data.roads.camera import Camera
from segbench.data.roads.canvas import Canvas
from segbench.data.roads.dice import Dice
from segbench.data.roads.furniture import paint_bonnet, paint_pole, paint_void
from segbench.data.roads.ground import paint_ground
from segbench.data.roads.layout import draw_camera, draw_street
from segbench.data.roads.lens import annotate, photograph
from segbench.data.roads.light import Light, draw_light
from segbench.data.roads.people import paint_cyclist, paint_person
from segbench.data.roads.shadows import Shade, cast_shadows
from segbench.data.roads.sky import paint_sky, paint_skyline
from segbench.data.roads.street import Street, Thing
from segbench.data.roads.trees import paint_tree
from segbench.data.roads.vehicles import paint_car
from segbench.data.roads.walls import paint_building, paint_fence
from segbench.errors import UsageError

__all__ = ["MINIMUM_SIZE", "check_size", "paint"]

MINIMUM_SIZE = (48, 64)

T = TypeVar("T", bound=Thing)

# Whether it stands before the house fronts, minus its distance, and how to paint it: painted in ascending order.
Painting = tuple[bool, float, Callable[[], None]]


def check_size(size: tuple[int, int]) -> None:
    """Refuses sizes at which the small classes cannot be told.

    Raises:
        UsageError: Height or width is below ``MINIMUM_SIZE``.
    """
    height, width = size
    if height < MINIMUM_SIZE[0] or width < MINIMUM_SIZE[1]:
        raise UsageError(f"synthetic-roads cannot be drawn at {height}x{width}; the smallest size is 48x64 (HxW).")


def paint(seed: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What ``segbench.data.synthetic_roads.scene`` promises."""
    check_size(size)
    if seed < 0:
        raise UsageError(f"The seed of a street scene must be 0 or more, not {seed}.")
    camera, light = draw_camera(Dice(seed, 0), *size), draw_light(Dice(seed, 1))
    canvas = Canvas(*size)
    _paint_all(canvas, camera, light, draw_street(Dice(seed, 2), camera))
    lens = Dice(seed, 3)
    return photograph(canvas, light, lens), annotate(canvas.labels, lens)


def _paint_all(canvas: Canvas, camera: Camera, light: Light, street: Street) -> None:
    """Backdrop, ground, shadows, and then everything that stands, from far to near."""
    shade = Shade(street.buildings, light)
    paint_sky(canvas, camera, light, street)
    paint_skyline(canvas, camera, light, street)
    paint_ground(canvas, camera, light, street, shade)
    cast_shadows(canvas, camera, light, street, shade)
    paintings = [*_walls(canvas, camera, light, street, shade), *_things(canvas, camera, light, street, shade)]
    for _, _, brush in sorted(paintings, key=lambda painting: painting[:2]):
        brush()
    if street.bonnet is not None:
        paint_bonnet(canvas, light, street.bonnet)


def _walls(canvas: Canvas, camera: Camera, light: Light, street: Street, shade: Shade) -> Iterator[Painting]:
    for building in street.buildings:
        yield False, -building.far, partial(paint_building, canvas, camera, light, shade, building)
    for fence in street.fences:
        if fence.z < street.end:
            yield True, -(fence.z + fence.z_far) / 2, partial(paint_fence, canvas, camera, light, shade, fence)


def _things(canvas: Canvas, camera: Camera, light: Light, street: Street, shade: Shade) -> Iterator[Painting]:
    """Whatever else the picture shows."""

    def group(
        things: tuple[T, ...], reach: float, brush: Callable[[Canvas, Camera, Light, T, float], None]
    ) -> Iterator[Painting]:
        for thing in things:
            if thing.z < street.end and camera.sees(thing.s, thing.z, reach):
                front = street.left.front if thing.s < 0 else street.right.front
                sunlit = shade.sunlit(thing.s, thing.z)
                yield abs(thing.s) < front, -thing.z, partial(brush, canvas, camera, light, thing, sunlit)

    yield from group(street.trees, 10.0, paint_tree)
    yield from group(street.cars, 14.0, paint_car)
    yield from group(street.people, 0.8, paint_person)
    yield from group(street.cyclists, 1.1, paint_cyclist)
    yield from group(street.poles, 2.2, paint_pole)
    yield from group(street.voids, 1.1, paint_void)
