"""Cars, vans and buses as boxes with a cabin, seen in perspective: near end, the flank on the camera's side, roof."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.data.roads.camera import Camera, Pixel
from segbench.data.roads.canvas import Canvas
from segbench.data.roads.classes import CAR
from segbench.data.roads.light import Colour, Light, mixed, scaled
from segbench.data.roads.street import Car

__all__ = ["paint_car"]

RUBBER = (0.09, 0.09, 0.10)
METAL = (0.62, 0.63, 0.65)
GLASS = (0.13, 0.16, 0.19)
PLATE = {True: (0.85, 0.72, 0.20), False: (0.86, 0.86, 0.84)}

# Outline in the side view from the near end (0) to the far end (1) of a vehicle that drives away: share of its length,
# share of its height. An oncoming one is mirrored.
Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Shape:
    """The side view of a kind of vehicle, in shares of its length and height; near end = rear end."""

    body: Outline
    cabin: Outline
    glass: tuple[Outline, ...]
    belt: float
    wheels: tuple[float, float]
    wheel: float
    half: tuple[float, float] = (0.92, 0.76)
    screen: float = 0.93

    def reach(self, height: float) -> float:
        """Half the width of the cabin at ``height``, in halves of the vehicle's width."""
        share = min(max((height - self.belt) / (1.0 - self.belt), 0.0), 1.0)
        return self.half[0] + (self.half[1] - self.half[0]) * share


SHAPES = {
    "saloon": Shape(
        ((0.0, 0.20), (0.0, 0.60), (0.02, 0.66), (0.20, 0.68), (0.74, 0.66), (0.97, 0.56), (1.0, 0.48), (1.0, 0.20)),
        ((0.12, 0.66), (0.26, 0.98), (0.32, 1.0), (0.54, 1.0), (0.60, 0.97), (0.78, 0.64)),
        (
            ((0.19, 0.68), (0.285, 0.94), (0.42, 0.95), (0.42, 0.68)),
            ((0.44, 0.68), (0.44, 0.95), (0.575, 0.94), (0.71, 0.67)),
        ),
        0.66, (0.20, 0.80), 0.22,
    ),
    "hatch": Shape(
        ((0.0, 0.20), (0.0, 0.58), (0.02, 0.64), (0.72, 0.64), (0.96, 0.55), (1.0, 0.47), (1.0, 0.20)),
        ((0.01, 0.63), (0.10, 0.97), (0.16, 1.0), (0.50, 1.0), (0.56, 0.97), (0.76, 0.62)),
        (
            ((0.08, 0.66), (0.15, 0.93), (0.34, 0.94), (0.34, 0.66)),
            ((0.36, 0.66), (0.36, 0.94), (0.54, 0.93), (0.69, 0.65)),
        ),
        0.63, (0.18, 0.81), 0.215,
    ),
    "van": Shape(
        ((0.0, 0.14), (0.0, 0.52), (0.78, 0.52), (0.97, 0.42), (1.0, 0.36), (1.0, 0.14)),
        ((0.0, 0.50), (0.01, 0.97), (0.03, 1.0), (0.66, 1.0), (0.71, 0.97), (0.86, 0.50)),
        (((0.62, 0.56), (0.62, 0.88), (0.70, 0.88), (0.80, 0.56)),),
        0.52, (0.17, 0.82), 0.16, (0.98, 0.92), 0.86,
    ),
    "bus": Shape(
        ((0.0, 0.09), (0.0, 0.40), (1.0, 0.40), (1.0, 0.09)),
        ((0.0, 0.39), (0.0, 0.98), (0.01, 1.0), (0.99, 1.0), (1.0, 0.98), (1.0, 0.39)),
        tuple(
            ((a, 0.45), (a, 0.80), (a + 0.145, 0.80), (a + 0.145, 0.45)) for a in (0.02, 0.18, 0.34, 0.50, 0.66, 0.82)
        ),
        0.40, (0.22, 0.78), 0.15, (1.0, 0.97), 0.82,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Painter:
    """One vehicle on its way to the canvas."""

    canvas: Canvas
    camera: Camera
    light: Light
    car: Car
    sunlit: float

    def point(self, along: float, height: float, across: float) -> Pixel:
        """``along`` 0..1 from the near end, ``height`` 0..1, ``across`` -1..1 from left to right."""
        car = self.car
        return self.camera.project(car.s + across * car.width / 2, height * car.height, car.z + along * car.length)

    def colour(self, paint: Colour, normal: tuple[float, float, float], along: float = 0.0) -> Colour:
        return self.light.seen(paint, self.light.on(normal, self.sunlit), self.car.z + along * self.car.length)


def paint_car(canvas: Canvas, camera: Camera, light: Light, car: Car, sunlit: float) -> None:
    """Paints the parts from far to near."""
    painter = _Painter(canvas, camera, light, car, sunlit)
    shape = SHAPES[car.kind]
    pixels = car.height * camera.scale(car.z)
    across = -1.0 if camera.sideways(car.s, car.z) > 0 else 1.0
    _flank(painter, shape, across, pixels)
    _top(painter, shape)
    _near_end(painter, shape, pixels)


def _side(shape: Outline, away: bool) -> Outline:
    return shape if away else tuple((1.0 - along, height) for along, height in shape)


def _flank(painter: _Painter, shape: Shape, across: float, pixels: float) -> None:
    car, normal = painter.car, (across, 0.0, 0.0)
    paint, glass = painter.colour(car.paint, (across * 0.9, 0.43, 0.0)), _pane(painter, normal)
    shadow = painter.colour(RUBBER, normal)

    def line(outline: Outline) -> list[Pixel]:
        return [
            painter.point(along, height, across * shape.reach(height)) for along, height in _side(outline, car.away)
        ]

    painter.canvas.polygon(
        [
            painter.point(a, h, b)
            for a, h, b in ((0.03, 0.02, -0.9), (0.97, 0.02, -0.9), (0.97, 0.3, across), (0.03, 0.3, across))
        ],
        shadow,
        CAR,
    )
    painter.canvas.polygon(line(shape.cabin), paint, CAR)
    for pane in shape.glass if pixels > 7 else ():
        painter.canvas.polygon(line(pane), glass[0], bottom=glass[1])
    body = [painter.point(along, height, across) for along, height in _side(shape.body, car.away)]
    painter.canvas.polygon(body, paint, CAR, bottom=scaled(paint, 0.55))
    _wheels(painter, shape, across, pixels)


def _wheels(painter: _Painter, shape: Shape, across: float, pixels: float) -> None:
    car, camera = painter.car, painter.camera
    radius = shape.wheel * car.height
    for share in shape.wheels:
        along = share if car.away else 1.0 - share
        z = car.z + along * car.length
        middle = painter.point(along, shape.wheel, across)
        left, right = (
            painter.point(along - radius / car.length, 0.2, across),
            painter.point(along + radius / car.length, 0.2, across),
        )
        half, tall = abs(right[0] - left[0]) / 2, radius * camera.scale(z)
        painter.canvas.ellipse(middle, (half, tall), painter.colour(RUBBER, (across, 0.0, 0.0)), CAR)
        if pixels > 18:
            painter.canvas.ellipse(middle, (half * 0.56, tall * 0.56), painter.colour(METAL, (across * 0.8, 0.3, -0.5)))


def _top(painter: _Painter, shape: Shape) -> None:
    """Roof, and the bonnet or boot that the camera looks down on."""
    car, eye = painter.car, painter.camera.eye / painter.car.height
    nose, foot = _nose(shape, car.away), _screen_foot(shape, car.away)
    if eye > nose and foot > 0.04:
        corners = ((0.0, nose, -0.98), (foot, shape.belt, -1.0), (foot, shape.belt, 1.0), (0.0, nose, 0.98))
        up = painter.colour(car.paint, (0.0, 0.96, -0.28), 0.1)
        painter.canvas.polygon([painter.point(*corner) for corner in corners], scaled(up, 0.92), CAR)
    if eye > 1.0:
        high = [along for along, height in _side(shape.cabin, car.away) if height > 0.99]
        first, last, half = min(high), max(high), shape.reach(1.0)
        roof = ((first, -half), (last, -half), (last, half), (first, half))
        up = painter.colour(car.paint, (0.0, 1.0, 0.0), 0.5)
        painter.canvas.polygon([painter.point(along, 1.0, at) for along, at in roof], up, CAR)


def _nose(shape: Shape, away: bool) -> float:
    """Height of the body at its near end."""
    return max(height for along, height in _side(shape.body, away) if along < 0.05)


def _screen_foot(shape: Shape, away: bool) -> float:
    """How far from the near end the near screen begins."""
    return min(along for along, _ in _side(shape.cabin, away))


def _pane(painter: _Painter, normal: tuple[float, float, float]) -> tuple[Colour, Colour]:
    """Glass from its upper edge, which mirrors the sky, to its lower one."""
    dark = painter.colour(GLASS, normal)
    return mixed(dark, painter.light.skyline, 0.30), dark


def _near_end(painter: _Painter, shape: Shape, pixels: float) -> None:
    """Screen, body, and what is on them."""
    car, canvas = painter.car, painter.canvas
    paint = painter.colour(car.paint, (0.0, 0.2, -0.98))
    nose, lower = _nose(shape, car.away), _screen_foot(shape, car.away)
    upper = min(along for along, height in _side(shape.cabin, car.away) if height > 0.96)
    foot = shape.belt - 0.02
    top, bottom = shape.reach(0.985), shape.reach(foot)
    cabin = [(upper, 0.985, -top), (upper, 0.985, top), (lower, foot, bottom), (lower, foot, -bottom)]
    canvas.polygon([painter.point(*corner) for corner in cabin], painter.colour(car.paint, (0.0, 0.6, -0.8)), CAR)
    if pixels > 5 and not (car.kind == "van" and car.away):
        _screen(painter, shape, upper, lower)
    half = ((shape.body[0][1], 0.97), (nose - 0.10, 1.0), (nose, 0.98))
    body = [painter.point(0.0, height, -at) for height, at in half] + [
        painter.point(0.0, height, at) for height, at in reversed(half)
    ]
    canvas.polygon(body, scaled(paint, 1.06), CAR, bottom=scaled(paint, 0.62))
    if pixels > 4:
        _tyres(painter)
        _lamps(painter, nose)
    if pixels > 13:
        _bumper(painter, nose)


def _screen(painter: _Painter, shape: Shape, upper: float, lower: float) -> None:
    foot = shape.belt - 0.02
    run = (upper - lower) / (0.985 - foot)
    levels = [
        (lower + run * (height - foot), height, shape.reach(height) - 0.08) for height in (shape.screen, foot + 0.04)
    ]
    glass = _pane(painter, (0.0, 0.45, -0.9))
    (a, h, w), (a_low, h_low, w_low) = levels
    corners = [(a, h, -w), (a, h, w), (a_low, h_low, w_low), (a_low, h_low, -w_low)]
    painter.canvas.polygon([painter.point(*corner) for corner in corners], glass[0], bottom=glass[1])


def _rectangle(
    painter: _Painter, low: float, high: float, left: float, right: float, paint: Colour, label: int | None = None
) -> None:
    corners = ((0.0, low, left), (0.0, low, right), (0.0, high, right), (0.0, high, left))
    painter.canvas.polygon([painter.point(*corner) for corner in corners], paint, label)


def _tyres(painter: _Painter) -> None:
    rubber = painter.colour(RUBBER, (0.0, 0.0, -1.0))
    for left, right in ((-0.92, -0.66), (0.66, 0.92)):
        _rectangle(painter, 0.0, 0.22, left, right, rubber, CAR)


def _lamps(painter: _Painter, nose: float) -> None:
    """Red ones behind, white ones in front; at dusk they shine."""
    car = painter.car
    high, low = nose - 0.05, nose - (0.20 if car.away else 0.15)
    paint = (0.72, 0.08, 0.07) if car.away else (0.90, 0.90, 0.86)
    colour = painter.colour(paint, (0.0, 0.3, -0.95))
    if painter.light.lamps:
        colour = mixed(colour, (0.75, 0.06, 0.04) if car.away else (2.2, 2.0, 1.6), 0.8)
    for left, right in ((-0.95, -0.66), (0.66, 0.95)):
        _rectangle(painter, low, high, left, right, colour)


def _bumper(painter: _Painter, nose: float) -> None:
    car = painter.car
    dark = painter.colour((0.16, 0.16, 0.17), (0.0, 0.2, -0.98))
    _rectangle(painter, 0.21, 0.30, -0.90, 0.90, dark)
    if not car.away:
        _rectangle(painter, nose - 0.16, nose - 0.07, -0.5, 0.5, dark)
    plate = painter.colour(PLATE[car.away], (0.0, 0.0, -1.0))
    height = 0.31 if not car.away else nose - 0.20
    _rectangle(painter, height, height + 0.08, -0.27, 0.27, plate)
