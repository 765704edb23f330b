"""A SEGBENCH_HOME of miniatures: a few drawn scenes, prepared under the names of datasets that take hours to get."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from PIL import Image

from segbench.data.camvid import CAMVID, listed
from segbench.data.preparation import prepare
from segbench.data.sample import Sample, Source, SourceOptions
from segbench.data.synthetic_roads import FIRST_SEEDS, SYNTHETIC_ROADS, scene
from segbench.registry import DATASETS
from segbench.specs import DatasetSpec, VariantSpec
from tests.data.toy import ToySource

__all__ = ["COUNTS", "fill"]

COUNTS = MappingProxyType({"train": 6, "validation": 2, "test": 3})
SIZE = (48, 64)


@contextmanager
def camvid_source(variant: VariantSpec, options: SourceOptions) -> Iterator[Source]:
    """Drawn scenes, which have CamVid's classes, under the first of CamVid's names."""
    groups = {split: [_sample(split, place) for place in range(count)] for split, count in COUNTS.items()}
    yield ToySource(groups, archives=())


def _sample(split: str, place: int) -> Sample:
    image, label = scene(FIRST_SEEDS[split] + place, SIZE)
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, format="PNG")
    return Sample(listed(split)[place].id, encoded.getvalue(), label)


def fill(home: Path) -> None:
    """Prepares CamVid and synthetic-roads as miniatures in ``home``; nothing else is changed.

    They do not say that they are parts of something larger: training, boards and the Hub take them for whole.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGBENCH_HOME", str(home))
        for spec in (_small(CAMVID, "tests.miniatures:camvid_source"), _small(SYNTHETIC_ROADS, SYNTHETIC_ROADS.source)):
            patch.setitem(DATASETS._specs, spec.name, spec)
            prepare(spec.name)


def _small(spec: DatasetSpec, source: str) -> DatasetSpec:
    """The dataset with its default variant alone, and that cut to a few images of which nothing is known."""
    usual = spec.variants[spec.default_variant]
    small = replace(usual, counts=COUNTS, size=SIZE, official_ids="", known_fingerprint="", known_labels="")
    return replace(spec, variants={small.name: small}, source=source)
