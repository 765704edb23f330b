"""Lamp posts, traffic lights, signs, and the small things that no class covers."""

from __future__ import annotations

import numpy as np

from segbench.data.roads.camera import Camera, Pixel
from segbench.data.roads.canvas import Canvas
from segbench.data.roads.classes import POLE, SIGN, VOID
from segbench.data.roads.floats import clipped
from segbench.data.roads.light import Colour, Light, scaled
from segbench.data.roads.street import Pole, Sign, Void

__all__ = ["paint_bonnet", "paint_pole", "paint_void"]

RED, WHITE, BLUE = (0.74, 0.08, 0.09), (0.92, 0.92, 0.90), (0.08, 0.22, 0.62)
DARK = (0.08, 0.09, 0.09)

# Half the width in pixels that a pole keeps, however far: thinner ones would come and go from row to row.
NARROWEST = 0.75


def paint_pole(canvas: Canvas, camera: Camera, light: Light, pole: Pole, sunlit: float) -> None:
    """The column, its lamp, and its signs."""
    scale = camera.scale(pole.z)
    colour = light.seen(pole.paint, light.upright(sunlit), pole.z)
    foot, top = camera.project(pole.s, 0.0, pole.z), camera.project(pole.s, pole.height, pole.z)
    radius = max(pole.radius * scale, NARROWEST)
    canvas.polygon(
        [
            (foot[0] - radius, foot[1]),
            (foot[0] + radius, foot[1]),
            (top[0] + radius * 0.8, top[1]),
            (top[0] - radius * 0.8, top[1]),
        ],
        colour,
        POLE,
    )
    canvas.capsule((foot[0], foot[1] - radius), (foot[0], foot[1] - 1.1 * scale), radius * 1.35, colour, POLE)
    if radius > 1.6:
        side = radius * (0.35 if light.towards_sun[0] > 0 else -0.35)
        canvas.capsule(
            (foot[0] + side, foot[1] - radius),
            (top[0] + side, top[1]),
            radius * 0.3,
            scaled(colour, 1.0 + 0.45 * sunlit),
        )
    if pole.arm:
        _lamp(canvas, camera, light, pole, colour, top)
    for sign in pole.signs:
        _paint_sign(canvas, camera, light, pole, sign, sunlit)


def _lamp(canvas: Canvas, camera: Camera, light: Light, pole: Pole, colour: Colour, top: Pixel) -> None:
    scale = camera.scale(pole.z)
    end = top[0] + pole.arm * scale, top[1] - 0.25 * scale
    canvas.capsule(top, end, max(0.06 * scale, 0.6), colour, POLE)
    glow = (2.4, 1.9, 1.1) if light.lamps else scaled(colour, 1.25)
    canvas.capsule(
        end,
        (end[0] - 0.4 * (1 if pole.arm > 0 else -1) * scale, end[1] + 0.03 * scale),
        max(0.11 * scale, 0.45),
        glow,
        POLE,
    )


def _paint_sign(canvas: Canvas, camera: Camera, light: Light, pole: Pole, sign: Sign, sunlit: float) -> None:
    scale = camera.scale(pole.z)
    centre = camera.project(pole.s, sign.y, pole.z)
    arriving = light.on((0.0, 0.2, -0.98), sunlit)

    def seen(paint: Colour) -> Colour:
        return light.seen(paint, arriving, pole.z)

    half = sign.size / 2 * scale
    if sign.kind == "lights":
        _traffic_lights(canvas, light, pole, centre, half, seen(DARK))
    elif sign.kind == "round":
        canvas.ellipse(centre, (half, half), seen(sign.paint), SIGN)
        canvas.ellipse(centre, (half * 0.68, half * 0.68), seen(WHITE if sign.paint == RED else sign.paint))
        canvas.capsule(
            (centre[0] - half * 0.3, centre[1]),
            (centre[0] + half * 0.3, centre[1]),
            half * 0.16,
            seen(DARK if sign.paint == RED else WHITE),
        )
    elif sign.kind == "triangle":
        canvas.polygon(_triangle(centre, half), seen(RED), SIGN)
        canvas.polygon(_triangle((centre[0], centre[1] + half * 0.06), half * 0.58), seen(WHITE))
        canvas.capsule(
            (centre[0], centre[1] - half * 0.15), (centre[0], centre[1] + half * 0.3), half * 0.1, seen(DARK)
        )
    else:
        _board(canvas, centre, half, seen(sign.paint), seen(WHITE))


def _triangle(centre: Pixel, half: float) -> list[Pixel]:
    x, y = centre
    return [(x, y - half * 1.1), (x + half * 1.12, y + half * 0.8), (x - half * 1.12, y + half * 0.8)]


def _board(canvas: Canvas, centre: Pixel, half: float, paint: Colour, white: Colour) -> None:
    """A direction sign: rim, field and two lines of writing."""
    x, y = centre
    tall = half * 0.62

    def rectangle(across: float, down: float, colour: Colour, label: int | None = None, lower: float = 0.0) -> None:
        canvas.polygon(
            [
                (x - across, y - down + lower),
                (x + across, y - down + lower),
                (x + across, y + down + lower),
                (x - across, y + down + lower),
            ],
            colour,
            label,
        )

    rectangle(half, tall, white, SIGN)
    rectangle(half * 0.93, tall * 0.88, paint)
    for lower, across in ((-0.36, 0.7), (0.30, 0.5)):
        rectangle(half * across, tall * 0.15, white, None, tall * lower)


def _traffic_lights(canvas: Canvas, light: Light, pole: Pole, centre: Pixel, half: float, case: Colour) -> None:
    x, y = centre
    wide = half * 0.42
    canvas.polygon([(x - wide, y - half), (x + wide, y - half), (x + wide, y + half), (x - wide, y + half)], case, SIGN)
    lit = int(pole.z * 7) % 3
    for index, paint in enumerate(((1.5, 0.10, 0.06), (1.5, 0.75, 0.06), (0.08, 1.3, 0.45))):
        glow = paint if index == lit else scaled(paint, 0.09)
        canvas.ellipse((x, y + (index - 1) * half * 0.62), (half * 0.26, half * 0.26), glow)


def paint_void(canvas: Canvas, camera: Camera, light: Light, thing: Void, sunlit: float) -> None:
    """A bin, post box, bollard-like cone, dog or bench."""
    scale = camera.scale(thing.z) * thing.size
    foot = camera.project(thing.s, 0.0, thing.z)
    colour = light.seen(thing.paint, light.upright(sunlit), thing.z)
    PAINTERS[thing.kind](canvas, foot, scale, colour, light.seen(WHITE, light.upright(sunlit), thing.z))


def _bin(canvas: Canvas, foot: Pixel, scale: float, colour: Colour, white: Colour) -> None:
    x, y = foot
    canvas.polygon(
        [
            (x - 0.26 * scale, y),
            (x + 0.26 * scale, y),
            (x + 0.31 * scale, y - 0.95 * scale),
            (x - 0.31 * scale, y - 0.95 * scale),
        ],
        scaled(colour, 1.1),
        VOID,
        bottom=scaled(colour, 0.6),
    )
    canvas.capsule(
        (x - 0.27 * scale, y - 0.98 * scale),
        (x + 0.27 * scale, y - 1.0 * scale),
        0.07 * scale,
        scaled(colour, 1.3),
        VOID,
    )


def _post_box(canvas: Canvas, foot: Pixel, scale: float, colour: Colour, white: Colour) -> None:
    x, y = foot
    canvas.polygon(
        [
            (x - 0.24 * scale, y),
            (x + 0.24 * scale, y),
            (x + 0.24 * scale, y - 1.35 * scale),
            (x - 0.24 * scale, y - 1.35 * scale),
        ],
        colour,
        VOID,
    )
    canvas.ellipse((x, y - 1.36 * scale), (0.28 * scale, 0.14 * scale), scaled(colour, 1.2), VOID)
    canvas.capsule(
        (x - 0.1 * scale, y - 1.15 * scale), (x + 0.1 * scale, y - 1.15 * scale), 0.03 * scale, scaled(colour, 0.2)
    )


def _cone(canvas: Canvas, foot: Pixel, scale: float, colour: Colour, white: Colour) -> None:
    x, y = foot
    canvas.capsule(
        (x - 0.25 * scale, y - 0.03 * scale),
        (x + 0.25 * scale, y - 0.03 * scale),
        0.04 * scale,
        scaled(colour, 0.7),
        VOID,
    )
    canvas.polygon(
        [
            (x - 0.2 * scale, y - 0.05 * scale),
            (x + 0.2 * scale, y - 0.05 * scale),
            (x + 0.04 * scale, y - 0.75 * scale),
            (x - 0.04 * scale, y - 0.75 * scale),
        ],
        colour,
        VOID,
    )
    canvas.polygon(
        [
            (x - 0.145 * scale, y - 0.3 * scale),
            (x + 0.145 * scale, y - 0.3 * scale),
            (x + 0.1 * scale, y - 0.47 * scale),
            (x - 0.1 * scale, y - 0.47 * scale),
        ],
        white,
    )


def _dog(canvas: Canvas, foot: Pixel, scale: float, colour: Colour, white: Colour) -> None:
    x, y = foot
    for at in (-0.3, -0.22, 0.22, 0.3):
        canvas.capsule(
            (x + at * scale, y - 0.03 * scale),
            (x + at * 0.9 * scale, y - 0.35 * scale),
            0.045 * scale,
            scaled(colour, 0.8),
            VOID,
        )
    canvas.capsule(
        (x - 0.27 * scale, y - 0.45 * scale), (x + 0.27 * scale, y - 0.47 * scale), 0.14 * scale, colour, VOID
    )
    canvas.capsule((x - 0.36 * scale, y - 0.5 * scale), (x - 0.5 * scale, y - 0.7 * scale), 0.035 * scale, colour, VOID)
    canvas.capsule((x + 0.3 * scale, y - 0.55 * scale), (x + 0.38 * scale, y - 0.68 * scale), 0.1 * scale, colour, VOID)
    canvas.capsule(
        (x + 0.4 * scale, y - 0.68 * scale),
        (x + 0.52 * scale, y - 0.64 * scale),
        0.06 * scale,
        scaled(colour, 0.9),
        VOID,
    )


def _bench(canvas: Canvas, foot: Pixel, scale: float, colour: Colour, white: Colour) -> None:
    x, y = foot
    for at in (-0.6, 0.6):
        canvas.capsule((x + at * scale, y), (x + at * scale, y - 0.85 * scale), 0.04 * scale, scaled(colour, 0.5), VOID)
    for up in (0.44, 0.62, 0.8):
        canvas.capsule(
            (x - 0.75 * scale, y - up * scale), (x + 0.75 * scale, y - up * scale), 0.06 * scale, colour, VOID
        )


PAINTERS = {"bin": _bin, "post box": _post_box, "cone": _cone, "dog": _dog, "bench": _bench}


def paint_bonnet(canvas: Canvas, light: Light, paint: Colour) -> None:
    """The camera car's own bonnet along the lower edge."""
    across = (canvas.columns / np.float32(canvas.width) - np.float32(0.5)) * np.float32(2.0)
    rise = np.float32(0.085 * canvas.height) * (1.0 - across * across * np.float32(0.55))
    window = canvas.window(0, canvas.height * 0.90, canvas.width, canvas.height)
    if window is None:
        return
    below = canvas.rows[window.rows, None] - (np.float32(canvas.height) - rise)[None, :]
    cover = clipped(below + np.float32(0.5))
    lit = light.seen(paint, light.on((0.0, 1.0, 0.0)), 1.0)
    shine = clipped(1.0 - below / np.float32(0.03 * canvas.height))
    colour = np.array(scaled(lit, 0.6), np.float32).reshape(3, 1, 1)
    colour = colour + (np.array(light.skyline, np.float32).reshape(3, 1, 1) - colour) * shine * np.float32(0.5)
    canvas.blend(window, cover, colour, VOID)
