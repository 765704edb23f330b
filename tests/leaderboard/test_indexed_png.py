from __future__ import annotations

import io
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segbench.leaderboard.indexed_png import encode_label_map, stored_text

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@given(
    label_map=st.integers(0, 255).flatmap(lambda top: arrays.arrays(np.uint8, SHAPES, elements=st.integers(0, top))),
    colours=st.integers(0, 256),
)
def test_another_decoder_reads_the_same_ids(label_map: NDArray[np.uint8], colours: int) -> None:
    image = opened(encode_label_map(label_map, [(1, 2, 3)] * colours))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), label_map)


@pytest.mark.parametrize(("top", "depth"), [(15, 4), (16, 8)])
def test_four_bits_a_pixel_where_they_suffice(top: int, depth: int) -> None:
    assert encode_label_map(np.array([[0, top]], np.uint8), [])[24] == depth


def test_ids_have_their_colours_and_those_beyond_the_palette_are_black() -> None:
    image = opened(encode_label_map(np.array([[0, 1, 2]], np.uint8), [(9, 8, 7), (255, 0, 1)])).convert("RGB")
    assert np.asarray(image).tolist() == [[[9, 8, 7], [255, 0, 1], [0, 0, 0]]]


def test_a_file_says_of_itself_what_it_was_told(tmp_path: Path) -> None:
    path, said = tmp_path / "map.png", {"Runs": "0123 4567", "Truth": "yes"}
    path.write_bytes(encode_label_map(np.array([[0, 1]], np.uint8), [], said))
    assert stored_text(path) == said
    assert np.asarray(opened(path.read_bytes())).tolist() == [[0, 1]]
    path.write_bytes(encode_label_map(np.array([[0, 1]], np.uint8), []))
    assert stored_text(path) == {}


def test_what_is_no_picture_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    whole = encode_label_map(np.array([[0, 1]], np.uint8), [], {"Runs": "0123"})
    for data in (b"", b"text", whole[:-30]):
        path.write_bytes(data)
        assert stored_text(path) == {}
