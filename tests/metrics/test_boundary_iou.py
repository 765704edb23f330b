from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from segbench.errors import DataError, UsageError
from segbench.metrics.boundary_iou import BoundaryIoU, band_counts, band_width, inner_band
from tests.metrics.references import Map, Mask, map_pairs

SHARES = st.sampled_from([Fraction(1, 50), Fraction(1, 5), Fraction(2, 5)])


def slow_band(mask: Mask, width: int) -> Mask:
    """A mask without its erosion, on a mask padded with zeros, a 3x3 square at a time."""
    padded = np.pad(mask, 1)
    for _ in range(width):
        padded = binary_erosion(padded, np.ones((3, 3), np.bool_), border_value=1)
    eroded = padded[1:-1, 1:-1]
    return mask & ~eroded


def slow_counts(truth: Map, guess: Map, classes: int, share: Fraction) -> NDArray[np.int64]:
    width = band_width(*truth.shape, share)  # type: ignore[call-arg]
    masked = np.where(truth == 255, 255, guess)
    rows = []
    for k in range(classes):
        g, p = truth == k, masked == k
        g_band, p_band = slow_band(g, width), slow_band(p, width)
        rows.append([g_band.sum(), p_band.sum(), (g_band & p_band).sum(), g.sum(), p.sum()])
    return np.array(rows, np.int64)


def test_widths_worked_by_hand() -> None:
    # 0.02 * 600 = 12; 0.02 * hypot(375, 500) = 12.5, which rounds to the even 12; a band has at least one pixel.
    assert [band_width(360, 480), band_width(375, 500), band_width(4, 3)] == [12, 12, 1]


def test_a_band_worked_by_hand() -> None:
    # The lower right corner is another label; the border of the image is an edge of both.
    values = np.zeros((6, 6), int)
    values[4:, 4:] = 1
    rows = ["".join(".#"[int(pixel)] for pixel in row) for row in inner_band(values, 1)]
    assert rows == ["######", "#....#", "#....#", "#..###", "#..###", "######"]


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2)), st.integers(1, 4)
)
def test_the_band_of_each_label_is_its_mask_less_its_erosion(values: Map, width: int) -> None:
    band = inner_band(values, width)
    for label in range(3):
        assert np.array_equal(band & (values == label), slow_band(values == label, width))


@given(map_pairs(side=14), SHARES)
def test_equals_the_slow_reference(pair: tuple[Map, Map], share: Fraction) -> None:
    assert np.array_equal(band_counts(*pair, 3, share=share), slow_counts(*pair, 3, share))


def test_iou_of_bands_worked_by_hand() -> None:
    # Ten by ten, band of one pixel. Truth: columns 0-4 are class 0; prediction: columns 0-5.
    # Band of class 0 in the truth: a ring of 10 x 5, 26 pixels; in the prediction: of 10 x 6, 28 pixels.
    # Both: the left column, 10, and 4 more in the first and last row each, 8: 18. IoU = 18 / (26 + 28 - 18) = 1/2.
    truth, guess = np.ones((2, 10, 10), int)
    truth[:, :5], guess[:, :6] = 0, 0
    metric = BoundaryIoU(["left", "right", "nowhere"])
    metric.update(truth, guess)
    scores = metric.scores()
    # Class 1: 26 and 24 pixels; both: the right column and 3 more in two rows each, 16: 16 / (26 + 24 - 16) = 8/17.
    assert scores.per_class == {"left": 18 / 36, "right": 16 / 34, "nowhere": None}
    assert scores.mean == (18 / 36 + 16 / 34) / 2
    assert scores.images == {"left": 1, "right": 1, "nowhere": 0}
    assert scores.warnings == ()


def test_a_missed_class_and_an_invented_one_score_zero() -> None:
    metric = BoundaryIoU(["kept", "missed", "invented"])
    metric.update([[0, 0, 1]], [[0, 0, 2]])
    assert metric.scores().per_class == {"kept": 1.0, "missed": 0.0, "invented": 0.0}
    assert BoundaryIoU(2).scores().mean is None


def test_a_band_that_swallows_a_class_is_told() -> None:
    truth = np.zeros((20, 20), int)
    truth[5, 5] = 1
    metric = BoundaryIoU(["ground", "dot"])
    metric.update(truth, truth)
    metric.update(np.zeros((20, 20), int), np.zeros((20, 20), int))
    assert metric.scores().swallowed == {"ground": 0, "dot": 1}
    assert metric.scores().warnings == (
        "The band swallows class dot in 1 of the 1 images that have it: there boundary IoU is plain IoU.",
    )


@given(map_pairs(side=14), SHARES)
def test_turning_and_mirroring_changes_nothing(pair: tuple[Map, Map], share: Fraction) -> None:
    mirrored = band_counts(pair[0][:, ::-1], pair[1][:, ::-1], 3, share=share)
    assert np.array_equal(mirrored, band_counts(*pair, 3, share=share))
    turned = band_counts(pair[0].T, pair[1].T, 3, share=share)
    assert np.array_equal(turned, band_counts(*pair, 3, share=share))


@given(map_pairs(side=14), SHARES, st.permutations(range(3)))
def test_renaming_classes_permutes_the_counts(pair: tuple[Map, Map], share: Fraction, order: list[int]) -> None:
    table = np.array([*order, *range(3, 256)], np.uint8)
    renamed = band_counts(table[pair[0]], table[pair[1]], 3, share=share)
    assert np.array_equal(renamed[order], band_counts(*pair, 3, share=share))


@given(map_pairs(side=14), SHARES, st.integers(0, 255))
def test_what_is_predicted_on_void_never_matters(pair: tuple[Map, Map], share: Fraction, value: int) -> None:
    changed = np.where(pair[0] == 255, np.uint8(value), pair[1])
    assert np.array_equal(band_counts(pair[0], changed, 3, share=share), band_counts(*pair, 3, share=share))


@given(map_pairs(side=14), SHARES)
def test_a_perfect_prediction_scores_one(pair: tuple[Map, Map], share: Fraction) -> None:
    metric = BoundaryIoU(3, share=share)
    metric.update(pair[0], pair[0])
    assert set(metric.scores().per_class.values()) <= {None, 1.0}


@given(st.lists(map_pairs(side=14), max_size=3), st.lists(map_pairs(side=14), max_size=3))
def test_parts_add_up_to_the_whole(first: list[tuple[Map, Map]], second: list[tuple[Map, Map]]) -> None:
    left, right, whole = BoundaryIoU(3), BoundaryIoU(3), BoundaryIoU(3)
    for metric, pairs in ((left, first), (right, second), (whole, first + second)):
        for pair in pairs:
            metric.update(*pair)
    assert (left + right).scores() == whole.scores()


def test_a_labelled_pixel_predicted_as_nothing_is_refused_or_wrong() -> None:
    with pytest.raises(DataError, match="ignore index"):
        BoundaryIoU(2).update([[0, 1]], [[0, 255]])
    metric = BoundaryIoU(2, void_predictions="wrong")
    metric.update([[0, 1]], [[0, 255]])
    assert metric.scores().per_class == {"0": 1.0, "1": 0.0}


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="is not an image"):
        BoundaryIoU(2).update([0, 1], [0, 1])
    with pytest.raises(UsageError, match="cannot be added"):
        BoundaryIoU(2) + BoundaryIoU(3)
    with pytest.raises(UsageError, match="is empty"):
        BoundaryIoU(2, share=Fraction(0))
