"""World metres to pixels: a level pinhole camera, aimed by shifting the vanishing point: verticals stay upright."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NEAREST", "Camera", "Pixel"]

Pixel = tuple[float, float]

# Nothing nearer than this many metres is drawn.
NEAREST = 1.2


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from.

    The road's own coordinates are used everywhere: ``s`` metres to the right of the road's axis, ``y`` metres above the
    ground, ``z`` metres ahead.

    Attributes:
        height: Rows of the picture.
        width: Columns of the picture.
        focal: Pixels of one metre at one metre's distance.
        column: Column of the vanishing point.
        horizon: Row of the horizon.
        eye: Metres above the ground.
        offset: Metres to the right of the road's axis.
        bend: Curvature; the axis lies at ``bend * z**2``.
    """

    height: int
    width: int
    focal: float
    column: float
    horizon: float
    eye: float
    offset: float
    bend: float

    def sideways(self, s: float, z: float) -> float:
        """Metres to the right of the optical axis."""
        return s - self.offset + self.bend * z * z

    def scale(self, z: float) -> float:
        """Pixels of a metre at distance ``z``."""
        return self.focal / z

    def project(self, s: float, y: float, z: float) -> Pixel:
        """Column and row of a point, fractions included; pixel (0, 0) has its centre at (0.5, 0.5)."""
        scale = self.focal / z
        return self.column + self.sideways(s, z) * scale, self.horizon + (self.eye - y) * scale

    def enters(self, s: float) -> float:
        """Distance from which on a thing at ``s`` beside a straight road is in the picture."""
        aside = s - self.offset
        room = self.width - self.column if aside > 0 else self.column
        return abs(aside) * self.focal / room

    def sees(self, s: float, z: float, half_width: float) -> bool:
        """Whether a thing of that half width at that place can reach into the picture."""
        if z < NEAREST:
            return False
        scale = self.focal / z
        middle = self.column + self.sideways(s, z) * scale
        return -half_width * scale < middle < self.width + half_width * scale
