"""Road, kerb, pavement, lawn, markings and shadows: each pixel below the horizon is traced back to the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segbench.data.roads.camera import Camera
from segbench.data.roads.canvas import Canvas, Window, as_planes
from segbench.data.roads.classes import PAVEMENT, ROAD, TREE
from segbench.data.roads.floats import Floats, clipped
from segbench.data.roads.light import Colour, Light, times
from segbench.data.roads.noise import look_up, look_up_smoothly
from segbench.data.roads.shadows import Shade
from segbench.data.roads.street import Junction, Side, Street, Tree

__all__ = ["paint_ground"]

KERB_M = 0.22
SIDE_PAVEMENT_M = 2.2
FARTHEST_M = 400.0
PAINT_WHITE = (0.86, 0.86, 0.83)
PAINT_YELLOW = (0.80, 0.64, 0.20)


@dataclass(frozen=True)
class Patch:
    """The ground that the window shows.

    Attributes:
        s: [h, w] metres right of the road's axis.
        z: [h] metres ahead.
        across: [h] metres that a pixel is wide.
        along: [h] metres that a pixel is long.
    """

    s: Floats
    z: Floats
    across: Floats
    along: Floats

    def strip(self, low: float, high: float) -> Floats:
        """Share of each pixel [h, w] that lies at low < s < high."""
        inverse = (np.float32(1.0) / self.across)[:, None]
        scaled = self.s * inverse
        return clipped(scaled - np.float32(low) * inverse + 0.5) - clipped(scaled - np.float32(high) * inverse + 0.5)

    def beam(self, near: float, far: float) -> Floats:
        """Share of each row [h] that lies at near < z < far."""
        return clipped((self.z - np.float32(near)) / self.along + 0.5) - clipped(
            (self.z - np.float32(far)) / self.along + 0.5
        )

    def dashes(self, period: float, drawn: float, shift: float) -> Floats:
        """Share of each row [h] that dashes of ``drawn`` metres, one every ``period``, cover."""
        return _repeated(self.z, self.along, period, drawn, shift)


def _repeated(position: Floats, footprint: Floats, period: float, drawn: float, shift: float) -> Floats:
    turns = (position + np.float32(shift)) / np.float32(period)
    from_middle = np.abs(turns - np.floor(turns) - 0.5) * np.float32(period)
    sharp = clipped((np.float32(drawn / 2) - from_middle) / footprint + 0.5)
    blur = clipped(footprint / np.float32(period) * 1.6 - 0.4)
    return sharp + (np.float32(drawn / period) - sharp) * blur


def paint_ground(canvas: Canvas, camera: Camera, light: Light, street: Street, shade: Shade) -> None:
    """Everything below the horizon."""
    first = max(0, int(camera.horizon) + 1)
    if first >= canvas.height:
        return
    window = Window(slice(first, canvas.height), slice(0, canvas.width))
    patch = _patch(canvas, window, camera)
    road, pavement = _road(patch, street), _pavement(patch, street)
    colour = _surfaces(patch, street, road, pavement)
    colour *= _arriving(patch, light, street, shade)
    haze = patch.z * patch.z
    haze = (haze / (haze + np.float32(light.haze_m * light.haze_m)))[None, :, None]
    canvas.image[:, window.rows, :] = colour + (as_planes(light.skyline) - colour) * haze
    labels = canvas.labels[window.rows]
    labels[...] = TREE
    labels[pavement > 0.5] = PAVEMENT
    labels[road > 0.5] = ROAD


def _patch(canvas: Canvas, window: Window, camera: Camera) -> Patch:
    below = np.maximum(canvas.rows[window.rows] - np.float32(camera.horizon), np.float32(0.3))
    z = np.minimum(np.float32(camera.focal * camera.eye) / below, np.float32(FARTHEST_M))
    across = z / np.float32(camera.focal)
    middle = np.float32(camera.offset) - np.float32(camera.bend) * z * z
    s = (canvas.columns - np.float32(camera.column))[None, :] * across[:, None] + middle[:, None]
    return Patch(s, z, across, z * across / np.float32(camera.eye))


def _side_street(patch: Patch, junction: Junction, widen: float) -> Floats:
    """Share of each pixel [h, w] in the side street, made ``widen`` metres wider on both sides."""
    rows = patch.beam(junction.near - widen, junction.far + widen)[:, None]
    opens_left = np.float32(junction.left) * (patch.s < 0)
    opens_right = np.float32(junction.right) * (patch.s >= 0)
    return rows * (opens_left + opens_right)


def _road(patch: Patch, street: Street) -> Floats:
    road = patch.strip(-street.half, street.half)
    if street.junction is not None:
        road = np.maximum(road, _side_street(patch, street.junction, 0.0))
    if street.end < FARTHEST_M:
        crossing = patch.beam(street.end - 9.0, street.end - 3.0)[:, None]
        road = np.maximum(road, crossing) * (patch.z < street.end - 2.9)[:, None]
    return road


def _pavement(patch: Patch, street: Street) -> Floats:
    left = street.left.front if not street.left.lawn else street.left.pavement
    right = street.right.front if not street.right.lawn else street.right.pavement
    pavement = patch.strip(-left, right)
    if street.junction is not None:
        pavement = np.maximum(pavement, _side_street(patch, street.junction, SIDE_PAVEMENT_M))
    if street.end < FARTHEST_M:
        pavement = np.maximum(pavement, (patch.z > street.end - 11.0)[:, None].astype(np.float32))
    return pavement


def _surfaces(patch: Patch, street: Street, road: Floats, pavement: Floats) -> Floats:
    """Paint (already squared to linear light) of every pixel, [3, h, w]."""
    shift_s, shift_z = street.ground_shift
    z = patch.z[:, None]
    fine = look_up("grain", patch.s * 70.0 + np.float32(shift_s), z * 70.0 + np.float32(shift_z)) - np.float32(0.5)
    fine *= clipped(1.1 - patch.along * 8.0, 0.12, 1.0)[:, None]
    coarse = look_up_smoothly("cloud", patch.s * 5.0 + np.float32(shift_z), z * 2.0 + np.float32(shift_s)) - np.float32(
        0.5
    )
    colour = as_planes(_squared(street.grass)) * (1.0 + fine * 0.9 + coarse * 0.7)
    slabs = _slabs(patch, street, fine, coarse)
    colour += (slabs - colour) * pavement
    colour += (_asphalt(patch, street, fine, coarse) - colour) * road
    for s, width, kind in street.markings:
        _line(patch, street, colour, road, s, width, kind)
    if street.zebra is not None:
        _zebra(patch, street, colour, street.zebra)
    return colour


def _squared(paint: Colour) -> Colour:
    return times(paint, paint)


def _asphalt(patch: Patch, street: Street, fine: Floats, coarse: Floats) -> Floats:
    tone = 1.0 + fine * 0.36 + coarse * 0.30
    tone *= 1.0 - _tracks(patch, street)
    for near, far, low, high, change in street.patches:
        tone *= 1.0 + np.float32(change) * patch.strip(low, high) * patch.beam(near, far)[:, None]
    return as_planes(_squared(street.asphalt)) * tone


def _tracks(patch: Patch, street: Street) -> Floats:
    """Darker where tyres run, and in the gutter."""
    lane = np.float32(street.half / 2.0)
    from_middle = np.abs(np.abs(patch.s) - lane)
    tyres = clipped(1.0 - np.abs(from_middle - 0.75) * 2.2) * np.float32(0.10)
    gutter = clipped(1.0 - np.abs(np.abs(patch.s) - np.float32(street.half - 0.2)) * 2.5) * np.float32(0.22)
    tracks: Floats = tyres + gutter
    return tracks


def _slabs(patch: Patch, street: Street, fine: Floats, coarse: Floats) -> Floats:
    """Paving with joints and a pale kerb."""
    joints = _repeated(patch.z, patch.along, 0.9, 0.05, 0.0)[:, None] * 0.8
    across = np.broadcast_to(patch.across[:, None], patch.s.shape)
    joints = np.maximum(joints, _repeated(patch.s, across, 0.7, 0.04, 0.0) * 0.8)
    tone = (1.0 + fine * 0.30 + coarse * 0.30) * (1.0 - 0.30 * joints)
    colour: Floats = as_planes(_squared(street.slabs)) * tone
    kerb = patch.strip(-street.half - KERB_M, street.half + KERB_M)
    colour += (as_planes(_squared(street.kerb)) - colour) * kerb
    return colour


def _line(patch: Patch, street: Street, colour: Floats, road: Floats, s: float, width: float, kind: str) -> None:
    cover = patch.strip(s - width / 2, s + width / 2) * road * np.float32(0.85)
    if kind == "dashed":
        cover *= patch.dashes(6.0, 2.6, street.dash_shift)[:, None]
    if street.junction is not None:
        cover *= 1.0 - patch.beam(street.junction.near - 0.5, street.junction.far + 0.5)[:, None]
    paint = PAINT_YELLOW if kind == "yellow" else PAINT_WHITE
    colour += (as_planes(_squared(paint)) - colour) * cover


def _zebra(patch: Patch, street: Street, colour: Floats, z: float) -> None:
    across = np.broadcast_to(patch.across[:, None], patch.s.shape)
    stripes = _repeated(patch.s, across, 1.0, 0.5, 0.25) * patch.beam(z, z + 2.8)[:, None]
    cover = stripes * patch.strip(-street.half + 0.2, street.half - 0.2) * np.float32(0.85)
    colour += (as_planes(_squared(PAINT_WHITE)) - colour) * cover


def _arriving(patch: Patch, light: Light, street: Street, shade: Shade) -> Floats:
    """Light on the ground [3, h, w]: sun, less the shadows of houses and trees, and sky."""
    up = (0.0, 1.0, 0.0)
    lit, unlit = as_planes(light.on(up)), as_planes(light.on(up, 0.0))
    shadow = shade.at(patch.s, patch.z[:, None])
    for tree in street.trees:
        _tree_shadow(patch, light, tree, shadow)
    for side in (street.left, street.right):
        shadow = np.maximum(shadow, _corner(patch, side))
    return lit + (unlit - lit) * shadow


def _tree_shadow(patch: Patch, light: Light, tree: Tree, shadow: Floats) -> None:
    """An uneven ellipse where the crown's middle falls."""
    x, y, z = light.towards_sun
    middle = (tree.height + tree.trunk) / 2 / max(y, 0.12)
    s, ahead = tree.s - x * middle, tree.z - z * middle
    reach = np.float32(tree.crown * 1.25)
    rows = np.flatnonzero(np.abs(patch.z - np.float32(ahead)) < reach)
    if rows.size == 0:
        return
    part = slice(int(rows[0]), int(rows[-1]) + 1)
    from_s = (patch.s[part] - np.float32(s)) / reach
    from_z = ((patch.z[part] - np.float32(ahead)) / reach)[:, None]
    leaves = look_up("leaf", patch.s[part] * 9.0 + np.float32(tree.key), patch.z[part, None] * 9.0)
    cover = clipped((1.05 - from_s * from_s - from_z * from_z) * 1.5 - leaves * 0.9 + 0.25, 0.0, 0.95)
    np.maximum(shadow[part], cover, out=shadow[part])


def _corner(patch: Patch, side: Side) -> Floats:
    """The dim strip at the foot of the houses."""
    distance = np.abs(patch.s * np.float32(side.sign) - np.float32(side.front))
    return clipped(0.5 - distance * 0.9, 0.0, 0.5)
