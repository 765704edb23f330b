"""Images that look alike: 64-bit perceptual hashes, and all pairs of them that differ in few bits.

The hash is the classic one of the low frequencies: the picture in grey at 32 x 32, its cosine transform, and for each
of the 8 x 8 lowest frequencies above the constant one whether it is over their median. Re-encoding and resizing change
few bits; two different pictures differ in about 32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LISTED", "NEAR_BITS", "NearPair", "NearPairs", "near_pairs", "perceptual_hash"]

NEAR_BITS = 6
"""Bits in which two hashes may differ for their images to be called near."""

LISTED = 1000
"""Pairs that are listed; the others are counted."""

_SIDE, _LOW = 32, 8
_BLOCK = 512


class NearPair(NamedTuple):
    """Two images by position, ``first < second``, and the number of bits in which their hashes differ."""

    first: int
    second: int
    bits: int


class NearPairs(NamedTuple):
    """All near pairs of a collection in figures, and the closest of those that cross from group to group.

    Attributes:
        within: Pairs inside one group.
        between: Pairs of two groups.
        closest: Of those between groups, closest first, then by position; not more than were asked for.
    """

    within: int
    between: int
    closest: list[NearPair]


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """The hash of RGB pixels, uint8 [H, W, 3], as an integer of 64 bits; 0 for an image of one colour: it has none."""
    from PIL import Image
    from scipy.fft import dctn

    small = Image.fromarray(image).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    low = dctn(np.asarray(small, dtype=np.float64), norm="ortho")[1 : _LOW + 1, 1 : _LOW + 1]
    # Rounded, so that no bit hangs on the last digits of a machine's arithmetic.
    rounded = np.rint(low * 16)
    bits = np.packbits(rounded > np.median(rounded))
    return int.from_bytes(bits.tobytes(), "big")


def near_pairs(
    hashes: NDArray[np.uint64], groups: NDArray[np.int64], threshold: int = NEAR_BITS, limit: int = LISTED
) -> NearPairs:
    """Compares every pair of images; 12,031 images are 72 million comparisons, taken in blocks.

    Images without a hash are near to nothing.

    Args:
        hashes: uint64 [N]; 0: none.
        groups: int64 [N], such as the number of an image's split.
        threshold: 0..64.
        limit: How many pairs are listed.
    """
    positions = np.flatnonzero(hashes)
    known, of = hashes[positions], groups[positions]
    within, between = 0, 0
    closest: list[NearPair] = []
    for start in range(0, len(known), _BLOCK):
        stop = min(start + _BLOCK, len(known))
        bits = np.bitwise_count(known[start:stop, None] ^ known[None, start:])
        near = np.triu(bits <= threshold, 1)
        across = near & (of[start:stop, None] != of[None, start:])
        between += (crossing := int(np.count_nonzero(across)))
        within += int(np.count_nonzero(near)) - crossing
        closest = sorted([*closest, *_closest(bits, across, positions[start:], limit)], key=_closeness)[:limit]
    return NearPairs(within, between, closest)


def _closest(
    bits: NDArray[np.uint8], chosen: NDArray[np.bool_], positions: NDArray[np.int64], limit: int
) -> list[NearPair]:
    first, second = np.nonzero(chosen)
    # Stable, so that pairs of equal distance stay in the order of their positions.
    order = np.argsort(bits[first, second], kind="stable")[:limit]
    first, second = first[order], second[order]
    found = (positions[first].tolist(), positions[second].tolist(), bits[first, second].tolist())
    return [NearPair(*pair) for pair in zip(*found, strict=True)]


def _closeness(pair: NearPair) -> tuple[int, int, int]:
    return pair.bits, pair.first, pair.second
