"""Pictures of label maps: colours by hand, laws of the overlay, a sheet that holds what it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segbench.overlay import (
    Panel,
    colourise,
    comparison_sheet,
    disagreement_map,
    error_map,
    overlay,
    save_picture,
    sheet_width,
)

PALETTE = [(10, 20, 30), (200, 100, 50)]


def test_colours_by_hand() -> None:
    label = np.array([[0, 1], [255, 1]], np.uint8)
    assert colourise(label, PALETTE).tolist() == [[[10, 20, 30], [200, 100, 50]], [[0, 0, 0], [200, 100, 50]]]


def test_half_an_overlay_is_the_mean() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    shown = overlay(image, np.array([[0, 1, 255]], np.uint8), PALETTE, opacity=0.5)
    # (100 + 10) / 2, (100 + 20) / 2 ...; the ignored pixel is the image's own.
    assert shown.tolist() == [[[55, 60, 65], [150, 100, 75], [100, 100, 100]]]


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_an_overlay_lies_between_image_and_colour(seed: int, opacity: float) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    label = generator.integers(0, 2, (4, 5), dtype=np.uint8)
    shown, colours = overlay(image, label, PALETTE, opacity), colourise(label, PALETTE)
    assert (shown >= np.minimum(image, colours)).all()
    assert (shown <= np.maximum(image, colours)).all()


def test_disagreement_by_hand() -> None:
    first, second = np.array([[0, 0, 1, 1, 0]], np.uint8), np.array([[0, 1, 0, 2, 1]], np.uint8)
    truth = np.array([[0, 0, 0, 0, 255]], np.uint8)
    # Both right, the first alone, the second alone, neither, ignored.
    colours = [tuple(colour) for colour in disagreement_map(first, second, truth)[0].tolist()]
    assert len(set(colours)) == 5
    assert colours[1][2] > 2 * colours[1][0] and colours[2][0] > 2 * colours[2][2]  # blue, orange
    without = disagreement_map(first, second)[0].tolist()
    assert without[0] == list(colours[0]) and len({tuple(colour) for colour in without[1:]}) == 1


def test_errors_by_hand() -> None:
    label, prediction = np.array([[0, 1, 255]], np.uint8), np.array([[0, 0, 1]], np.uint8)
    right, wrong, ignored = error_map(label, prediction)[0].tolist()
    assert len({tuple(right), tuple(wrong), tuple(ignored)}) == 3
    assert wrong[0] > 2 * wrong[1]  # red
    assert min(right) > 200 > max(ignored)


@pytest.mark.parametrize("size", [(12, 16), (360, 480)])
def test_a_sheet_shows_every_picture(size: tuple[int, int]) -> None:
    blue, green = (np.full((*size, 3), colour, np.uint8) for colour in [(0, 0, 255), (0, 255, 0)])
    legend = [(f"class {number}", (255, number, 255)) for number in range(12)]
    sheet = comparison_sheet("Title", ("a", "b"), [Panel("one", (blue, green)), Panel("two", (green, blue))], legend)
    pixels = np.asarray(sheet)
    cell = (1280 - 2 * 16 - 8) // 2
    expected = 2 * cell * round(cell * size[0] / size[1])
    for colour in [(0, 0, 255), (0, 255, 0)]:
        assert int((pixels == colour).all(-1).sum()) == expected
    for _, colour in legend:
        assert (pixels == colour).all(-1).any()


def test_a_saved_picture_is_the_picture(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    path = save_picture(tmp_path / "deep" / "picture.png", pixels)
    with Image.open(path) as image:
        assert (np.asarray(image) == pixels).all()
    assert [item.name for item in path.parent.iterdir()] == ["picture.png"]


def test_a_heading_of_two_lines_moves_the_pictures_down() -> None:
    picture = np.full((4, 30, 3), 7, np.uint8)
    sheets = [
        np.asarray(comparison_sheet("title", ["one", name], [Panel("", [picture] * 2)], [], sheet_width(2, 30)))
        for name in ("two", "two\nlines")
    ]
    tops = [int(np.flatnonzero((sheet == 7).all(axis=(2,)).any(axis=1))[0]) for sheet in sheets]
    assert (tops[1] - tops[0], sheets[1].shape[0] - sheets[0].shape[0]) == (20, 20)
    assert all((sheet == 7).all(axis=2).sum() == 2 * picture.size // 3 for sheet in sheets)
