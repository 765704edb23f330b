from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.errors import DataError
from segbench.metrics.label_files import label_files, paired_files, read_label_map

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
        ("a", predictions / "a.tif", labels / "a.png"),
        ("b", predictions / "b.PNG", labels / "b.png"),
    ]


def test_what_lacks_a_counterpart_is_listed(tmp_path: Path) -> None:
    labels = folder(tmp_path / "labels", *(f"{number}.png" for number in range(9)))
    predictions = folder(tmp_path / "predictions", "0.png", "other.png")
    with pytest.raises(DataError, match=r"lacks 1, 2, 3, 4, 5 and 3 more \(8 files\).*lacks other \(1 files\)"):
        paired_files(predictions, labels)


def test_folders_that_are_missing_empty_or_ambiguous(tmp_path: Path) -> None:
    empty = folder(tmp_path / "empty")
    with pytest.raises(DataError, match="There is no folder"):
        label_files(tmp_path / "missing")
    with pytest.raises(DataError, match="holds no label map"):
        paired_files(empty, empty)
    with pytest.raises(DataError, match="have the same name"):
        label_files(folder(tmp_path / "twice", "a.png", "a.tif"))
