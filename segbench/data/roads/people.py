"""Pedestrians and bicyclists: limbs, trunk and head in an upright plane, seen from the side or from behind."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.data.roads.camera import Camera, Pixel
from segbench.data.roads.canvas import Canvas
from segbench.data.roads.classes import BICYCLIST, PEDESTRIAN
from segbench.data.roads.light import Colour, Light, mixed, scaled
from segbench.data.roads.street import Cyclist, Person

__all__ = ["paint_cyclist", "paint_person"]

BLACK = (0.10, 0.10, 0.11)


@dataclass(frozen=True)
class Figure:
    """A figure's own plane: ``x`` metres forward (seen at ``turn`` of its length), ``y`` metres up."""

    canvas: Canvas
    foot: Pixel
    scale: float
    turn: float
    light: Light
    arriving: Colour
    z: float
    label: int

    def at(self, x: float, y: float, aside: float = 0.0) -> Pixel:
        """The pixel; ``aside`` metres are to the right in the picture, whatever the turn."""
        return self.foot[0] + (x * self.turn + aside) * self.scale, self.foot[1] - y * self.scale

    def colour(self, paint: Colour) -> Colour:
        return self.light.seen(paint, self.arriving, self.z)

    def limb(self, start: Pixel, end: Pixel, thick: float, paint: Colour) -> None:
        """A round-ended line ``thick`` metres wide between two pixels."""
        self.canvas.capsule(start, end, max(thick / 2 * self.scale, 0.42), self.colour(paint), self.label)

    def ball(self, centre: Pixel, across: float, down: float, paint: Colour) -> None:
        """An ellipse with radii in metres."""
        self.canvas.ellipse(centre, (across * self.scale, down * self.scale), self.colour(paint), self.label)


def paint_person(canvas: Canvas, camera: Camera, light: Light, person: Person, sunlit: float) -> None:
    """Somebody who stands or walks."""
    scale = camera.scale(person.z) * person.height / 1.75
    foot, arriving = camera.project(person.s, 0.0, person.z), light.upright(sunlit)
    figure = Figure(canvas, foot, scale, person.turn, light, arriving, person.z, PEDESTRIAN)
    _legs(figure, person)
    _trunk(figure, person)
    _head(figure, person.skin, person.hair, 0.02, 1.60)


def _legs(figure: Figure, person: Person) -> None:
    for side, shade in ((-1, 0.75), (1, 1.0)):
        foot = figure.at(side * person.stride * 0.34, 0.06, side * 0.075)
        knee = figure.at(side * person.stride * 0.20 + 0.05, 0.48, side * 0.08)
        hip = figure.at(0.0, 0.92, side * 0.08)
        paint = scaled(person.skin if person.skirt else person.legs, shade)
        figure.limb(hip, knee, 0.17, paint)
        figure.limb(knee, foot, 0.13, paint)
        if figure.scale > 18:
            figure.limb(
                figure.at(side * person.stride * 0.34, 0.045, side * 0.075),
                figure.at(side * person.stride * 0.34 + 0.14, 0.04, side * 0.075),
                0.09,
                BLACK,
            )
    if person.skirt:
        low, high = 0.52, 0.98
        corners = [
            figure.at(0, low, -0.25),
            figure.at(0, low, 0.25),
            figure.at(0, high, 0.16),
            figure.at(0, high, -0.16),
        ]
        figure.canvas.polygon(corners, figure.colour(person.legs), figure.label)


def _trunk(figure: Figure, person: Person) -> None:
    broad = 0.20 - 0.05 * abs(person.turn)
    far, near = (1, -1) if person.turn > 0 else (-1, 1)
    _arm(figure, person, far, broad, 0.7)
    corners = [
        figure.at(0, 0.86, -broad * 0.85),
        figure.at(0, 0.86, broad * 0.85),
        figure.at(0.02, 1.42, broad),
        figure.at(0.02, 1.42, -broad),
    ]
    colour = figure.colour(person.top)
    figure.canvas.polygon(corners, scaled(colour, 1.1), figure.label, bottom=scaled(colour, 0.75))
    figure.limb(figure.at(0.02, 1.40, -broad + 0.07), figure.at(0.02, 1.40, broad - 0.07), 0.16, person.top)
    if person.bag is not None:
        figure.ball(figure.at(-0.16, 1.12, 0.0 if abs(person.turn) > 0.5 else 0.12), 0.14, 0.22, person.bag)
    _arm(figure, person, near, broad, 0.9)


def _arm(figure: Figure, person: Person, side: int, broad: float, shade: float) -> None:
    swing = -side * person.stride * 0.22
    shoulder, elbow = figure.at(0.0, 1.38, side * broad), figure.at(swing * 0.4, 1.10, side * (broad + 0.04))
    hand = figure.at(swing + 0.05, 0.86, side * (broad + 0.03))
    figure.limb(shoulder, elbow, 0.11, scaled(person.top, shade))
    figure.limb(elbow, hand, 0.09, scaled(person.top, shade))
    if figure.scale > 18:
        figure.ball(hand, 0.05, 0.06, person.skin)


def _head(figure: Figure, skin: Colour, hair: Colour, x: float, y: float) -> None:
    figure.limb(figure.at(x, y - 0.16), figure.at(x, y - 0.06), 0.10, skin)
    figure.ball(figure.at(x, y + 0.035), 0.105, 0.125, hair)
    away = 0.03 if abs(figure.turn) > 0.25 else 0.0
    if figure.turn > -0.9:
        figure.ball(figure.at(x + away, y - 0.03), 0.085, 0.105, mixed(skin, hair, 0.0 if away else 0.25))


def paint_cyclist(canvas: Canvas, camera: Camera, light: Light, cyclist: Cyclist, sunlit: float) -> None:
    """Wheels, frame, and the rider on it."""
    scale = camera.scale(cyclist.z)
    foot, arriving = camera.project(cyclist.s, 0.0, cyclist.z), light.upright(sunlit)
    figure = Figure(canvas, foot, scale, cyclist.turn, light, arriving, cyclist.z, BICYCLIST)
    hip, bottom = figure.at(-0.22, 0.96), figure.at(0.0, 0.30)
    _leg(figure, cyclist, hip, -1, 0.6)
    for x in (-0.52, 0.52):
        _wheel(figure, x)
    _frame(figure, cyclist, bottom)
    _leg(figure, cyclist, hip, 1, 1.0)
    _rider(figure, cyclist, hip)


def _wheel(figure: Figure, x: float) -> None:
    """The ring; the label takes the whole disc, as annotators draw it."""
    middle, radius = figure.at(x, 0.34), 0.34 * figure.scale
    radii = (max(radius * abs(figure.turn), 0.045 * figure.scale), radius)
    figure.canvas.ellipse(middle, (max(radii[0], 0.5), radii[1]), figure.colour((0.25, 0.25, 0.26)), opacity=0.25)
    window = figure.canvas.window(
        middle[0] - radii[0], middle[1] - radii[1], middle[0] + radii[0], middle[1] + radii[1]
    )
    if window is not None:
        figure.canvas.mark(
            window, figure.canvas.within_ellipse(middle, (max(radii[0], 0.5), radii[1]), window), figure.label
        )
    figure.canvas.ring(middle, radii, 0.055 * figure.scale, figure.colour(BLACK))


def _frame(figure: Figure, cyclist: Cyclist, bottom: Pixel) -> None:
    paint, saddle, head = cyclist.frame, figure.at(-0.20, 0.86), figure.at(0.38, 0.82)
    rear, front = figure.at(-0.52, 0.34), figure.at(0.52, 0.34)
    for start, end in ((rear, bottom), (bottom, head), (saddle, bottom), (saddle, head), (rear, saddle), (front, head)):
        figure.canvas.capsule(start, end, max(0.028 * figure.scale, 0.4), figure.colour(paint), figure.label)
    across = 0.24 * (1.0 - 0.7 * abs(cyclist.turn))
    figure.limb(figure.at(0.36, 1.0, -across), figure.at(0.36, 1.0, across), 0.045, BLACK)
    figure.limb(head, figure.at(0.36, 1.0), 0.04, BLACK)


def _leg(figure: Figure, cyclist: Cyclist, hip: Pixel, side: int, shade: float) -> None:
    aside = side * 0.09 * (1.0 - 0.6 * abs(cyclist.turn))
    lift = 0.16 * side * cyclist.pedal
    foot = figure.at(0.04 + 0.10 * side * (1.0 - abs(cyclist.pedal)), 0.20 + lift, aside)
    knee = figure.at(0.20, 0.64 + lift * 0.8, aside * 1.3)
    paint = scaled(cyclist.legs, shade)
    figure.limb((hip[0] + aside * figure.scale, hip[1]), knee, 0.16, paint)
    figure.limb(knee, foot, 0.12, paint)
    figure.limb(foot, (foot[0] + 0.12 * figure.turn * figure.scale, foot[1]), 0.08, BLACK)


def _rider(figure: Figure, cyclist: Cyclist, hip: Pixel) -> None:
    shoulder = figure.at(0.10, 1.42)
    broad = 0.36 - 0.10 * abs(cyclist.turn)
    figure.limb(hip, shoulder, broad * 0.85, scaled(cyclist.top, 0.9))
    for side in (-1, 1):
        aside = side * (broad / 2) * (1.0 - 0.75 * abs(cyclist.turn))
        elbow = figure.at(0.20, 1.16, aside * 1.25)
        figure.limb(figure.at(0.10, 1.40, aside), elbow, 0.11, cyclist.top)
        figure.limb(elbow, figure.at(0.36, 1.02, aside), 0.09, cyclist.skin)
    figure.limb(shoulder, figure.at(0.17, 1.55), 0.10, cyclist.skin)
    figure.ball(figure.at(0.18, 1.62), 0.10, 0.12, cyclist.skin)
    figure.ball(figure.at(0.16, 1.69), 0.125, 0.085, cyclist.helmet)
