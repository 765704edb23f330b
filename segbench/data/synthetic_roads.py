"""synthetic-roads: street scenes that are drawn, not photographed; its facts, and the door to a single scene.

The classes and their order are those of CamVid's ``360x480-11``, and so is what they cover: buses are Car, lawns are
Tree, traffic lights are SignSymbol. Void are things that no class fits (bins, post boxes, dogs, cones, benches, the
camera car's bonnet) and careless stretches of outlines. How scenes are drawn is in ``segbench.data.roads``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from segbench.data.roads.classes import CLASS_NAMES, PALETTE
from segbench.registry import DATASETS
from segbench.specs import DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["COUNTS", "DEFAULT_SIZE", "FIRST_SEEDS", "SYNTHETIC_ROADS", "official_ids", "scene", "scene_id"]

COUNTS = MappingProxyType({"train": 240, "validation": 40, "test": 80})
DEFAULT_SIZE = (96, 128)
SIZES = (DEFAULT_SIZE, (180, 240), (360, 480))

# Scene i of a split has the seed FIRST_SEEDS[split] + i: one distribution, and no scene in two splits.
FIRST_SEEDS = MappingProxyType({"train": 0, "validation": 1_000_000, "test": 2_000_000})


def _variant(size: tuple[int, int]) -> VariantSpec:
    return VariantSpec(
        name=f"{size[0]}x{size[1]}-11",
        class_names=CLASS_NAMES,
        palette=PALETTE,
        counts=COUNTS,
        size=size,
        official_ids="segbench.data.synthetic_roads:official_ids",
    )


SYNTHETIC_ROADS = DATASETS.add(
    DatasetSpec(
        name="synthetic-roads",
        title="Synthetic roads",
        summary="Street scenes with CamVid's eleven classes, drawn from seeds: the same bytes on every machine.",
        variants=MappingProxyType({variant.name: variant for variant in map(_variant, SIZES)}),
        default_variant="96x128-11",
        source="segbench.data.synthetic_source:open_source",
        licence="Apache-2.0 (drawn by segbench itself)",
        citation="segbench, synthetic-roads: procedural street scenes.",
        homepage="",
        embedded=True,
        licence_id="apache-2.0",
        redistributable=True,
    )
)


def official_ids(split: str) -> tuple[str, ...]:
    """The ids of a split in their order: each names its seed."""
    first = FIRST_SEEDS[split]
    return tuple(scene_id(split, seed) for seed in range(first, first + COUNTS[split]))


def scene_id(split: str, seed: int) -> str:
    """The id of the scene of ``seed`` in a split."""
    return f"{split}-{seed:07d}"


def scene(seed: int, size: tuple[int, int] = DEFAULT_SIZE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draws the street scene of ``seed``.

    Args:
        seed: Any non-negative integer. The same seed shows the same street at every size.
        size: Height and width, at least 48 x 64.

    Returns:
        RGB image, uint8 [H, W, 3], and labels, uint8 [H, W]: class ids 0..10 and 255 for void.

    Raises:
        UsageError: The size is too small, or the seed negative.
    """
    from segbench.data.roads.scene import paint

    return paint(seed, size)
