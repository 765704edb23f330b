"""A dataset for tests: made in memory, small, of three sizes, and slow or broken on request."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segbench.data.sample import Sample, Source, SourceArchive, SourceOptions
from segbench.specs import DatasetSpec, VariantSpec

VARIANT = VariantSpec(
    name="small", class_names=("sky", "road", "car"), palette=((0, 0, 255), (128, 64, 128), (255, 0, 0))
)

SPEC = DatasetSpec(
    name="toy",
    title="Toy",
    summary="Noise with labels.",
    variants={"small": VARIANT, "other": replace(VARIANT, name="other")},
    default_variant="small",
    source="tests.data.toy:source",
    licence="CC0-1.0",
    citation="Nobody 2026",
    homepage="https://example.org/toy",
)

SIZES = ((4, 6), (5, 3), (8, 8))


def png(pixels: NDArray[np.uint8], **options: object) -> bytes:
    """``pixels`` as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", **options)
    return buffer.getvalue()


def pixels(position: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The image of a sample, uint8 [H, W, 3]."""
    return np.random.default_rng(position).integers(0, 256, (*size, 3), dtype=np.uint8)


def label(position: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The label of a sample, uint8 [H, W]: ids 0..2 and 255."""
    values = np.array([0, 1, 2, 255], dtype=np.uint8)
    return values[np.random.default_rng(1000 + position).integers(0, 4, size)]


def sample(position: int, size: tuple[int, int] | None = None) -> Sample:
    """The sample at ``position``; of its own size, or of ``size``."""
    shape = size or SIZES[position % len(SIZES)]
    return Sample(f"toy_{position:03d}", png(pixels(position, shape)), label(position, shape))


@dataclass
class ToySource:
    """What ``source`` opens; tests replace its parts."""

    groups: dict[str, list[Sample]]
    partial: bool = False
    delay: float = 0.0
    archives: tuple[SourceArchive, ...] = field(default=(SourceArchive("toy.zip", sha256="a" * 64),))

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(group) for split, group in self.groups.items()}

    def samples(self, split: str) -> Iterator[Sample]:
        for item in self.groups[split]:
            time.sleep(self.delay)
            yield item


def ordinary(size: tuple[int, int] | None = None) -> ToySource:
    """Three training samples, none for validation, two for testing."""
    made = [sample(position, size) for position in range(5)]
    return ToySource({"train": made[:3], "validation": [], "test": made[3:]})


# What the next `source` opens, where a test wants another than the ordinary one.
replacement: list[ToySource] = []


@contextmanager
def source(variant: VariantSpec, options: SourceOptions) -> Iterator[Source]:
    """The factory that ``SPEC.source`` names; ``TOY_DELAY`` seconds pass before each sample."""
    opened = replacement[0] if replacement else ordinary(options.size)
    opened.delay = float(os.environ.get("TOY_DELAY", "0"))
    yield opened
