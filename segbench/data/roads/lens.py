"""What the lens makes of the picture, and the labeller of the labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segbench.data.roads.canvas import Canvas
from segbench.data.roads.classes import BUILDING, PAVEMENT, ROAD, SKY, TREE, VOID
from segbench.data.roads.dice import Dice
from segbench.data.roads.floats import Floats, clipped
from segbench.data.roads.light import Light
from segbench.data.roads.noise import look_up

__all__ = ["annotate", "photograph"]


def photograph(canvas: Canvas, light: Light, lens: Dice) -> NDArray[np.uint8]:
    """Slight blur, exposure, darker corners, sensor noise; uint8 [H, W, 3]."""
    picture = light.developed(_blurred(canvas.image, lens.between(0.0, 0.45)))
    picture *= _vignette(canvas, lens.between(0.0, 0.14))
    strength = lens.between(1.0, 4.0)
    octets = lens.octets(2 * picture.size).reshape(2, *picture.shape)
    noise = octets[0].astype(np.float32) + octets[1].astype(np.float32) - np.float32(255.0)
    picture *= np.float32(255.0)
    picture += noise * np.float32(strength / 104.0)
    return np.ascontiguousarray(clipped(picture + np.float32(0.5), 0.0, 255.0).astype(np.uint8).transpose(1, 2, 0))


def _blurred(image: Floats, strength: float) -> Floats:
    """Mixes ``strength`` of the [1 2 1] / 4 filter into both directions."""
    weight = np.float32(strength * 0.25)
    for axis in (1, 2):
        inner = [slice(None)] * 3
        before, after = inner.copy(), inner.copy()
        inner[axis], before[axis], after[axis] = slice(1, -1), slice(None, -2), slice(2, None)
        blurred = image.copy()
        centre = image[tuple(inner)]
        blurred[tuple(inner)] += (image[tuple(before)] + image[tuple(after)] - centre - centre) * weight
        image = blurred
    return image


def _vignette(canvas: Canvas, strength: float) -> Floats:
    x = canvas.columns / np.float32(canvas.width) * 2.0 - 1.0
    y = canvas.rows / np.float32(canvas.height) * 2.0 - 1.0
    return 1.0 - ((x * x)[None, :] + (y * y)[:, None]) * np.float32(strength / 2)


BACKGROUND = np.zeros(256, np.bool_)
BACKGROUND[[SKY, BUILDING, ROAD, PAVEMENT, TREE]] = True


def annotate(labels: NDArray[np.uint8], lens: Dice) -> NDArray[np.uint8]:
    """The labels as somebody would have drawn them: along parts of the outlines the background is left void."""
    height, width = labels.shape
    outline = np.zeros(labels.shape, np.bool_)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    outline[:, 1:] |= across
    outline[:, :-1] |= across
    outline[1:] |= down
    outline[:-1] |= down
    for _ in range(height // 240):
        outline[1:-1] |= outline[2:] | outline[:-2]
        outline[:, 1:-1] |= outline[:, 2:] | outline[:, :-2]
    x = np.arange(width, dtype=np.float32) * np.float32(110.0 / width) + np.float32(lens.between(0.0, 256.0))
    y = np.arange(height, dtype=np.float32) * np.float32(110.0 / height) + np.float32(lens.between(0.0, 256.0))
    careless = look_up("leaf", x[None, :], y[:, None]) < np.float32(0.16)
    annotated = labels.copy()
    annotated[outline & careless & BACKGROUND[labels]] = VOID
    return annotated
