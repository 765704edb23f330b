"""Pictures of where a network is unsure: the brighter the less sure, on one scale for all images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.engine.certainty import Certainty
from segbench.overlay import save_picture

__all__ = ["UNCERTAINTY_FOLDER", "save_uncertainty"]

UNCERTAINTY_FOLDER = "uncertainty"
LARGEST_DEVIATION = 0.5
"""Standard deviation of a probability that is 0 in half of the samples and 1 in the others."""


def save_uncertainty(folder: Path, name: str, seen: Certainty, num_classes: int) -> list[Path]:
    """Writes ``FOLDER/uncertainty/<name>.png`` and, where networks were sampled, ``.../deviation/<name>.png``.

    Both have mode L. White is an entropy of ln K, where all classes are equally probable; of the deviation, a standard
    deviation of 0.5 over the samples (the root of the variance averaged over classes).
    """
    root = folder / UNCERTAINTY_FOLDER
    paths = [save_picture(root / f"{name}.png", _grey(seen.entropy / math.log(num_classes)))]
    if seen.variance is not None:
        deviation = np.sqrt(seen.variance) / LARGEST_DEVIATION
        paths.append(save_picture(root / "deviation" / f"{name}.png", _grey(deviation)))
    return paths


def _grey(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    shades: NDArray[np.uint8] = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return shades
