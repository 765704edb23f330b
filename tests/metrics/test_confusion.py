from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segbench.errors import DataError, UsageError
from segbench.metrics import confusion
from segbench.metrics.confusion import ConfusionMatrix, count_pairs
from tests.metrics import references
from tests.metrics.references import Map, map_pairs

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def matrix(
    label: Any, prediction: Any, num_classes: int = 3, ignore_index: int = 255, **options: Any
) -> ConfusionMatrix:
    counted = ConfusionMatrix(num_classes, ignore_index, **options)
    counted.update(label, prediction)
    return counted


def test_a_case_worked_by_hand() -> None:
    # truth       0 0 1      prediction  0 1 1
    #             2 v 1                  2 2 0      v: ignored, so the 2 predicted there counts nowhere
    label = np.array([[0, 0, 1], [2, 255, 1]], np.uint8)
    prediction = np.array([[0, 1, 1], [2, 2, 0]], np.uint8)
    counted = matrix(label, prediction)
    assert counted.counts.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert counted.missed.tolist() == [0, 0, 0]
    assert counted.num_pixels == 5
    assert counted.counts.dtype == counted.missed.dtype == np.dtype(np.int64)


@given(map_pairs(side=24))
def test_equals_a_count_pixel_by_pixel(pair: tuple[Map, Map]) -> None:
    counts, missed = references.confusion(*pair, num_classes=3)
    counted = matrix(*pair)
    assert np.array_equal(counted.counts, counts) and np.array_equal(counted.missed, missed)


@given(map_pairs(ignore_index=100), st.sampled_from(INTEGERS), st.sampled_from(INTEGERS))
def test_any_integer_type(pair: tuple[Map, Map], label_type: str, prediction_type: str) -> None:
    label, prediction = pair
    expected = matrix(label, prediction, ignore_index=100)
    counted = matrix(label.astype(label_type), prediction.astype(prediction_type), ignore_index=100)
    assert np.array_equal(counted.counts, expected.counts)


@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 300, 4096]))
def test_classes_of_two_bytes(seed: int, num_classes: int) -> None:
    generator = np.random.default_rng(seed)
    label, prediction = (generator.integers(0, num_classes, (5, 7), np.uint16) for _ in range(2))
    label[0, :3] = 65535
    pairs = count_pairs(label, prediction, num_classes, 65535)
    found = dict(
        zip(zip(pairs.true.tolist(), pairs.predicted.tolist(), strict=True), pairs.count.tolist(), strict=True)
    )
    assert found == Counter(zip(label.ravel().tolist()[3:], prediction.ravel().tolist()[3:], strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("num_classes", [3, 300])
@given(pair=map_pairs(side=12), kind=st.sampled_from(["uint8", ">u2", "int32", "int64"]))
def test_parts_of_a_map_are_put_together(
    monkeypatch: pytest.MonkeyPatch, num_classes: int, pair: tuple[Map, Map], kind: str
) -> None:
    expected = references.confusion(*pair, num_classes)[0]
    monkeypatch.setattr(confusion, "_PART", 17)
    assert np.array_equal(matrix(pair[0].astype(kind), pair[1].astype(kind), num_classes).counts, expected)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "int64"])
def test_memory_stays_below_that_of_the_images(noisy: bool, kind: str) -> None:
    # A part of 2**18 pixels takes up to 14 bytes a pixel on the way; the maps here are 16 such parts each.
    coarse = np.random.default_rng(0).integers(0, 11, (2, 2048, 2048) if noisy else (2, 64, 64)).astype(kind)
    label, prediction = coarse if noisy else np.kron(coarse, np.ones((1, 32, 32), coarse.dtype))
    count_pairs(label[:9], prediction[:9], 11)
    tracemalloc.start()
    count_pairs(label, prediction, 11)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < label.nbytes


def test_a_negative_ignore_index_and_one_that_is_a_class_number() -> None:
    label = np.array([[0, -1, 1]], np.int32)
    assert matrix(label, np.array([[0, 0, 0]]), 2, -1).counts.tolist() == [[1, 0], [1, 0]]
    assert matrix(label + 1, np.array([[1, 1, 1]]), 3, 0).counts.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_booleans_are_two_classes() -> None:
    assert matrix(np.array([[True, False]]), np.array([[True, True]]), 2).counts.tolist() == [[0, 1], [0, 1]]


@given(map_pairs(), map_pairs())
def test_a_sum_is_the_matrix_of_both(first: tuple[Map, Map], second: tuple[Map, Map]) -> None:
    whole = matrix(*first)
    whole.update(*second)
    total = matrix(*first) + matrix(*second)
    assert np.array_equal(total.counts, whole.counts) and np.array_equal(total.missed, whole.missed)


@given(map_pairs(), st.permutations(range(3)))
def test_renaming_classes_permutes_the_matrix(pair: tuple[Map, Map], order: list[int]) -> None:
    table = np.array([*order, *range(3, 256)], np.uint8)
    label, prediction = pair
    renamed = matrix(table[label], table[prediction]).counts
    assert np.array_equal(renamed[np.ix_(order, order)], matrix(label, prediction).counts)


@given(map_pairs(), st.integers(0, 255))
def test_what_is_predicted_on_ignored_pixels_never_matters(pair: tuple[Map, Map], value: int) -> None:
    label, prediction = pair
    changed = np.where(label == 255, np.uint8(value), prediction)
    assert np.array_equal(matrix(label, changed).counts, matrix(label, prediction).counts)


@given(map_pairs(void=False))
def test_a_perfect_prediction_fills_the_diagonal_only(pair: tuple[Map, Map]) -> None:
    label, _ = pair
    counts = matrix(label, label).counts
    assert np.trace(counts) == counts.sum() == label.size


def test_a_labelled_pixel_predicted_as_nothing_is_refused_or_missed() -> None:
    label, prediction = np.array([[0, 1], [1, 255]]), np.array([[0, 255], [1, 255]])
    with pytest.raises(DataError, match=r"ignore index 255 at row 0, column 1.*--void-predictions wrong"):
        matrix(label, prediction)
    counted = matrix(label, prediction, 2, void_predictions="wrong")
    assert counted.counts.tolist() == [[1, 0], [0, 1]]
    assert counted.missed.tolist() == [0, 1]
    assert counted.num_pixels == 3


@pytest.mark.parametrize("noisy", [False, True])
def test_a_value_out_of_range_is_named_with_its_place(noisy: bool) -> None:
    generator = np.random.default_rng(0)
    clean = generator.integers(0, 3, (20, 30), np.uint8) if noisy else np.zeros((20, 30), np.uint8)
    wrong = clean.copy()
    wrong[7, 11] = 17
    with pytest.raises(DataError, match=r"^The label holds 17 at row 7, column 11; allowed are 0 to 2 and 255"):
        matrix(wrong, clean)
    with pytest.raises(DataError, match=r"^The prediction holds 17 at row 7, column 11;"):
        matrix(clean, wrong)
    with pytest.raises(DataError, match=r"holds -4 at row 7, column 11"):
        matrix(np.where(wrong == 17, -4, wrong.astype(int)), clean)


def test_nothing_is_counted_when_an_image_is_refused() -> None:
    counted = ConfusionMatrix(2)
    with pytest.raises(DataError):
        counted.update([[0, 1]], [[0, 9]])
    assert counted.counts.sum() == 0


def test_shapes_that_differ_are_both_named() -> None:
    with pytest.raises(DataError, match=r"prediction is 2 x 4 but its label is 4 x 6 .*upsample"):
        matrix(np.zeros((4, 6), int), np.zeros((2, 4), int))


def test_fractions_are_no_class_ids() -> None:
    with pytest.raises(DataError, match="prediction holds float64 values"):
        matrix(np.zeros((2, 2), int), np.zeros((2, 2)))


@pytest.mark.parametrize("num_classes", [0, -1, 4097])
def test_numbers_of_classes_that_cannot_be_scored(num_classes: int) -> None:
    with pytest.raises(UsageError, match=f"{num_classes} classes .* 1 to 4096"):
        ConfusionMatrix(num_classes)


def test_matrices_of_different_classes_do_not_add_up() -> None:
    with pytest.raises(UsageError, match="Cannot add"):
        ConfusionMatrix(2) + ConfusionMatrix(3)


@pytest.mark.parametrize("num_classes", [3, 500])
def test_an_empty_map_counts_nothing(num_classes: int) -> None:
    assert matrix(np.empty((0, 5), np.uint8), np.empty((0, 5), np.uint8), num_classes).num_pixels == 0


def test_a_stack_of_images_counts_like_its_images() -> None:
    generator = np.random.default_rng(1)
    labels, predictions = (generator.integers(0, 3, (4, 5, 6)) for _ in range(2))
    whole = ConfusionMatrix(3)
    for label, prediction in zip(labels, predictions, strict=True):
        whole.update(label, prediction)
    assert np.array_equal(matrix(labels, predictions).counts, whole.counts)


def test_each_pair_is_listed_once() -> None:
    label = np.array([[0, 1, 0, 1, 255, 0]])
    pairs = count_pairs(label, np.zeros_like(label), 2)
    assert (pairs.true.tolist(), pairs.predicted.tolist(), pairs.count.tolist()) == ([0, 1], [0, 0], [3, 2])
