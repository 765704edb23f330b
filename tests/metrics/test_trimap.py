from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import DataError, UsageError
from segbench.metrics.disc import Tolerance
from segbench.metrics.trimap import TrimapCurve, squared_distances
from tests.metrics import references
from tests.metrics.references import Map, map_pairs

RADII = [0, 1, 1.5, 2, 4]


def slow_squares(truth: Map) -> Map | None:
    """d**2 of each pixel to the nearest that has another label beside it, pixel by pixel."""
    height, width = truth.shape
    edges = [
        (y, x)
        for y, x in np.ndindex(truth.shape)
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        if 0 <= v < height and 0 <= u < width and truth[v, u] != truth[y, x]
    ]
    if not edges:
        return None
    squares = [min((y - v) ** 2 + (x - u) ** 2 for v, u in edges) for y, x in np.ndindex(truth.shape)]
    return np.array(squares).reshape(truth.shape)


def curve(pairs: list[tuple[Map, Map]], radii: list[float]) -> TrimapCurve:
    made = TrimapCurve(3, radii)
    for pair in pairs:
        made.update(*pair)
    return made


@given(map_pairs())
def test_distances_are_exact(pair: tuple[Map, Map]) -> None:
    found, expected = squared_distances(pair[0]), slow_squares(pair[0])
    if found is None or expected is None:
        assert found is expected
    else:
        assert np.array_equal(found, expected)


@given(map_pairs(), st.permutations(RADII))
def test_each_band_is_counted_as_the_pixels_in_it(pair: tuple[Map, Map], radii: list[float]) -> None:
    truth, guess = pair
    squares = slow_squares(truth)
    for radius, matrix in zip(radii, curve([pair], radii).matrices, strict=True):
        band = np.zeros(truth.shape, np.bool_) if squares is None else squares <= radius**2
        assert np.array_equal(matrix.counts, references.confusion(truth[band], guess[band], 3)[0])


def test_a_curve_worked_by_hand() -> None:
    # One row. truth       0 0 0 0 1 1 1 1    the edge lies between 3 and 4
    #          prediction  1 0 0 0 0 1 1 1
    # r = 0: pixels 3 and 4, one right: accuracy 1/2; IoU of 0: 1/2, of 1: 0/1.
    # r = 3: all pixels, 6 right: 6/8; IoU of 0: 3/5, of 1: 3/5.
    metric = TrimapCurve(["left", "right"], [3, 0])
    metric.update([[0, 0, 0, 0, 1, 1, 1, 1]], [[1, 0, 0, 0, 0, 1, 1, 1]])
    wide, narrow = metric.points()
    assert (narrow.accuracy, narrow.mean_iou, narrow.share) == (0.5, 0.25, 0.25)
    assert narrow.per_class == {"left": 0.5, "right": 0.0}
    assert (wide.accuracy, wide.mean_iou, wide.share) == (0.75, 0.6, 1.0)
    assert narrow.warnings == ()
    assert wide.warnings == (
        "The band of 3px swallows class left in 1 of the 1 images with it.",
        "The band of 3px swallows class right in 1 of the 1 images with it.",
    )


def test_void_has_an_edge_and_counts_nowhere() -> None:
    # truth 0 0 0 v: the band of radius 0 is pixel 2 and the void beside it, which is left out.
    metric = TrimapCurve(2, [0])
    metric.update([[0, 0, 0, 255]], [[1, 1, 0, 1]])
    assert metric.matrices[0].counts.tolist() == [[1, 0], [0, 0]]


def test_an_image_without_an_edge_has_no_band() -> None:
    metric = TrimapCurve(2, [5])
    metric.update([[0, 0]], [[0, 1]])
    (point,) = metric.points()
    assert (point.accuracy, point.mean_iou, point.share) == (None, None, 0.0)


@given(map_pairs())
def test_turning_and_mirroring_changes_nothing(pair: tuple[Map, Map]) -> None:
    expected = curve([pair], [0, 1.5, 3]).points()
    assert curve([(pair[0][:, ::-1], pair[1][:, ::-1])], [0, 1.5, 3]).points() == expected
    assert curve([(pair[0].T, pair[1].T)], [0, 1.5, 3]).points() == expected


@given(map_pairs(), st.permutations(range(3)))
def test_renaming_classes_permutes_the_matrices(pair: tuple[Map, Map], order: list[int]) -> None:
    table = np.array([*order, *range(3, 256)], np.uint8)
    renamed, plain = curve([(table[pair[0]], table[pair[1]])], [1]), curve([pair], [1])
    assert np.array_equal(renamed.matrices[0].counts[np.ix_(order, order)], plain.matrices[0].counts)


@given(map_pairs(), st.integers(0, 255))
def test_what_is_predicted_on_void_never_matters(pair: tuple[Map, Map], value: int) -> None:
    changed = np.where(pair[0] == 255, np.uint8(value), pair[1])
    assert curve([(pair[0], changed)], [0, 2]).points() == curve([pair], [0, 2]).points()


@given(map_pairs())
def test_a_perfect_prediction_scores_one(pair: tuple[Map, Map]) -> None:
    for point in curve([(pair[0], pair[0])], [0, 2]).points():
        assert point.accuracy in (None, 1.0) and point.mean_iou in (None, 1.0)


@given(map_pairs())
def test_wider_bands_hold_narrower_ones(pair: tuple[Map, Map]) -> None:
    counts = [matrix.counts for matrix in curve([pair], [0, 1, 2, 100]).matrices]
    assert all((narrow <= wide).all() for narrow, wide in pairwise(counts))
    if squared_distances(pair[0]) is not None:
        assert np.array_equal(counts[-1], references.confusion(*pair, 3)[0])


@given(st.lists(map_pairs(), max_size=3), st.lists(map_pairs(), max_size=3))
def test_parts_add_up_to_the_whole(first: list[tuple[Map, Map]], second: list[tuple[Map, Map]]) -> None:
    assert (curve(first, [0, 2]) + curve(second, [0, 2])).points() == curve(first + second, [0, 2]).points()


def test_radii_may_be_given_as_a_share_of_the_diagonal() -> None:
    metric = TrimapCurve(2, [Tolerance.parse("0.2")])
    metric.update([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]], np.zeros((3, 4), int))
    assert metric.matrices[0].counts.tolist() == [[6, 0], [3, 0]]  # 0.2 * 5 = 1 pixel


def test_what_cannot_be_scored_is_refused() -> None:
    metric = TrimapCurve(2, [1])
    with pytest.raises(DataError, match="is not an image"):
        metric.update([0, 1], [0, 1])
    with pytest.raises(DataError, match="holds 7 at row 0, column 1"):
        metric.update([[0, 1]], [[0, 7]])
    assert metric.whole.num_pixels == 0
    with pytest.raises(UsageError, match="cannot be added"):
        metric + TrimapCurve(2, [2])
    with pytest.raises(UsageError, match="at least one radius"):
        TrimapCurve(2, [])
