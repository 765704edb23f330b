"""What a page needs of a prepared dataset; the caller knows where datasets are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pixels", "Truth"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Truth:
    """The split that a board was scored on.

    Attributes:
        label: Gives the class ids, uint8 [H,W], of an image.
        image: Gives the image, RGB uint8 [H,W,3]; ``None`` where none are to be shown.
        free: Whether everybody may pass the images on; photographs are not free.
    """

    label: Callable[[str], Pixels]
    image: Callable[[str], Pixels] | None = None
    free: bool = False
