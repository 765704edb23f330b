"""Upright planes: house fronts, gables and fences. Each pixel is traced back to its place on the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from segbench.data.roads.camera import NEAREST, Camera
from segbench.data.roads.canvas import Canvas, Window, as_planes
from segbench.data.roads.classes import BUILDING, FENCE
from segbench.data.roads.dice import Dice
from segbench.data.roads.floats import Floats, clipped
from segbench.data.roads.light import Colour, Light, Vector, mixed, scaled, times
from segbench.data.roads.noise import look_up
from segbench.data.roads.shadows import Shade
from segbench.data.roads.street import Building, Fence

__all__ = ["paint_building", "paint_fence"]

Place = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """The part of an upright plane that the window shows.

    Attributes:
        window: The pixels.
        along: [w] metres from the plane's first end.
        y: [h, w] metres above the ground.
        z: [w] metres ahead.
        step: [w] metres along the plane that a pixel is wide.
        rise: [w] metres that a pixel is high.
        cover: [h, w] share of the pixel.
        normal: Towards the camera.
    """

    window: Window
    along: Floats
    y: Floats
    z: Floats
    step: Floats
    rise: Floats
    cover: Floats
    normal: Vector


def _clipped(first: Place, last: Place) -> tuple[Place, Place, float] | None:
    """Both ends (x, z) moved in front of the camera, and how far the first one was moved."""
    if first[1] < NEAREST and last[1] < NEAREST:
        return None
    length = _length(first, last)
    share = (NEAREST - first[1]) / (last[1] - first[1]) if first[1] < NEAREST else 0.0
    end = (NEAREST - first[1]) / (last[1] - first[1]) if last[1] < NEAREST else 1.0
    dx, dz = last[0] - first[0], last[1] - first[1]
    return (first[0] + dx * share, first[1] + dz * share), (first[0] + dx * end, first[1] + dz * end), length * share


def trace(canvas: Canvas, camera: Camera, first: Place, last: Place, top: float) -> Plane | None:
    """The plane over the ground line from ``first`` to ``last`` (s, z), up to ``top`` metres."""
    ends = _clipped((camera.sideways(*first), first[1]), (camera.sideways(*last), last[1]))
    if ends is None:
        return None
    (xa, za), (xb, zb), moved = ends
    ua, ub = camera.column + camera.focal * xa / za, camera.column + camera.focal * xb / zb
    nearest = camera.focal / min(za, zb)
    window = canvas.window(
        min(ua, ub), camera.horizon + (camera.eye - top) * nearest, max(ua, ub), camera.horizon + camera.eye * nearest
    )
    length = _length((xa, za), (xb, zb))
    if window is None or length < 1e-3 or abs(ub - ua) < 0.05:
        return None
    columns = canvas.columns[window.columns]
    bearing = (clipped(columns, min(ua, ub), max(ua, ub)) - np.float32(camera.column)) / np.float32(camera.focal)
    share = clipped((bearing * za - xa) / ((xb - xa) - bearing * (zb - za)))
    z: Floats = np.float32(za) + share * np.float32(zb - za)
    rise = z / np.float32(camera.focal)
    y = np.float32(camera.eye) - (canvas.rows[window.rows] - np.float32(camera.horizon))[:, None] * rise
    cover = clipped((np.float32(top) - y) / rise + 0.5) * clipped(y / rise + 0.5)
    cover *= clipped(columns - min(ua, ub) + 0.5) * clipped(max(ua, ub) - columns + 0.5)
    # How fast the place on the plane changes from column to column: the plane's distance from the eye decides.
    off = abs(xa * (zb - za) - za * (xb - xa)) / length
    step: Floats = z * z / np.float32(camera.focal * max(off, 0.05))
    return Plane(
        window,
        share * np.float32(length) + np.float32(moved),
        y,
        z,
        step,
        rise,
        cover,
        _normal((xa, za), (xb, zb), length),
    )


def _length(first: Place, last: Place) -> float:
    dx, dz = last[0] - first[0], last[1] - first[1]
    return math.sqrt(dx * dx + dz * dz)


def _normal(first: Place, last: Place, length: float) -> Vector:
    """The unit normal on the camera's side."""
    nx, nz = (last[1] - first[1]) / length, -(last[0] - first[0]) / length
    away = nx * first[0] + nz * first[1] > 0
    return (-nx, 0.0, -nz) if away else (nx, 0.0, nz)


def _lay(canvas: Canvas, light: Light, plane: Plane, colour: Floats, cover: Floats, label: int) -> None:
    """Puts ``colour`` [3, h, w] on the canvas through the haze."""
    square = plane.z * plane.z
    haze = square / (square + np.float32(light.haze_m * light.haze_m))
    colour += (as_planes(light.skyline) - colour) * haze
    canvas.blend(plane.window, cover, colour)
    canvas.mark(plane.window, plane.cover > np.float32(0.5), label)


def paint_building(canvas: Canvas, camera: Camera, light: Light, shade: Shade, building: Building) -> None:
    """Roof, the gable that faces the camera, and the front."""
    for roof in _roofs(camera, building):
        lit = light.on((-0.6 if building.front > 0 else 0.6, 0.8, 0.0))
        colour = light.seen(building.roof, lit, building.near + 4)
        canvas.polygon(roof, scaled(colour, 1.1), BUILDING, bottom=scaled(colour, 0.8))
    _chimney(canvas, camera, light, building)
    outwards = building.depth if building.front > 0 or building.across else -building.depth
    outer = building.front + outwards
    if building.across:
        _front(canvas, camera, light, building, (building.front, building.near), (outer, building.near), 1.0)
        return
    if building.gable and building.near > NEAREST:
        gable = trace(canvas, camera, (building.front, building.near), (outer, building.near), building.height)
        if gable is not None:
            _plain(canvas, light, gable, building)
    sunlit = 1.0 - 0.5 * (shade.front > 0 and shade.side * building.front < 0) * (shade.rise < 0.8)
    _front(canvas, camera, light, building, (building.front, building.near), (building.front, building.far), sunlit)


def _roofs(camera: Camera, building: Building) -> list[list[tuple[float, float]]]:
    """The slope over the front, and the triangle over the gable."""
    near = max(building.near, NEAREST)
    if building.pitch <= 0 or building.far <= near or building.across:
        return []
    sign = 1 if building.front > 0 else -1
    middle, eaves, ridge = building.front + sign * building.depth / 2, building.height, building.height + building.pitch
    project = camera.project
    slope = [
        project(building.front, eaves, near),
        project(building.front, eaves, building.far),
        project(middle, ridge, building.far),
        project(middle, ridge, near),
    ]
    gable = [
        project(building.front, eaves, near),
        project(middle, ridge, near),
        project(building.front + sign * building.depth, eaves, near),
    ]
    return [slope, gable]


def _chimney(canvas: Canvas, camera: Camera, light: Light, building: Building) -> None:
    """A stack on the ridge, over the near gable."""
    near = building.near + 0.6
    if building.pitch <= 0 or near < NEAREST or building.across:
        return
    middle = building.front + (building.depth if building.front > 0 else -building.depth) / 2
    top, foot = building.height + building.pitch + 0.9, building.height + building.pitch - 0.5
    corners = ((middle - 0.5, foot), (middle + 0.5, foot), (middle + 0.5, top), (middle - 0.5, top))
    colour = light.seen((0.46, 0.30, 0.25), light.on((0.0, 0.0, -1.0)), near)
    canvas.polygon([camera.project(s, y, near) for s, y in corners], colour, BUILDING)


def _wall(plane: Plane, building: Building) -> Floats:
    """Tone of the bare wall [h, w]: weathering, courses, a dim foot."""
    key = np.float32(building.key)
    tone = 0.86 + 0.28 * look_up("cloud", plane.along * 4.0 + key, plane.y * 5.0)
    rough = clipped(1.2 - plane.rise * 12.0, 0.1, 1.0) * np.float32(0.20)
    tone += (look_up("grain", plane.along * 14.0 + key, plane.y * 34.0) - 0.5) * rough
    tone *= clipped(0.72 + plane.y * 0.35, 0.72, 1.0)
    return tone


def _plain(canvas: Canvas, light: Light, plane: Plane, building: Building) -> None:
    paint = times(building.wall, building.wall)
    colour = as_planes(times(paint, light.on(plane.normal))) * _wall(plane, building)
    _lay(canvas, light, plane, colour, plane.cover, BUILDING)


def _front(
    canvas: Canvas, camera: Camera, light: Light, building: Building, first: Place, last: Place, sunlit: float
) -> None:
    plane = trace(canvas, camera, first, last, building.height)
    if plane is None:
        return
    arriving = light.on(plane.normal, sunlit)
    colour = as_planes(times(times(building.wall, building.wall), arriving)) * _wall(plane, building)
    if plane.along.size > 2:
        _ornaments(plane, building, arriving, colour)
        _windows(plane, building, light, arriving, colour)
        if building.shop is not None:
            _shop(plane, building, light, arriving, colour)
    _lay(canvas, light, plane, colour, plane.cover, BUILDING)


def _tint(colour: Floats, cover: Floats, paint: Colour) -> None:
    colour += (as_planes(paint) - colour) * cover


def _level(plane: Plane, low: float, high: float) -> Floats:
    """Share of each pixel [h, w] at low < y < high."""
    return clipped((plane.y - np.float32(low)) / plane.rise + 0.5) * clipped(
        (np.float32(high) - plane.y) / plane.rise + 0.5
    )


def _ornaments(plane: Plane, building: Building, arriving: Colour, colour: Floats) -> None:
    """The cornice, and a band at each floor."""
    trim = times(times(building.frame, building.frame), arriving)
    _tint(colour, _level(plane, building.height - 0.45, building.height - 0.1) * 0.8, trim)
    if building.bands:
        floors = (plane.y - 3.4) / np.float32(building.floor)
        off = np.abs(floors - np.floor(floors + 0.5)) * np.float32(building.floor)
        _tint(colour, clipped((0.12 - off) / plane.rise + 0.5) * (plane.y > 3.2) * 0.7, trim)


@cache
def _panes(key: int) -> tuple[Floats, Floats]:
    """Two [1024] tables: how much sky a pane mirrors, and how its curtains look."""
    drawn = Dice(77, key).octets(2048).astype(np.float32) / np.float32(255.0)
    return drawn[:1024], drawn[1024:]


def _cells(position: Floats, period: float) -> tuple[Floats, Floats]:
    """Number of the cell, and metres from its middle."""
    turns = position / np.float32(period)
    number = np.floor(turns)
    return number, np.abs(turns - number - 0.5) * np.float32(period)


def _opening(off: Floats, footprint: Floats, width: float, period: float) -> Floats:
    sharp = clipped((np.float32(width / 2) - off) / footprint + 0.5)
    blur = clipped(footprint / np.float32(period) * 2.0 - 0.5)
    return sharp + (np.float32(width / period) - sharp) * blur


def _windows(plane: Plane, building: Building, light: Light, arriving: Colour, colour: Floats) -> None:
    start = 3.6 if building.shop is not None else 0.5
    bay, off_bay = _cells(plane.along, building.bay)
    floor, off_floor = _cells(plane.y - np.float32(start), building.floor)
    width, height = building.window
    allowed = _level(
        plane, start, start + math.floor((building.height - 0.5 - start) / building.floor) * building.floor
    )
    frame = _opening(off_bay, plane.step, width + 0.28, building.bay) * allowed
    frame = frame * _opening(off_floor, plane.rise, height + 0.28, building.floor)
    _tint(colour, frame * 0.9, times(times(building.frame, building.frame), arriving))
    glass = _opening(off_bay, plane.step, width, building.bay) * allowed
    glass = glass * _opening(off_floor, plane.rise, height, building.floor)
    glass *= 1.0 - 0.8 * clipped((0.05 - off_bay) / plane.step + 0.5) * (plane.step < 0.12)
    cell = (bay * 31.0 + floor * 17.0 + np.float32(building.key)).astype(np.int32) & 1023
    mirrored, curtains = _panes(building.key)
    panes = _glass(light, arriving, mirrored.take(cell), curtains.take(cell))
    colour += (panes - colour) * glass


def _glass(light: Light, arriving: Colour, mirrored: Floats, curtains: Floats) -> Floats:
    """Dark rooms, pale curtains, the sky mirrored, and at dusk some lamps."""
    share = mirrored * mirrored * np.float32(0.55)
    panes = as_planes((0.018, 0.022, 0.028)) + as_planes(mixed(light.skyline, light.zenith, 0.5)) * share
    pale = (curtains > np.float32(0.80)).astype(np.float32) * np.float32(0.6)
    panes += (as_planes(scaled(arriving, 0.42)) - panes) * pale
    if light.lamps:
        lit = (mirrored < np.float32(0.45)).astype(np.float32) * (0.4 + 0.6 * curtains)
        panes += as_planes((1.05, 0.62, 0.24)) * lit
    return panes


def _shop(plane: Plane, building: Building, light: Light, arriving: Colour, colour: Floats) -> None:
    """Large panes between pillars, a door in each bay, and a painted fascia above."""
    assert building.shop is not None
    bay, off = _cells(plane.along, building.bay * 1.5)
    mirrored, curtains = _panes(building.key + 1)
    cell = (bay * 7.0 + np.float32(building.key)).astype(np.int32) & 1023
    panes = _glass(light, arriving, mirrored.take(cell), curtains.take(cell) * np.float32(0.79))
    goods = look_up("leaf", plane.along * 30.0, plane.y * 30.0 + np.float32(building.key))
    panes = panes * (0.6 + goods * np.float32(0.9))
    opening = _opening(off, plane.step, building.bay * 1.5 - 0.5, building.bay * 1.5) * _level(plane, 0.45, 2.55)
    _tint(colour, _level(plane, 0.0, 2.7) * 0.75, scaled(times(times(building.shop, building.shop), arriving), 0.55))
    colour += (panes - colour) * opening
    _tint(colour, _level(plane, 2.65, 3.35), times(times(building.shop, building.shop), arriving))
    letters = look_up("grain", plane.along * 36.0, np.full_like(plane.along, 7.0)) > np.float32(0.55)
    _tint(colour, _level(plane, 2.85, 3.15) * letters * (plane.step < 0.25) * 0.8, scaled(arriving, 0.75))


def paint_fence(canvas: Canvas, camera: Camera, light: Light, shade: Shade, fence: Fence) -> None:
    """One panel: boards, railings, mesh, or a low wall with railings."""
    plane = trace(canvas, camera, (fence.s, fence.z), (fence.s_far, fence.z_far), fence.height)
    if plane is None:
        return
    sunlit = shade.sunlit((fence.s + fence.s_far) / 2, (fence.z + fence.z_far) / 2)
    arriving = mixed(light.on(plane.normal, sunlit), light.upright(sunlit), 0.5)
    tone = 0.8 + 0.4 * look_up("leaf", plane.along * 22.0, plane.y * 3.0 + np.float32(fence.z))
    solid = PATTERNS[fence.kind](plane, fence)
    if fence.kind == "boards":
        tone *= 1.0 - 0.45 * _slits(plane, 0.16, 0.03)
    colour = as_planes(times(times(fence.paint, fence.paint), arriving)) * tone
    _lay(canvas, light, plane, colour, plane.cover * solid, FENCE)


def _slits(plane: Plane, period: float, width: float) -> Floats:
    """Share of each column [w] that upright lines of ``width``, one every ``period`` metres, cover."""
    _, off = _cells(plane.along, period)
    return _opening(np.float32(period / 2) - off, plane.step, width, period)


def _boards(plane: Plane, fence: Fence) -> Floats:
    return np.ones_like(plane.cover)


def _railings(plane: Plane, fence: Fence) -> Floats:
    rails = np.maximum(_level(plane, fence.height - 0.10, fence.height), _level(plane, 0.10, 0.18))
    return np.maximum(rails, np.maximum(_slits(plane, 0.15, 0.045), _slits(plane, 2.0, 0.12)))


def _rails(plane: Plane, fence: Fence) -> Floats:
    """Two broad rails between posts, as beside a crossing or a bridge."""
    rails = np.maximum(
        _level(plane, fence.height - 0.14, fence.height), _level(plane, fence.height * 0.45, fence.height * 0.45 + 0.14)
    )
    return np.maximum(rails, _slits(plane, 1.6, 0.12))


def _mesh(plane: Plane, fence: Fence) -> Floats:
    rails = _level(plane, fence.height - 0.07, fence.height)
    return np.maximum(np.maximum(rails, _slits(plane, 2.4, 0.10)), np.float32(0.6))


def _low_wall(plane: Plane, fence: Fence) -> Floats:
    return np.maximum(_railings(plane, fence), _level(plane, 0.0, fence.height * 0.4))


PATTERNS = {"boards": _boards, "railings": _railings, "rails": _rails, "mesh": _mesh, "wall": _low_wall}
