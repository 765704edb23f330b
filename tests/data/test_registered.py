"""What holds for every registered dataset, whoever adds it."""

from __future__ import annotations

import pytest

import segbench.data  # noqa: F401  (registers the datasets)
from segbench.registry import DATASETS, import_object
from segbench.specs import SPLITS, VariantSpec

VARIANTS = [
    pytest.param(variant, id=f"{spec.name}-{name}")
    for spec in DATASETS.values()
    for name, variant in spec.variants.items()
]


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_dataset_says_where_it_comes_from(name: str) -> None:
    spec = DATASETS[name]
    assert spec.default_variant in spec.variants
    assert callable(import_object(spec.source))
    assert all(variant.name == key for key, variant in spec.variants.items())
    assert all((spec.title, spec.summary, spec.licence, spec.citation))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_consistent(variant: VariantSpec) -> None:
    assert len(set(variant.class_names)) == len(variant.palette) == variant.num_classes <= 254
    assert all(0 <= channel <= 255 for colour in variant.palette for channel in colour)
    assert set(variant.counts) <= set(SPLITS)
    assert all(len(weights) == variant.num_classes for weights in variant.class_weights.values())
