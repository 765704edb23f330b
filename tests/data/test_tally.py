"""Counts against a pixel-by-pixel reference, and the content hash against its definition."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from segbench.data.fingerprint import SplitHash, combine
from segbench.data.row import measure
from segbench.data.tally import SplitTally
from segbench.errors import DataError
from segbench.manifest import ClassCount
from tests.data import toy

SAMPLES = [(f"id{n}", toy.pixels(n, size), toy.label(n, size)) for n, size in enumerate(toy.SIZES)]


def reference(value: int) -> ClassCount:
    pixels = images = image_pixels = 0
    for _, _, label in SAMPLES:
        here = [int(entry) for row in label for entry in row].count(value)
        pixels += here
        images += here > 0
        image_pixels += label.shape[0] * label.shape[1] if here else 0
    return ClassCount(pixels, images, image_pixels)


def test_counts_are_those_of_a_slow_loop() -> None:
    tally = SplitTally(num_classes=4)
    measures = [measure(*sample) for sample in SAMPLES]
    for sample in measures:
        tally.add(sample)
    summary = tally.summary()
    assert summary.classes == tuple(reference(value) for value in range(4))
    assert summary.void == reference(255)
    assert (summary.num_images, summary.num_pixels) == (3, sum(label.size for _, _, label in SAMPLES))
    assert [sample.class_ids for sample in measures] == [
        sorted({int(entry) for entry in label.flat} - {255}) for _, _, label in SAMPLES
    ]
    assert tally.sizes == set(toy.SIZES)


def test_without_labels_images_count_and_pixels_do_not() -> None:
    tally = SplitTally(num_classes=4)
    for sample_id, image, _ in SAMPLES:
        tally.add(measure(sample_id, image, None))
    summary = tally.summary()
    assert (summary.num_images, summary.num_pixels, summary.labelled) == (3, 0, False)
    assert {*summary.classes, summary.void} == {ClassCount(0, 0, 0)}
    assert tally.sizes == set(toy.SIZES)


@pytest.mark.parametrize("labelled_first", [True, False])
def test_a_split_has_labels_or_none(labelled_first: bool) -> None:
    (first, image, label), second, _ = SAMPLES
    tally = SplitTally(num_classes=4)
    tally.add(measure(first, image, label if labelled_first else None))
    with pytest.raises(DataError, match="id1 has no label but others" if labelled_first else "id1 has a label but oth"):
        tally.add(measure(*second[:2], None if labelled_first else second[2]))


def split_hash(samples: list[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]], object]]) -> str:
    content = SplitHash()
    for sample_id, image, label in samples:
        content.add(sample_id, image, np.asarray(label, dtype=np.uint8))
    return content.hexdigest()


def test_the_hash_is_as_defined() -> None:
    image, label = np.arange(6, dtype=np.uint8).reshape(1, 2, 3), np.array([[0, 255]], dtype=np.uint8)
    inner = hashlib.sha256(b"a\n1x2\n" + bytes([0, 1, 2, 3, 4, 5]) + bytes([0, 255])).digest()
    assert split_hash([("a", image, label)]) == hashlib.sha256(b"segbench split 1\n" + inner).hexdigest()
    expected = hashlib.sha256(b"segbench dataset 1\ntrain aa\ntest bb\n").hexdigest()
    assert combine({"train": "aa", "test": "bb"}) == expected


def test_memory_layout_does_not_matter() -> None:
    image, label = toy.pixels(0, (4, 6)), toy.label(0, (4, 6))
    assert split_hash([("a", np.asfortranarray(image), np.asfortranarray(label))]) == split_hash([("a", image, label)])


@pytest.mark.parametrize("change", ["id", "image", "label", "order", "missing"])
def test_every_change_shows(change: str) -> None:
    samples = [(name, image.copy(), label.copy()) for name, image, label in SAMPLES]
    if change == "id":
        samples[1] = ("other", *samples[1][1:])
    elif change == "image":
        samples[1][1][0, 0, 0] ^= 1
    elif change == "label":
        samples[1][2][0, 0] ^= 1
    elif change == "order":
        samples.reverse()
    else:
        samples.pop()
    assert split_hash([*samples]) != split_hash([*SAMPLES])
