"""The sky, its clouds, and the skyline at the end of everything."""

from __future__ import annotations

import numpy as np

from segbench.data.roads.camera import Camera
from segbench.data.roads.canvas import Canvas, Window, as_planes
from segbench.data.roads.classes import BUILDING, SKY, TREE
from segbench.data.roads.floats import Floats, clipped
from segbench.data.roads.light import Light, mixed, scaled, times
from segbench.data.roads.noise import look_up, look_up_smoothly
from segbench.data.roads.street import Street

__all__ = ["paint_sky", "paint_skyline"]


def paint_sky(canvas: Canvas, camera: Camera, light: Light, street: Street) -> None:
    """Gradient, glow around the sun, clouds: all rows above the horizon, and one below it."""
    rows = min(canvas.height, int(camera.horizon) + 2)
    window = Window(slice(0, rows), slice(0, canvas.width))
    height = clipped((np.float32(camera.horizon) - canvas.rows[:rows]) / np.float32(camera.focal), 0.004, 1e9)
    canvas.image[:, :rows] = _gradient(light, height)
    _glow(canvas, window, camera, light, height)
    if light.cloud > 0.02:
        _clouds(canvas, window, camera, light, height, street.sky_shift)
    canvas.labels[:rows] = SKY


def _gradient(light: Light, height: Floats) -> Floats:
    share = clipped(height * np.float32(1.9))
    share = (share * (2.0 - share)).reshape(1, -1, 1)
    skyline = as_planes(light.skyline)
    return skyline + (as_planes(light.zenith) - skyline) * share


def _glow(canvas: Canvas, window: Window, camera: Camera, light: Light, height: Floats) -> None:
    x, y, z = light.towards_sun
    if z < 0.15:
        return
    across = (canvas.columns - np.float32(camera.column)) / np.float32(camera.focal) - np.float32(x / z)
    up = height - np.float32(y / z)
    strength = np.float32(0.035) / ((across * across)[None, :] + (up * up)[:, None] + np.float32(0.035))
    canvas.image[:, window.rows, window.columns] += as_planes(scaled(light.sun, 0.30)) * strength


def _clouds(
    canvas: Canvas, window: Window, camera: Camera, light: Light, height: Floats, shift: tuple[float, float]
) -> None:
    """A flat layer of clouds seen in perspective, brighter on the side of the sun."""
    distance = 26.0 / (height + np.float32(0.16))
    across = (canvas.columns - np.float32(camera.column)) / np.float32(camera.focal)
    x = across[None, :] * distance[:, None] + np.float32(shift[0])
    z = (distance * np.float32(1.6) + np.float32(shift[1]))[:, None]
    thickness = look_up_smoothly("cloud", x, z) - np.float32(1.0 - light.cloud)
    sunward = look_up_smoothly(
        "cloud", x + np.float32(5.0 * light.towards_sun[0]), z + np.float32(4.0 * light.towards_sun[2])
    )
    lit = clipped(thickness - sunward + np.float32(1.42 - light.cloud), 0.25, 1.0)
    cover = clipped(thickness * np.float32(4.5), 0.0, 0.94) * clipped(height * np.float32(9.0))[:, None]
    dark = mixed(times(light.sky, (0.60, 0.62, 0.66)), light.skyline, 0.3)
    bright = mixed(scaled(mixed(light.sun, light.sky, 0.5), 0.85), light.skyline, 0.3)
    colour = as_planes(dark) + (as_planes(bright) - as_planes(dark)) * lit
    canvas.blend(window, cover, colour)


def paint_skyline(canvas: Canvas, camera: Camera, light: Light, street: Street) -> None:
    """Hills or woods, then roofs, both pale with haze."""
    bearing = (canvas.columns - np.float32(camera.column)) / np.float32(camera.focal)
    woods = look_up("cloud", bearing * np.float32(70.0 / 1.2) + np.float32(street.sky_shift[1]), np.zeros_like(bearing))
    twigs = look_up("grain", bearing * np.float32(170.0), np.zeros_like(bearing))
    treetops = np.float32(street.woods_height) * (0.25 + woods) + twigs * np.float32(0.006)
    _silhouette(canvas, camera, light, treetops, (0.26, 0.34, 0.22), 130.0, TREE)
    if street.roofs:
        _silhouette(canvas, camera, light, _rooftops(bearing, street), street.roof_paint, 110.0, BUILDING)


def _rooftops(bearing: Floats, street: Street) -> Floats:
    """Height of the far houses over each column, as a tangent above the horizon."""
    heights = np.array(street.roofs, np.float32)
    house = np.floor((bearing + 2.0) * np.float32(22.0)).astype(np.int32)
    tops: Floats = heights.take(house, mode="wrap")
    return tops


def _silhouette(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    tangents: Floats,
    paint: tuple[float, float, float],
    z: float,
    label: int,
) -> None:
    tops = np.float32(camera.horizon) - tangents * np.float32(camera.focal)
    window = canvas.window(0, float(tops.min()), canvas.width, camera.horizon + 1.0)
    if window is None:
        return
    cover = clipped(canvas.rows[window.rows, None] - tops[None, :] + np.float32(0.5))
    arriving = light.on((0.0, 0.3, -0.954))
    canvas.blend(window, cover, as_planes(light.seen(paint, arriving, z)), label)
