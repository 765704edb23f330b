"""Sun, light of the sky, haze and exposure; colours are linear light, paint is given as its square root."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segbench.data.roads.dice import Dice
from segbench.data.roads.floats import Floats, root

__all__ = ["Colour", "Light", "Vector", "draw_light", "mixed", "scaled", "times"]

Colour = tuple[float, float, float]
Vector = tuple[float, float, float]


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """``first`` with ``share`` of it replaced by ``second``."""
    keep = 1.0 - share
    return (
        first[0] * keep + second[0] * share,
        first[1] * keep + second[1] * share,
        first[2] * keep + second[2] * share,
    )


def scaled(colour: Colour, factor: float) -> Colour:
    """``colour`` brighter or darker."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def times(first: Colour, second: Colour) -> Colour:
    """Channel by channel."""
    return first[0] * second[0], first[1] * second[1], first[2] * second[2]


@dataclass(frozen=True)
class Light:
    """The light of one scene.

    Attributes:
        towards_sun: Unit vector; x to the right, y up, z ahead.
        sun: Strength of the sun on a surface that faces it.
        sky: Strength of the light from all sides.
        zenith: Colour of the sky overhead.
        skyline: Colour of the sky above the horizon.
        haze_m: Distance at which half of the light is haze.
        cloud: Share of the sky that clouds cover.
        exposure: Factor on everything before the tone curve.
        lamps: Whether windows and lamps are lit.
    """

    towards_sun: Vector
    sun: Colour
    sky: Colour
    zenith: Colour
    skyline: Colour
    haze_m: float
    cloud: float
    exposure: float
    lamps: bool

    def on(self, normal: Vector, sunlit: float = 1.0) -> Colour:
        """Light on a surface with the unit ``normal``; ``sunlit`` is the share of the sun that no wall keeps off."""
        x, y, z = self.towards_sun
        facing = normal[0] * x + normal[1] * y + normal[2] * z
        direct = sunlit * max(0.0, facing)
        from_sky = 0.62 + 0.38 * normal[1]
        return (
            self.sky[0] * from_sky + self.sun[0] * direct,
            self.sky[1] * from_sky + self.sun[1] * direct,
            self.sky[2] * from_sky + self.sun[2] * direct,
        )

    def upright(self, sunlit: float = 1.0) -> Colour:
        """Light on a round upright thing as the camera sees it."""
        side = self.on((0.0, 0.45, -0.893), sunlit)
        return mixed(side, self.on(self.towards_sun, sunlit), 0.3)

    def haze(self, z: float) -> float:
        """Share of the haze in what is seen at distance ``z``."""
        return z * z / (z * z + self.haze_m * self.haze_m)

    def seen(self, paint: Colour, arriving: Colour, z: float) -> Colour:
        """Linear colour of ``paint`` under the light ``arriving`` on it, through ``z`` metres of haze."""
        return mixed(times(times(paint, paint), arriving), self.skyline, self.haze(z))

    def shadow(self) -> Colour:
        """Factor on the ground's colour where the sun does not reach."""
        lit, unlit = self.on((0.0, 1.0, 0.0)), self.on((0.0, 1.0, 0.0), 0.0)
        return unlit[0] / lit[0], unlit[1] / lit[1], unlit[2] / lit[2]

    def developed(self, linear: Floats) -> Floats:
        """Display values, mostly in [0, 1], of linear light: exposure, a soft shoulder, a square root as the curve."""
        exposed = np.maximum(linear * np.float32(self.exposure), np.float32(0.0))
        exposed *= (1.0 + exposed * np.float32(0.16)) / (1.0 + exposed * np.float32(0.55))
        return root(exposed)


@dataclass(frozen=True)
class Weather:
    """A time of day and what the sky is like; two weathers can be mixed."""

    sun: Colour
    sky: Colour
    zenith: Colour
    skyline: Colour
    elevation: tuple[float, float]
    haze_m: tuple[float, float]
    cloud: tuple[float, float]
    exposure: float
    lamps: bool = False


CLEAR = Weather(
    (2.1, 1.95, 1.7),
    (0.52, 0.62, 0.80),
    (0.09, 0.24, 0.58),
    (0.55, 0.72, 0.90),
    (0.7, 2.0),
    (160, 320),
    (0.0, 0.45),
    0.95,
)
BRIGHT = Weather(
    (1.5, 1.42, 1.3),
    (0.75, 0.80, 0.88),
    (0.22, 0.38, 0.66),
    (0.74, 0.82, 0.90),
    (0.6, 1.6),
    (120, 260),
    (0.4, 0.8),
    0.95,
)
GOLDEN = Weather(
    (2.3, 1.45, 0.75),
    (0.42, 0.43, 0.55),
    (0.13, 0.24, 0.48),
    (1.00, 0.72, 0.42),
    (0.22, 0.5),
    (90, 220),
    (0.1, 0.6),
    1.0,
)
OVERCAST = Weather(
    (0.16, 0.16, 0.15),
    (1.02, 1.06, 1.10),
    (0.52, 0.57, 0.63),
    (0.80, 0.84, 0.87),
    (0.8, 1.5),
    (90, 200),
    (0.75, 1.0),
    1.1,
)
MISTY = Weather(
    (0.35, 0.33, 0.30),
    (0.88, 0.92, 0.97),
    (0.58, 0.64, 0.70),
    (0.76, 0.80, 0.83),
    (0.4, 1.0),
    (38, 70),
    (0.5, 1.0),
    1.0,
)
DUSK = Weather(
    (0.10, 0.09, 0.12),
    (0.30, 0.34, 0.50),
    (0.06, 0.10, 0.26),
    (0.62, 0.38, 0.34),
    (0.2, 0.4),
    (110, 220),
    (0.2, 0.7),
    1.35,
    True,
)
WEATHERS = (CLEAR, CLEAR, CLEAR, BRIGHT, BRIGHT, BRIGHT, GOLDEN, GOLDEN, OVERCAST, OVERCAST, OVERCAST, MISTY, DUSK)


def draw_light(dice: Dice) -> Light:
    """The light of a scene."""
    weather = dice.pick(WEATHERS)
    tint = tuple(dice.between(0.93, 1.07) for _ in range(3))
    warm = (tint[0], tint[1], tint[2])
    return Light(
        towards_sun=_direction(dice, dice.between(*weather.elevation)),
        sun=times(weather.sun, warm),
        sky=times(weather.sky, warm),
        zenith=scaled(weather.zenith, dice.between(0.8, 1.2)),
        skyline=scaled(times(weather.skyline, warm), dice.between(0.9, 1.05)),
        haze_m=dice.between(*weather.haze_m),
        cloud=dice.between(*weather.cloud),
        exposure=weather.exposure * dice.between(0.78, 1.25),
        lamps=weather.lamps,
    )


def _direction(dice: Dice, elevation: float) -> Vector:
    """A sun beside the road more often than along it, where long shadows say most."""
    x = dice.sign() * dice.between(0.25, 1.0)
    z = dice.between(-1.0, 0.7)
    y = elevation
    length = float(np.sqrt(x * x + y * y + z * z))
    return x / length, y / length, z / length
