"""The samples of synthetic-roads: a scene per seed, drawn when it is asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.data.roads.scene import check_size, paint
from segbench.data.sample import Sample, SourceArchive, SourceOptions
from segbench.data.synthetic_roads import DEFAULT_SIZE, FIRST_SEEDS
from segbench.errors import UsageError
from segbench.specs import VariantSpec

__all__ = ["ScenesBySeed", "open_source"]


@dataclass(frozen=True)
class ScenesBySeed:
    """The scenes of one variant at one size.

    Attributes:
        counts: Scenes by split.
        size: Height and width.
    """

    counts: Mapping[str, int]
    size: tuple[int, int]
    archives: tuple[SourceArchive, ...] = ()
    partial: bool = False

    def samples(self, split: str) -> Iterator[Sample]:
        """Draws the scenes of ``split`` in the order of their seeds; the id names the seed."""
        first = FIRST_SEEDS[split]
        for seed in range(first, first + self.counts[split]):
            image, label = paint(seed, self.size)
            yield Sample(id=f"{split}-{seed:07d}", image=_as_png(image), label=label)


@contextmanager
def open_source(variant: VariantSpec, options: SourceOptions) -> Iterator[ScenesBySeed]:
    """The source that ``DatasetSpec.source`` names; there is nothing to fetch or to close.

    Raises:
        UsageError: Archives were named, or a size at which no scene can be drawn.
    """
    if options.sources:
        raise UsageError("synthetic-roads is drawn on the spot and reads no archive.", "Leave --from out.")
    size = options.size or variant.size or DEFAULT_SIZE
    check_size(size)
    yield ScenesBySeed(variant.counts, size)


def _as_png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()
