"""The samples of synthetic-roads: a scene per seed, drawn when it is asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.data.roads.scene import check_size, paint
from segbench.data.sample import LateSample, Sample, SourceArchive, SourceOptions
from segbench.data.synthetic_roads import DEFAULT_SIZE, FIRST_SEEDS, scene_id
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

    def samples(self, split: str) -> Iterator[LateSample]:
        """The scenes of ``split`` in the order of their seeds, drawn when they are looked at; the id names the seed."""
        first = FIRST_SEEDS[split]
        for seed in range(first, first + self.counts[split]):
            sample_id = scene_id(split, seed)
            yield LateSample(sample_id, _drawn, sample_id, seed, self.size)


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


def _drawn(sample_id: str, seed: int, size: tuple[int, int]) -> Sample:
    image, label = paint(seed, size)
    return Sample(sample_id, _as_png(image), label)


def _as_png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()
