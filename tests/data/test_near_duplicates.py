"""Hashes that survive re-encoding, and every near pair found."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segbench.data import near_duplicates
from segbench.data.near_duplicates import LISTED, NEAR_BITS, NearPair, near_pairs, perceptual_hash
from segbench.data.synthetic_roads import scene


def slow_pairs(hashes: list[int], threshold: int) -> list[tuple[int, int, int]]:
    """All near pairs of images with a hash, by Python's own integers."""
    return [
        (first, second, bits)
        for first in range(len(hashes))
        for second in range(first + 1, len(hashes))
        if hashes[first] and hashes[second] and (bits := (hashes[first] ^ hashes[second]).bit_count()) <= threshold
    ]


HASHES = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 3, 2**63, 2**64 - 1])


@given(
    st.lists(st.tuples(HASHES, st.integers(0, 2)), max_size=30),
    st.integers(0, 64),
    st.integers(1, 9),
    st.integers(0, 20),
)
def test_every_pair_is_counted_once_and_the_closest_are_listed(
    images: list[tuple[int, int]], threshold: int, block: int, limit: int
) -> None:
    hashes = np.array([value for value, _ in images], dtype=np.uint64)
    groups = np.array([group for _, group in images], dtype=np.int64)
    before, near_duplicates._BLOCK = near_duplicates._BLOCK, block
    try:
        found = near_pairs(hashes, groups, threshold, limit)
    finally:
        near_duplicates._BLOCK = before
    expected = slow_pairs([value for value, _ in images], threshold)
    across = [pair for pair in expected if images[pair[0]][1] != images[pair[1]][1]]
    assert (found.within, found.between) == (len(expected) - len(across), len(across))
    assert found.closest == sorted(across, key=lambda pair: (pair[2], pair[0], pair[1]))[:limit]


def test_no_image_makes_no_pair() -> None:
    assert near_pairs(np.array([], dtype=np.uint64), np.array([], dtype=np.int64)) == (0, 0, [])
    assert near_pairs(np.array([7, 7], dtype=np.uint64), np.array([0, 1])) == (0, 1, [NearPair(0, 1, 0)])


def test_thousands_of_equal_images_are_counted_in_a_moment() -> None:
    hashes, groups = np.full(6000, 9, np.uint64), np.arange(6000) % 2
    found = near_pairs(hashes, groups)
    assert (found.within, found.between, len(found.closest)) == (2 * (3000 * 2999 // 2), 3000 * 3000, LISTED)


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return np.array(Image.open(buffer))


def test_the_same_scene_stays_near_and_others_do_not() -> None:
    scenes = [scene(seed, (180, 240))[0] for seed in range(8)]
    hashes = [perceptual_hash(image) for image in scenes]
    for image, value in zip(scenes, hashes, strict=True):
        half = np.array(Image.fromarray(image).resize((120, 90)))
        brighter = np.clip(image.astype(int) + 20, 0, 255).astype(np.uint8)
        for changed in (jpeg(image, 60), half, brighter):
            assert (perceptual_hash(changed) ^ value).bit_count() <= NEAR_BITS
    assert slow_pairs(hashes, NEAR_BITS) == []


def test_a_hash_has_64_bits_half_of_them_set() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    assert perceptual_hash(noise).bit_count() in range(29, 33)
    assert perceptual_hash(np.full((9, 7, 3), 90, np.uint8)) == 0
