"""Trees, bushes and conifers: a trunk, and a crown whose edge and light are rough with leaves."""

from __future__ import annotations

import numpy as np

from segbench.data.roads.camera import Camera
from segbench.data.roads.canvas import Canvas, Window, as_planes
from segbench.data.roads.classes import TREE
from segbench.data.roads.floats import Floats, clipped, root
from segbench.data.roads.light import Light, scaled
from segbench.data.roads.noise import look_up
from segbench.data.roads.street import Tree

__all__ = ["paint_tree"]

BARK = (0.33, 0.27, 0.21)


def paint_tree(canvas: Canvas, camera: Camera, light: Light, tree: Tree, sunlit: float) -> None:
    """Trunk and fork, then the crown over them."""
    scale = camera.scale(tree.z)
    if tree.trunk > 0.3:
        _trunk(canvas, camera, light, tree, sunlit)
    column, row = camera.project(tree.s, (tree.height + tree.trunk * 0.8) / 2, tree.z)
    radii = tree.crown * scale, (tree.height - tree.trunk * 0.8) / 2 * scale
    reach = 1.15
    window = canvas.window(
        column - radii[0] * reach, row - radii[1] * reach, column + radii[0] * reach, row + radii[1] * reach
    )
    if window is not None:
        _crown(canvas, light, tree, window, (column, row), radii, sunlit)


def _trunk(canvas: Canvas, camera: Camera, light: Light, tree: Tree, sunlit: float) -> None:
    foot, fork = (
        camera.project(tree.s, 0.0, tree.z),
        camera.project(tree.s, tree.trunk + 0.25 * (tree.height - tree.trunk), tree.z),
    )
    thick = max(0.045 * tree.height * 0.5, 0.10) * camera.scale(tree.z)
    shaded, lit = light.seen(BARK, light.upright(0.0), tree.z), light.seen(BARK, light.upright(sunlit), tree.z)
    canvas.polygon(
        [
            (foot[0] - thick * 1.25, foot[1]),
            (foot[0] + thick * 1.25, foot[1]),
            (fork[0] + thick * 0.7, fork[1]),
            (fork[0] - thick * 0.7, fork[1]),
        ],
        shaded,
        TREE,
    )
    side = 0.45 * thick if light.towards_sun[0] > 0 else -0.45 * thick
    canvas.capsule((foot[0] + side, foot[1] - thick), (fork[0] + side * 0.6, fork[1]), thick * 0.4, lit)


def _crown(
    canvas: Canvas,
    light: Light,
    tree: Tree,
    window: Window,
    middle: tuple[float, float],
    radii: tuple[float, float],
    sunlit: float,
) -> None:
    p = ((canvas.columns[window.columns] - np.float32(middle[0])) / np.float32(radii[0]))[None, :]
    q = ((canvas.rows[window.rows] - np.float32(middle[1])) / np.float32(radii[1]))[:, None]
    key = np.float32(tree.key)
    lobes = look_up("cloud", p * np.float32(tree.crown * 34.0) + key, q * np.float32(tree.height * 15.0)) - np.float32(
        0.5
    )
    leaves = look_up("grain", p * np.float32(radii[0] * 0.7) + key, q * np.float32(radii[1] * 0.7)) - np.float32(0.5)
    inside = _inside(p, q, tree.conifer) + lobes * np.float32(0.40) + leaves * np.float32(0.16)
    cover = clipped(inside * np.float32(max(min(radii) * 0.8, 1.0)) + 0.42)
    x, y, _ = light.towards_sun
    tone = (
        0.50
        + (p * np.float32(0.34 * x * (0.4 + 0.6 * sunlit)) - q * np.float32(0.24 + 0.14 * y))
        + lobes * 0.45
        + leaves * 0.55
    )
    tone = clipped(tone * (0.62 + 0.5 * clipped(inside * 2.0)), 0.10, 1.25)
    lit, unlit = (
        light.seen(tree.leaf, light.on((0.0, 0.8, -0.6), sunlit), tree.z),
        light.seen(tree.leaf, light.on((0.0, 0.3, -0.954), 0.0), tree.z),
    )
    dark = as_planes(scaled(unlit, 0.25))
    haze = np.float32(light.haze(tree.z))
    dark = dark + (as_planes(light.skyline) - dark) * haze * np.float32(0.6)
    canvas.blend(window, cover, dark + (as_planes(lit) * np.float32(1.15) - dark) * tone, TREE)


def _inside(p: Floats, q: Floats, conifer: bool) -> Floats:
    """Positive inside the crown: a ball, or a cone with its tip up."""
    if conifer:
        cone: Floats = np.minimum((1.0 + q) * np.float32(0.5) - np.abs(p), (1.0 - q) * np.float32(3.0))
        return cone
    return np.float32(0.90) - root(p * p + q * q)
