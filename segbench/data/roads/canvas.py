"""The picture and its label map, and the shapes that are painted on both.

Every shape is a signed distance to its edge in pixels; the share of a pixel that it covers is that distance plus a
half, clipped to [0, 1]. A pixel takes the label of the last shape that covers more than half of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segbench.data.roads.camera import Pixel
from segbench.data.roads.floats import Floats, clipped, root
from segbench.data.roads.light import Colour
from segbench.specs import IGNORE_INDEX

__all__ = ["Canvas", "Window", "as_planes", "faded"]

HALF = np.float32(0.5)


class Window(NamedTuple):
    """A rectangle of whole pixels inside the picture."""

    rows: slice
    columns: slice


def as_planes(colour: Colour) -> Floats:
    """float32 [3, 1, 1] of a colour."""
    return np.array(colour, np.float32).reshape(3, 1, 1)


def faded(top: Colour, bottom: Colour, rows: int) -> Floats:
    """float32 [3, rows, 1] that runs from ``top`` to ``bottom``."""
    share = ((np.arange(rows, dtype=np.float32) + HALF) / np.float32(rows)).reshape(1, rows, 1)
    first = as_planes(top)
    return first + (as_planes(bottom) - first) * share


class Canvas:
    """float32 image [3, H, W] of linear light, and uint8 labels [H, W]; everything starts black and void."""

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width
        self.image: Floats = np.zeros((3, height, width), np.float32)
        self.labels: NDArray[np.uint8] = np.full((height, width), IGNORE_INDEX, np.uint8)
        self.rows: Floats = np.arange(height, dtype=np.float32) + HALF
        self.columns: Floats = np.arange(width, dtype=np.float32) + HALF

    def window(self, left: float, top: float, right: float, bottom: float) -> Window | None:
        """The pixels that a shape within these bounds can touch, ``None`` where it lies outside the picture."""
        first_column, last_column = max(0, int(left - 0.5)), min(self.width, int(right + 1.5))
        first_row, last_row = max(0, int(top - 0.5)), min(self.height, int(bottom + 1.5))
        if right < -1 or bottom < -1 or first_column >= last_column or first_row >= last_row:
            return None
        return Window(slice(first_row, last_row), slice(first_column, last_column))

    def blend(self, window: Window, cover: Floats, colour: Floats, label: int | None = None) -> None:
        """Lays ``colour`` (made [3, h, w]) over the window by ``cover`` [h, w]; the label where that is over half."""
        region = self.image[:, window.rows, window.columns]
        region += (colour - region) * cover
        if label is not None:
            self.mark(window, cover > HALF, label)

    def mark(self, window: Window, where: NDArray[np.bool_], label: int) -> None:
        """Sets the label where ``where`` [h, w] is true."""
        np.copyto(self.labels[window.rows, window.columns], np.uint8(label), where=where)

    def darken(self, window: Window, cover: Floats, factor: Colour) -> None:
        """Multiplies the window by ``factor`` as far as ``cover`` says."""
        region = self.image[:, window.rows, window.columns]
        region *= 1.0 + (as_planes(factor) - np.float32(1.0)) * cover

    def polygon(
        self,
        corners: Sequence[Pixel],
        colour: Colour,
        label: int | None = None,
        *,
        bottom: Colour | None = None,
        opacity: float = 1.0,
    ) -> None:
        """A convex polygon, in either direction round; ``bottom`` makes the colour run from top to bottom."""
        window = self._bounds(corners)
        if window is None:
            return
        cover = self._inside(corners, window)
        if cover is None:
            return
        if opacity < 1.0:
            cover *= np.float32(opacity)
        rows = window.rows.stop - window.rows.start
        self.blend(window, cover, as_planes(colour) if bottom is None else faded(colour, bottom, rows), label)

    def shade_polygon(self, corners: Sequence[Pixel], factor: Colour, softness: float = 1.0) -> None:
        """Darkens a convex polygon; the edge is ``softness`` pixels wide."""
        window = self._bounds(corners)
        cover = None if window is None else self._inside(corners, window, softness)
        if window is not None and cover is not None:
            self.darken(window, cover, factor)

    def _bounds(self, corners: Sequence[Pixel]) -> Window | None:
        columns = [corner[0] for corner in corners]
        rows = [corner[1] for corner in corners]
        return self.window(min(columns), min(rows), max(columns), max(rows))

    def _inside(self, corners: Sequence[Pixel], window: Window, softness: float = 1.0) -> Floats | None:
        edges = _edges(corners)
        if edges is None:
            return None
        a, b, c = np.array(edges, np.float32).T[:, :, None]
        across = a * self.columns[window.columns] + c
        down = b * self.rows[window.rows]
        distance: Floats = np.minimum.reduce(down[:, :, None] + across[:, None, :], axis=0)
        if softness != 1.0:
            distance /= np.float32(softness)
        distance += HALF
        return clipped(distance)

    def capsule(
        self, start: Pixel, end: Pixel, radius: float, colour: Colour, label: int | None = None, *, opacity: float = 1.0
    ) -> None:
        """A line with round ends; thinner than a pixel it fades instead."""
        if radius < HALF:
            opacity *= 2.0 * radius
            radius = 0.5
        window = self.window(
            min(start[0], end[0]) - radius,
            min(start[1], end[1]) - radius,
            max(start[0], end[0]) + radius,
            max(start[1], end[1]) + radius,
        )
        if window is None:
            return
        cover = clipped(np.float32(radius + 0.5) - self._from_line(start, end, window))
        if opacity < 1.0:
            cover *= np.float32(opacity)
        self.blend(window, cover, as_planes(colour), label)

    def _from_line(self, start: Pixel, end: Pixel, window: Window) -> Floats:
        x = self.columns[window.columns] - np.float32(start[0])
        y = (self.rows[window.rows] - np.float32(start[1]))[:, None]
        dx, dy = end[0] - start[0], end[1] - start[1]
        square = dx * dx + dy * dy
        if square > 1e-9:
            reached = clipped(x * np.float32(dx / square) + y * np.float32(dy / square))
            x = x - reached * np.float32(dx)
            y = y - reached * np.float32(dy)
        return root(x * x + y * y)

    def ellipse(
        self,
        centre: Pixel,
        radii: tuple[float, float],
        colour: Colour,
        label: int | None = None,
        *,
        opacity: float = 1.0,
    ) -> None:
        """An upright ellipse; smaller than a pixel it fades instead."""
        across, down = max(radii[0], 0.5), max(radii[1], 0.5)
        opacity *= min(1.0, radii[0] * 2.0) * min(1.0, radii[1] * 2.0)
        window = self.window(centre[0] - across, centre[1] - down, centre[0] + across, centre[1] + down)
        if window is None:
            return
        cover = clipped((1.0 - self._radius(centre, (across, down), window)) * np.float32(min(across, down)) + HALF)
        if opacity < 1.0:
            cover *= np.float32(opacity)
        self.blend(window, cover, as_planes(colour), label)

    def ring(self, centre: Pixel, radii: tuple[float, float], thickness: float, colour: Colour) -> None:
        """The rim of an upright ellipse, ``thickness`` pixels wide; labels stay."""
        across, down = max(radii[0], 0.5), max(radii[1], 0.5)
        window = self.window(centre[0] - across - 1, centre[1] - down - 1, centre[0] + across + 1, centre[1] + down + 1)
        if window is None:
            return
        off = np.abs(self._radius(centre, (across, down), window) - 1.0) * np.float32((across + down) * 0.5)
        cover = clipped(np.float32(max(thickness, 1.0) * 0.5 + 0.5) - off) * np.float32(min(thickness, 1.0))
        self.blend(window, cover, as_planes(colour))

    def shade_ellipse(self, centre: Pixel, radii: tuple[float, float], factor: Colour) -> None:
        """Darkens a soft ellipse, fully in its middle and not at its rim."""
        window = self.window(centre[0] - radii[0], centre[1] - radii[1], centre[0] + radii[0], centre[1] + radii[1])
        if window is None:
            return
        cover = clipped((1.0 - self._radius(centre, radii, window)) * np.float32(1.6))
        self.darken(window, cover, factor)

    def within_ellipse(self, centre: Pixel, radii: tuple[float, float], window: Window) -> NDArray[np.bool_]:
        """Whether the middle of each pixel of the window lies in the ellipse."""
        return self._radius(centre, radii, window) <= np.float32(1.0)

    def _radius(self, centre: Pixel, radii: tuple[float, float], window: Window) -> Floats:
        """1 on the rim, 0 in the middle."""
        x = (self.columns[window.columns] - np.float32(centre[0])) / np.float32(radii[0])
        y = (self.rows[window.rows] - np.float32(centre[1])) / np.float32(radii[1])
        return root((x * x)[None, :] + (y * y)[:, None])


def _edges(corners: Sequence[Pixel]) -> list[tuple[float, float, float]] | None:
    """(a, b, c) of each edge, so that a x + b y + c is the distance inwards; ``None`` for a sliver."""
    count = len(corners)
    area = 0.0
    for index in range(count):
        (x0, y0), (x1, y1) = corners[index - 1], corners[index]
        area += x0 * y1 - x1 * y0
    if abs(area) < 0.3:
        return None
    turn = 1.0 if area > 0 else -1.0
    edges = []
    for index in range(count):
        (x0, y0), (x1, y1) = corners[index - 1], corners[index]
        dx, dy = x1 - x0, y1 - y0
        length = math.sqrt(dx * dx + dy * dy)
        if length > 1e-6:
            a, b = -dy * turn / length, dx * turn / length
            edges.append((a, b, -(a * x0 + b * y0)))
    return edges
