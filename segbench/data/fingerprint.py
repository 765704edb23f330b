"""What makes two datasets the same: ids, image pixels and label pixels in order, however they are encoded or stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SplitHash", "combine"]


class SplitHash:
    """Grows with every sample of a split; the result depends on nothing but the samples and their order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"segbench split 1\n")

    def add(self, sample_id: str, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Adds one sample.

        Args:
            sample_id: Its id.
            image: RGB pixels, uint8 [H, W, 3].
            label: Ids, uint8 [H, W].
        """
        sample = hashlib.sha256(f"{sample_id}\n{image.shape[0]}x{image.shape[1]}\n".encode())
        sample.update(image.tobytes())
        sample.update(label.tobytes())
        self._hash.update(sample.digest())

    def hexdigest(self) -> str:
        """64 hex digits."""
        return self._hash.hexdigest()


def combine(splits: Mapping[str, str]) -> str:
    """The fingerprint of a dataset from those of its splits."""
    lines = "".join(f"{name} {fingerprint}\n" for name, fingerprint in splits.items())
    return hashlib.sha256(b"segbench dataset 1\n" + lines.encode()).hexdigest()
