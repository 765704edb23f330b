from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segbench.errors import DataError
from segbench.metrics.label_files import MapFile, check_names, fitted, label_files, paired_files, read_label_map

IDS = np.array([[0, 1, 2], [255, 7, 3]], np.uint8)


def test_bytes_indices_and_words_are_read_as_they_are(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "bytes.png")
    palette = Image.fromarray(IDS, "P")
    palette.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(IDS.astype(np.uint16) * 100).save(tmp_path / "words.png")
    assert np.array_equal(read_label_map(tmp_path / "bytes.png"), IDS)
    assert np.array_equal(read_label_map(tmp_path / "palette.png"), IDS)
    assert np.array_equal(read_label_map(tmp_path / "words.png"), IDS.astype(int) * 100)


def test_colours_and_files_that_are_no_image_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2)).save(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"colour\.png is an image of mode RGB; class ids come as mode L, P or I;16"):
        read_label_map(tmp_path / "colour.png")
    for name in ("text.png", "missing.png"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            read_label_map(tmp_path / name)


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_files_are_paired_by_their_names_without_ending(tmp_path: Path) -> None:
    labels = folder(tmp_path / "labels", "b.png", "a.png", "notes.txt")
    predictions = folder(tmp_path / "predictions", "a.tif", "b.PNG")
    assert list(paired_files(predictions, labels)) == [
        ("a", MapFile(predictions / "a.tif"), MapFile(labels / "a.png")),
        ("b", MapFile(predictions / "b.PNG"), MapFile(labels / "b.png")),
    ]


def test_what_lacks_a_counterpart_is_listed(tmp_path: Path) -> None:
    labels = folder(tmp_path / "labels", *(f"{number}.png" for number in range(9)))
    predictions = folder(tmp_path / "predictions", "0.png", "other.png")
    expected = r"lacks 8 of 9 label maps: 1, 2, 3, 4, 5 and 3 more\. .* holds 1 that .*labels does not: other\."
    with pytest.raises(DataError, match=expected):
        paired_files(predictions, labels)


def test_folders_that_are_missing_empty_or_ambiguous(tmp_path: Path) -> None:
    empty = folder(tmp_path / "empty")
    with pytest.raises(DataError, match="There is no folder"):
        label_files(tmp_path / "missing")
    with pytest.raises(DataError, match="holds no label map"):
        paired_files(empty, empty)
    with pytest.raises(DataError, match="have the same name"):
        label_files(folder(tmp_path / "twice", "a.png", "a.tif"))


def test_names_that_fit_are_let_through() -> None:
    check_names("maps", ["b", "a"], "truth", ["a", "b"])


def png(bits: int, colour: int, row: bytes, width: int) -> bytes:
    """A PNG of one row of raw pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


def test_few_bits_are_indices_in_a_palette_and_refused_in_grey(tmp_path: Path) -> None:
    # Four pixels of four bits: 0, 1, 2, 3. As grey, Pillow would return 0, 17, 34, 51.
    (tmp_path / "palette.png").write_bytes(png(4, 3, b"\x01\x23", 4))
    (tmp_path / "grey.png").write_bytes(png(4, 0, b"\x01\x23", 4))
    assert read_label_map(tmp_path / "palette.png").tolist() == [[0, 1, 2, 3]]
    with pytest.raises(DataError, match=r"grey\.png is grey of fewer than 8 bits.*Save it with 8 bits"):
        read_label_map(tmp_path / "grey.png")


def test_a_cut_off_file_is_one_clear_error(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (40, 40), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image"):
        read_label_map(tmp_path / "a.png")


def packed(path: Path, *names: str) -> Path:
    Image.fromarray(IDS).save(path.with_suffix(".tmp"), "PNG")
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(path.with_suffix(".tmp"), name)
    return path


def test_a_zip_is_a_folder(tmp_path: Path) -> None:
    path = packed(tmp_path / "maps.zip", "maps/b.png", "maps/a.png", "maps/notes.txt", "__MACOSX/maps/._a.png")
    found = label_files(path)
    assert list(found) == ["a", "b"]
    assert str(found["a"]) == f"{path}:maps/a.png"
    assert np.array_equal(found["b"].read(), IDS)
    assert list(label_files(packed(tmp_path / "deep.zip", "x/1/a.png", "x/2/a.png"))) == ["1/a", "2/a"]


def test_the_predictions_in_the_folder_of_a_run(tmp_path: Path) -> None:
    packed(tmp_path / "predictions.zip", "a.png")
    assert list(label_files(tmp_path)) == ["a"]


def test_what_is_no_zip_or_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "maps.zip").write_text("no zip")
    with pytest.raises(DataError, match=r"maps\.zip is neither a folder nor a zip of label maps"):
        label_files(tmp_path / "maps.zip")
    path = packed(tmp_path / "bad.zip", "a.png")
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.zip:a\.png cannot be read"):
        label_files(path)["a"].read()


def test_fitting_worked_by_hand() -> None:
    # Six columns from four: centres 1/2, 3/2 .. 11/2 of six lie at 1/3, 1, 5/3, 7/3, 3, 11/3 of four.
    assert fitted(np.array([[0, 1, 2, 3]]), (1, 6)).tolist() == [[0, 1, 1, 2, 3, 3]]
    # Two columns from four: centres 1 and 3. Three rows from one.
    assert fitted(np.array([[0, 1, 2, 3]]), (3, 2)).tolist() == [[1, 3]] * 3


sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(sizes, sizes)
def test_fitting_takes_the_pixel_that_holds_the_centre(before: tuple[int, int], after: tuple[int, int]) -> None:
    values = np.arange(before[0] * before[1]).reshape(before)
    found = fitted(values, after)
    for row, column in np.ndindex(after):
        y, x = (row + 0.5) * before[0] / after[0], (column + 0.5) * before[1] / after[1]
        assert found[row, column] == values[int(y + 1e-9), int(x + 1e-9)]
    assert np.array_equal(fitted(values[::-1, ::-1], before), values[::-1, ::-1])


@given(sizes, st.integers(1, 4))
def test_a_whole_enlargement_repeats_each_pixel(before: tuple[int, int], times: int) -> None:
    values = np.arange(before[0] * before[1]).reshape(before)
    after = (before[0] * times, before[1] * times)
    assert np.array_equal(fitted(values, after), np.kron(values, np.ones((times, times), int)))
