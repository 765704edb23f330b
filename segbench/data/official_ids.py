"""The ids of a split held against the official list of its dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from segbench.registry import import_object
from segbench.specs import VariantSpec

__all__ = ["Difference", "differences", "official_ids"]


class Difference(NamedTuple):
    """An id that is not where or what it should be; ``what`` continues a sentence that begins with it."""

    id: str
    what: str


def official_ids(variant: VariantSpec, split: str) -> tuple[str, ...]:
    """The official list of a split in its order; empty where there is none."""
    return tuple(import_object(variant.official_ids)(split)) if variant.official_ids else ()


def differences(ids: Sequence[str], official: Sequence[str], *, may_lack: bool = False) -> list[Difference]:
    """How ``ids`` differ from a list: strangers, missing ones, or else the first that is out of order.

    Args:
        ids: Those found.
        official: Those expected; empty: nothing is known, and nothing differs.
        may_lack: Missing ids are no difference.
    """
    if not official:
        return []
    known, there = set(official), set(ids)
    found = [Difference(one, "is not in the official list") for one in ids if one not in known]
    if not may_lack:
        found += [Difference(one, "is missing") for one in official if one not in there]
    return found or _first_out_of_order(ids, [one for one in official if one in there])


def _first_out_of_order(ids: Sequence[str], expected: Sequence[str]) -> list[Difference]:
    for one, other in zip(ids, expected, strict=False):
        if one != other:
            return [Difference(one, f"stands where the official list has {other}")]
    return []
