from __future__ import annotations

import io
from dataclasses import replace

import datasets
import numpy as np
import pytest
from PIL import ExifTags, Image

from segbench.data.codec import decode_rgb, decode_stored, header_size
from segbench.data.orientation import without_orientation
from segbench.data.preparation import prepare
from tests.data import toy

PIXELS = toy.pixels(0, (8, 16))
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def encoded(orientation: int | None, file_format: str, **options: object) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "camera"
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format=file_format, exif=exif, **options)
    return buffer.getvalue()


def as_stored(data: bytes) -> bytes:
    pixels, turned = decode_stored(data, "x")
    assert pixels.shape == (*header_size(data, "x"), 3)
    return without_orientation(data, pixels) if turned else data


def shown(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array(datasets.Image().decode_example({"bytes": data, "path": None}))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_every_reader_sees_the_stored_pixels(orientation: int, file_format: str) -> None:
    options = {"lossless": True} if file_format == "WebP" else {}
    held, plain = (encoded(tag, file_format, **options) for tag in (orientation, None))
    assert not np.array_equal(shown(held), shown(plain))
    made = as_stored(held)
    np.testing.assert_array_equal(shown(made), shown(plain))
    np.testing.assert_array_equal(decode_rgb(made, "x"), shown(plain))


def test_a_jpeg_keeps_all_but_its_notes() -> None:
    held = encoded(6, "JPEG", icc_profile=b"profile", comment=b"hello", xmp=XMP)
    made = Image.open(io.BytesIO(as_stored(held)))
    assert (made.format, made.info["icc_profile"], made.info["comment"]) == ("JPEG", b"profile", b"hello")
    assert not made.getexif() and "xmp" not in made.info


def test_an_orientation_in_xmp_is_one() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format="JPEG", xmp=XMP)
    assert shown(buffer.getvalue()).shape == (16, 8, 3)
    assert shown(as_stored(buffer.getvalue())).shape == PIXELS.shape


def test_notes_that_nobody_can_read_do_not_matter() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format="JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff")
    assert shown(as_stored(buffer.getvalue())).shape == PIXELS.shape


@pytest.mark.parametrize("orientation", [None, 1, 77])
def test_what_is_not_turned_keeps_its_bytes(orientation: int | None) -> None:
    data = encoded(orientation, "JPEG")
    assert as_stored(data) is data


@pytest.mark.parametrize("length", [0, 2, 3, 20, 60, 90])
def test_segments_of_a_cut_file_end_with_it(length: int) -> None:
    cut = encoded(6, "JPEG")[:length]
    assert len(without_orientation(b"\xff\xd8" + cut, PIXELS)) <= length + 2


@pytest.mark.parametrize("orientation", [3, 6])
def test_images_fit_their_labels_once_prepared(toy_dataset: list[toy.ToySource], orientation: int) -> None:
    held = replace(toy.sample(0, (8, 16)), image=encoded(orientation, "PNG"))
    toy_dataset.append(toy.ToySource({"train": [held], "test": [toy.sample(1)]}))
    row = datasets.load_from_disk(str(prepare("toy").folder))["train"][0]
    np.testing.assert_array_equal(np.array(row["image"]), PIXELS)
    np.testing.assert_array_equal(np.array(row["label"]), held.label)
