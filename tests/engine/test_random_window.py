"""Scale jitter and random crops against pixels copied one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from segbench.engine.random_window import FILL, random_window, scale_factor
from segbench.engine.resizing import resize_images, resize_labels

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
DRAWS = st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2)


def example(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Pixels that are all different, labels that tell rows and columns apart."""
    height, width = size
    image = torch.arange(3 * height * width, dtype=torch.float32).view(1, 3, height, width)
    label = torch.arange(height * width, dtype=torch.uint8).view(1, height, width)
    return image, label


@given(SIDES, SIDES, DRAWS)
@settings(max_examples=200)
def test_a_window_without_scaling_is_the_image_shifted(
    size: tuple[int, int], window: tuple[int, int], draws: tuple[float, float]
) -> None:
    image, label = example(size)
    pixels, ids = random_window(image, label, size, window, draws)
    # Where the window begins, in pixels of the image; negative where the image begins inside.
    starts = [
        int(draw * (abs(have - want) + 1)) * (1 if have >= want else -1)
        for have, want, draw in zip(size, window, draws, strict=True)
    ]
    for row, column in np.ndindex(*window):
        y, x = row + starts[0], column + starts[1]
        inside = 0 <= y < size[0] and 0 <= x < size[1]
        assert ids[0, row, column] == (label[0, y, x] if inside else 255)
        expected = image[0, :, y, x] if inside else torch.tensor(FILL)
        assert torch.equal(pixels[0, :, row, column], expected)


@given(SIDES, SIDES, DRAWS)
def test_as_much_of_the_image_as_fits_is_seen(
    size: tuple[int, int], window: tuple[int, int], draws: tuple[float, float]
) -> None:
    _, ids = random_window(torch.zeros(1, 3, *size), torch.zeros(1, *size, dtype=torch.uint8), size, window, draws)
    assert int((ids == 0).sum()) == min(size[0], window[0]) * min(size[1], window[1])


def test_every_place_is_reached() -> None:
    image, label = example((1, 6))
    starts = {
        int(random_window(image, label, (1, 6), (1, 4), (0, draw))[1][0, 0, 0]) for draw in np.linspace(0, 0.99, 30)
    }
    assert starts == {0, 1, 2}


def test_shrinking_averages_areas_and_takes_the_nearest_label() -> None:
    image, label = example((8, 12))
    pixels, ids = random_window(image, label, (4, 6), (4, 6), (0, 0))
    assert torch.equal(pixels, resize_images(image, (4, 6)))
    assert torch.equal(ids, resize_labels(label, (4, 6)))


def test_growing_interpolates_between_pixel_centres() -> None:
    image = torch.tensor([0.0, 10.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    pixels, ids = random_window(image, torch.tensor([[[3, 5]]], dtype=torch.uint8), (1, 4), (1, 4), (0, 0))
    assert pixels[0, 0, 0].tolist() == [0, 2.5, 7.5, 10]
    assert ids[0, 0].tolist() == [3, 3, 5, 5]


def test_a_side_that_shrinks_is_smoothed_while_the_other_grows() -> None:
    # A chequered row: without smoothing some pixels would be seen whole and others not at all.
    image = torch.tensor([0.0, 100.0]).repeat(20).view(1, 1, 1, 40).expand(1, 3, 4, 40).contiguous()
    pixels, _ = random_window(image, torch.zeros(1, 4, 40, dtype=torch.uint8), (8, 10), (8, 10), (0, 0))
    assert (pixels[..., 1:-1] - 50).abs().max() < 5


@pytest.mark.parametrize(("draw", "factor"), [(0.0, 0.5), (0.5, 1.0), (1.0, 2.0)])
def test_factors_are_uniform_in_their_logarithm(draw: float, factor: float) -> None:
    assert scale_factor((0.5, 2.0), draw) == pytest.approx(factor)
    assert scale_factor(None, draw) == 1.0
