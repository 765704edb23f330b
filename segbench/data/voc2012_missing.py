"""What the sources of VOC2012 lack, said in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.data.trees import NamedTree
from segbench.data.voc2012 import extra_ids
from segbench.data.voc2012_places import Pair
from segbench.errors import DataError
from segbench.specs import VariantSpec

__all__ = ["incomplete", "is_complete"]

SHOWN = 3  # ids of a kind


def is_complete(split: str, pair: Pair) -> bool:
    """Whether all that a sample of ``split`` consists of is there."""
    return bool(pair.image and (pair.label or split == "test"))


def incomplete(trees: Sequence[NamedTree], variant: VariantSpec, pairs: Mapping[str, Sequence[Pair]]) -> DataError:
    """The error for images that lack photograph, label map or both; counts each kind and lists the first of it."""
    lacking = [pair for split, group in pairs.items() for pair in group if not is_complete(split, pair)]
    kinds = {
        "with a photograph but no label map": [pair.id for pair in lacking if pair.image],
        "with a label map but no photograph": [pair.id for pair in lacking if pair.label],
        "with neither of them": [pair.id for pair in lacking if not pair.image and not pair.label],
    }
    total = sum(len(group) for group in pairs.values())
    listing = "; ".join(f"{len(ids):,} {kind} ({_shown(ids)})" for kind, ids in kinds.items() if ids)
    return DataError(
        f"{', '.join(tree.name for tree in trees)}: {len(lacking):,} of the {total:,} images of voc2012 {variant.name} "
        f"are incomplete: {listing}.",
        _next_step(lacking),
    )


def _shown(ids: Sequence[str]) -> str:
    return ", ".join([*ids[:SHOWN], *(["..."] if len(ids) > SHOWN else [])])


def _next_step(lacking: Sequence[Pair]) -> str:
    partial = "or add --partial to prepare what is there; boards refuse the result."
    if all(pair.image and pair.id in extra_ids() for pair in lacking):
        return f"Add SegmentationClassAug.zip or SBD's benchmark.tgz (--from FILE), take --variant train, {partial}"
    return (
        "Give the archives that have them (--from FILE, several times; files are known by their folders JPEGImages, "
        f"SegmentationClass, SegmentationClassAug, or SBD's img and cls), {partial}"
    )
