"""Counts classes while samples pass: what the manifest says about a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segbench.data.fingerprint import SplitHash
from segbench.manifest import ClassCount, SplitSummary
from segbench.specs import IGNORE_INDEX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SplitTally"]


class SplitTally:
    """Pixels and images per label value, image sizes and the fingerprint of one split."""

    def __init__(self, num_classes: int) -> None:
        import numpy as np

        self.num_classes = num_classes
        self.sizes: set[tuple[int, int]] = set()
        self._num_images = 0
        self._hash = SplitHash()
        self._pixels = np.zeros(256, dtype=np.int64)
        self._images = np.zeros(256, dtype=np.int64)
        self._image_pixels = np.zeros(256, dtype=np.int64)

    def add(self, sample_id: str, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> list[int]:
        """Counts one sample and returns the class ids present in it, ascending.

        Args:
            sample_id: Its id.
            image: RGB pixels, uint8 [H, W, 3].
            label: Ids 0..C-1 and 255, uint8 [H, W].
        """
        import numpy as np

        counts = np.bincount(label.ravel(), minlength=256)
        present = counts > 0
        self._pixels += counts
        self._images += present
        self._image_pixels += present * label.size
        self._num_images += 1
        self.sizes.add((label.shape[0], label.shape[1]))
        self._hash.add(sample_id, image, label)
        return [int(value) for value in np.flatnonzero(present[: self.num_classes])]

    def summary(self) -> SplitSummary:
        """The figures of all samples so far."""
        return SplitSummary(
            num_images=self._num_images,
            num_pixels=int(self._pixels.sum()),
            classes=tuple(self._count(label) for label in range(self.num_classes)),
            void=self._count(IGNORE_INDEX),
            fingerprint=self._hash.hexdigest(),
        )

    def _count(self, label: int) -> ClassCount:
        return ClassCount(int(self._pixels[label]), int(self._images[label]), int(self._image_pixels[label]))
