"""Images to arrays and back, and what is no image."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import ExifTags, Image

from segbench.data.codec import decode_ids, decode_rgb, encode_ids
from segbench.errors import DataError
from tests.data.toy import png

LABELS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))


@given(LABELS)
def test_labels_come_back(label: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
    encoded = encode_ids(label)
    assert Image.open(io.BytesIO(encoded)).mode == "L"
    np.testing.assert_array_equal(decode_ids(encoded, "x"), label)


def test_a_palette_image_gives_its_indices() -> None:
    label = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    image = Image.fromarray(label, mode="P")
    image.putpalette(bytes(range(255, -1, -1)) * 3)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    np.testing.assert_array_equal(decode_ids(buffer.getvalue(), "x"), label)


def test_a_grey_image_becomes_rgb() -> None:
    grey = np.array([[0, 7]], dtype=np.uint8)
    np.testing.assert_array_equal(decode_rgb(png(grey), "x"), np.repeat(grey[..., None], 3, axis=2))


def test_colours_are_no_label() -> None:
    with pytest.raises(DataError, match=r"a\.png has mode RGB; a label map has one channel"):
        decode_ids(png(np.zeros((2, 2, 3), dtype=np.uint8)), "a.png")


@given(st.integers(0, 200))
def test_a_cut_file_is_named(length: int) -> None:
    whole = png(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"a\.png is not a readable image"):
        decode_rgb(whole[: min(length, len(whole) - 60)], "a.png")


def test_text_is_no_image() -> None:
    with pytest.raises(DataError, match=r"a\.png is not a readable image"):
        decode_rgb(b"<html>404</html>", "a.png")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_decoded_as_datasets_shows_it(orientation: int, file_format: str) -> None:
    pixels = np.random.default_rng(orientation).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=file_format, exif=exif)
    decoded = decode_rgb(buffer.getvalue(), "x")
    assert decoded.shape == ((8, 16, 3) if orientation < 5 else (16, 8, 3))
    shown = datasets.Image().decode_example({"bytes": buffer.getvalue(), "path": None})
    np.testing.assert_array_equal(decoded, np.array(shown))


def test_an_orientation_that_does_not_exist_turns_nothing() -> None:
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 77
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", exif=exif)
    np.testing.assert_array_equal(decode_rgb(buffer.getvalue(), "x"), pixels)
