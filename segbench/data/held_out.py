"""The tenth of a training split that selects weights instead of training them, where no other split may."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError

__all__ = ["Part", "hold_out", "is_held_out"]

ONE_IN = 10


class Split(Protocol):
    """Images and labels by index."""

    @property
    def ids(self) -> list[str]: ...

    def image(self, index: int) -> NDArray[np.uint8]: ...

    def label(self, index: int) -> NDArray[np.uint8]: ...


class Part:
    """Some images of a split, in its order.

    Args:
        split: The whole.
        chosen: Indices into it.
    """

    def __init__(self, split: Split, chosen: Iterable[int]) -> None:
        self.split, self.chosen = split, list(chosen)
        self.ids = [split.ids[index] for index in self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def image(self, index: int) -> NDArray[np.uint8]:
        """RGB pixels of one image, uint8 [H, W, 3]."""
        return self.split.image(self.chosen[index])

    def label(self, index: int) -> NDArray[np.uint8]:
        """Class ids of one image, uint8 [H, W]."""
        return self.split.label(self.chosen[index])


def is_held_out(image_id: str) -> bool:
    """Whether an image selects; a tenth do, whatever else is in the split.

    The number that the first 8 bytes of the id's sha256 spell (big-endian) is divisible by 10.
    """
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8], "big") % ONE_IN == 0


def hold_out(split: Split) -> tuple[Part, Part]:
    """The images that train and those that select.

    Raises:
        DataError: One of the two would be empty.
    """
    held = [is_held_out(image_id) for image_id in split.ids]
    if all(held) or not any(held):
        raise DataError(
            f"A tenth of the training images by hash of id would select weights: {sum(held)} of {len(held)} images.",
            "Use the last weights: --set train.select=last",
        )
    parts = [Part(split, (index for index, out in enumerate(held) if out is chosen)) for chosen in (False, True)]
    return parts[0], parts[1]
