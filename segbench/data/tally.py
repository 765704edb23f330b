"""Adds up the figures of samples: what the manifest says about a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segbench.data.fingerprint import SplitHash
from segbench.errors import DataError
from segbench.manifest import ClassCount, SplitSummary
from segbench.specs import IGNORE_INDEX

if TYPE_CHECKING:
    from segbench.data.row import Measure

__all__ = ["SplitTally"]


class SplitTally:
    """Pixels and images per label value, image sizes and the fingerprint of one split."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.sizes: set[tuple[int, int]] = set()
        self._num_images = 0
        self._hash = SplitHash()
        self._labelled: bool | None = None
        self._pixels = [0] * 256
        self._images = [0] * 256
        self._image_pixels = [0] * 256

    def add(self, sample: Measure) -> None:
        """Counts one sample; one without a label counts as an image and has no pixels.

        Raises:
            DataError: It has a label and the samples before have none, or the other way round.
        """
        if self._labelled not in (None, sample.pixels is not None):
            has, have = ("has no label", "have") if self._labelled else ("has a label", "have none")
            raise DataError(f"{sample.id} {has} but others of its split {have}.")
        self._labelled = sample.pixels is not None
        self._num_images += 1
        self.sizes.add(sample.size)
        self._hash.add_digest(bytes.fromhex(sample.digest))
        for value, count in (sample.pixels or {}).items():
            self._pixels[value] += count
            self._images[value] += 1
            self._image_pixels[value] += sample.size[0] * sample.size[1]

    def summary(self) -> SplitSummary:
        """The figures of all samples so far."""
        return SplitSummary(
            num_images=self._num_images,
            num_pixels=sum(self._pixels),
            classes=tuple(self._count(label) for label in range(self.num_classes)),
            void=self._count(IGNORE_INDEX),
            fingerprint=self._hash.hexdigest(),
        )

    def _count(self, label: int) -> ClassCount:
        return ClassCount(self._pixels[label], self._images[label], self._image_pixels[label])
