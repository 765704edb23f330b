from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import UsageError
from segbench.metrics.disc import Tolerance, dilate


@pytest.mark.parametrize(
    ("size", "squared"),
    # 0.0075**2 = 9 / 160000. 360x480: 9 * 360000 / 160000 = 20.25. 800x600 (and 240x320, 480x640): 1000 * 0.0075 = 7.5.
    [((360, 480), 20), ((600, 800), 56), ((240, 320), 9), ((320, 240), 9), ((720, 960), 81), ((1, 1), 0)],
)
def test_radii_worked_by_hand(size: tuple[int, int], squared: int) -> None:
    assert Tolerance().squared_radius(*size) == squared


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_the_default_is_decided_as_the_protocol_writes_it(height: int, width: int) -> None:
    squared = Tolerance().squared_radius(height, width)
    assert 160000 * squared <= 9 * (height**2 + width**2) < 160000 * (squared + 1)


def test_equality_counts_where_floats_would_reject_it() -> None:
    # The diagonal of 240x320 is 400, so the radius is 3 exactly; sizes of other triples reach it too.
    triples = [(3 * n, 4 * n) for n in range(1, 1000)] + [(5 * n, 12 * n) for n in range(1, 400)]
    exact = [(h, w) for h, w in triples if (9 * (h * h + w * w)) % 160000 == 0]
    assert exact
    for height, width in exact:
        radius = Fraction(3, 400) * Fraction(round((height**2 + width**2) ** 0.5))
        assert Tolerance().squared_radius(height, width) == radius**2


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("0.0075", Fraction(3, 400), "diagonal"),
        ("4.5px", Fraction(9, 2), "px"),
        (" 2 px ", Fraction(2), "px"),
        ("0", 0, "diagonal"),
    ],
)
def test_tolerances_are_read(text: str, value: Fraction, unit: str) -> None:
    parsed = Tolerance.parse(text)
    assert (parsed.value, parsed.unit) == (value, unit)


@pytest.mark.parametrize("text", ["", "px", "-1", "nan", "inf", "0.0075%", "1/0", "wide"])
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no boundary tolerance"):
        Tolerance.parse(text)


def test_pixels_without_their_unit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"4\.5 image diagonals .* pixels are meant: 4\.5px"):
        Tolerance.parse("4.5")
    assert Tolerance.parse("1").value == 1


def test_tolerances_are_told_as_they_are_read() -> None:
    assert [str(Tolerance.parse(text)) for text in ("0.0075", "4.5px")] == ["0.0075 of the diagonal", "4.5px"]


def test_a_float_means_the_decimal_it_prints() -> None:
    assert Tolerance.of(0.0075) == Tolerance(Fraction(3, 400))
    assert Tolerance.of(4.5, "px").squared_radius(10, 10) == 20


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_dilation_is_the_union_over_discs(height: int, width: int, squared: int, seed: int) -> None:
    reach = min(6, max(height, width) - 1)
    image = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    image[np.random.default_rng(seed + 1).random(image.shape) < 0.8] = 0
    padded = np.pad(image, ((reach, reach), (0, reach)))
    flat = np.append(padded.ravel(), np.zeros(reach, np.uint8))
    grown = dilate(flat, squared, reach, width + reach)[: padded.size].reshape(padded.shape)
    expected = np.zeros_like(image)
    for y, x in np.ndindex(image.shape):
        for v, u in np.ndindex(image.shape):
            if (y - v) ** 2 + (x - u) ** 2 <= squared:
                expected[y, x] |= image[v, u]
    assert np.array_equal(grown[reach : reach + height, :width], expected)
