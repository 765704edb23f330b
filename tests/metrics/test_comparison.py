"""Paired differences: against a loop, by hand, and by the laws that any comparison obeys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import UsageError
from segbench.metrics.comparison import Comparison, Difference, compare, difference, holm
from segbench.metrics.disc import Tolerance
from segbench.metrics.image_sums import score_values
from segbench.metrics.resampling import Resampling
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import Tallies, tally_image
from segbench.record import SCORE_NAMES, Protocol
from tests.metrics.tallied import again, from_shares, noisy
from tests.metrics.test_statistics import MEAN, shares

BLOCKS = Resampling(9, ((0, 1, 2, 3, 4), (5, 6, 7, 8)), 2, 999)


def listed(found: Comparison) -> list[Difference]:
    overall = [getattr(found, name) for name in SCORE_NAMES]
    classes = [getattr(one, name) for name in ("accuracy", "iou", "boundary_f1") for one in found.per_class.values()]
    return overall + classes


@pytest.mark.parametrize("chosen", [Resampling(9, resamples=199), replace(BLOCKS, resamples=199)])
def test_differences_are_taken_in_the_same_resamples(chosen: Resampling) -> None:
    first, second = noisy(1), noisy(2)
    resamples = []
    for weights in np.concatenate(list(chosen.weights())):
        pair = (scores_from_tallies(again(run, weights), Protocol()) for run in (first, second))
        resamples.append(list(zip(*map(score_values, pair), strict=True)))
    found = listed(compare(first, second, Protocol(), chosen))
    for one, pairs in zip(found, zip(*resamples, strict=True), strict=True):
        values = sorted(mine - theirs for mine, theirs in pairs if mine is not None and theirs is not None)
        assert one.resamples == len(values)
        if len(values) == 199:
            assert [one.low, one.high] == pytest.approx([values[4], values[-5]], abs=1e-8)
            rarer = min(sum(value <= 0 for value in values), sum(value >= 0 for value in values))
            assert one.p_value == min(1, 2 * (rarer + 1) / 200)


def test_a_p_value_worked_by_hand() -> None:
    # 2 of 9 are at most 0 and 8 at least 0: 2 (2 + 1) / (9 + 1).
    values = np.array([-1.0, 0, 1, 2, 3, 4, 5, 6, 7])
    found = difference(0.5, 0.25, values, Resampling(4))
    assert [found.p_value, found.difference, found.low, found.high] == pytest.approx([0.6, 0.25, -1, 7])
    # One image's standard deviation is twice that of the mean of four.
    assert found.effect == pytest.approx(0.25 / (2 * float(np.std(values))))
    assert found.tied


def test_a_p_value_is_never_zero() -> None:
    found = difference(0.5, 0.25, np.full(9_999, 0.25), Resampling(4))
    assert (found.p_value, found.effect, found.tied) == (2 / 10_000, None, False)


@given(st.integers(99, 400), st.data())
def test_the_interval_holds_zero_exactly_where_runs_are_tied(count: int, data: Any) -> None:
    below = data.draw(st.integers(0, 20))
    values = np.concatenate([np.full(below, -1.0), np.full(count - below, 2.0)])
    found = difference(0.5, 0.25, values, Resampling(4))
    assert found.low is not None and found.high is not None
    assert found.tied == (found.low <= 0 <= found.high)


@pytest.mark.parametrize("chosen", [None, BLOCKS])
def test_a_run_ties_with_itself(chosen: Resampling | None) -> None:
    found = compare(noisy(1), noisy(1), Protocol(), chosen)
    defined = [one for one in listed(found) if one.difference is not None]
    assert len(defined) == 16
    for one in defined:
        assert (one.difference, one.low, one.high, one.p_value, one.tied) == (0, 0, 0, 1, True)
    assert found.better == (0, 0, 9)
    assert [image.image_id for image in found.images] == sorted(noisy(1).image_ids)


@pytest.mark.parametrize("chosen", [None, BLOCKS])
def test_exchanged_runs_change_the_sign_alone(chosen: Resampling | None) -> None:
    there = compare(noisy(1), noisy(2, wrong=0.5), Protocol(), chosen)
    back = compare(noisy(2, wrong=0.5), noisy(1), Protocol(), chosen)
    for one, other in zip(listed(there), listed(back), strict=True):
        assert (one.first, one.second, one.p_value, one.holm_p_value) == (
            other.second,
            other.first,
            other.p_value,
            other.holm_p_value,
        )
        for mine, theirs in ((one.difference, other.difference), (one.low, other.high), (one.high, other.low)):
            assert mine == (None if theirs is None else -theirs)
        assert one.effect == pytest.approx(None if other.effect is None else -other.effect)
    assert there.better == (back.better[1], back.better[0], back.better[2])
    assert [image.image_id for image in there.images] == [image.image_id for image in back.images]


def test_the_better_run_is_found() -> None:
    found = compare(noisy(1, 40, wrong=0.1), noisy(2, 40, wrong=0.5), Protocol()).mean_iou
    assert found.difference is not None and found.low is not None
    assert found.difference > found.low > 0 and not found.tied


def test_the_order_of_the_second_runs_images_does_not_matter() -> None:
    second = noisy(2)
    turned = Tallies(second.class_names, 255, second.tolerance, second.image_ids[::-1], second.images[::-1])
    assert compare(noisy(1), second, Protocol()) == compare(noisy(1), turned, Protocol())


def test_pairing_makes_differences_surer_than_the_scores_are() -> None:
    """What both runs find hard takes no part in the difference."""
    rng = np.random.default_rng(0)
    common = shares(rng, 100, 0.0)
    better = from_shares(np.clip(common + 0.01 + 0.002 * rng.standard_normal(common.shape), 0, 1))
    found = compare(better, from_shares(common), Protocol()).global_accuracy
    assert found.standard_deviation == pytest.approx(0.002 / 200**0.5, rel=0.3)
    assert not found.tied
    assert found.effect == pytest.approx(0.01 / (0.002 / 2**0.5), rel=0.3)


@pytest.mark.slow
def test_equal_runs_are_told_apart_as_seldom_as_said() -> None:
    rng = np.random.default_rng(2)
    tied = []
    for _ in range(300):
        first, second = (from_shares(np.clip(MEAN + 0.05 * rng.standard_normal((60, 2)), 0, 1)) for _ in range(2))
        tied.append(compare(first, second, Protocol(), Resampling(60, resamples=399)).mean_iou.tied)
    assert np.mean(tied) == pytest.approx(0.95, abs=0.038)


# --- images ----------------------------------------------------------------------------------------------------------


def test_images_are_scored_alone_and_the_most_different_come_first() -> None:
    first, second = noisy(1), noisy(2, wrong=0.6)
    found = compare(first, second, Protocol())
    changes = [abs(image.mean_iou[2] or 0) for image in found.images]
    assert changes == sorted(changes, reverse=True)
    for image in found.images:
        alone = [
            scores_from_tallies(again(run, [float(name == image.image_id) for name in run.image_ids]), Protocol())
            for run in (first, second)
        ]
        assert list(image.mean_iou[:2]) == pytest.approx([scores.mean_iou for scores in alone])
        assert list(image.boundary_f1[:2]) == pytest.approx([scores.boundary_f1 for scores in alone], abs=1e-8)
        assert image.global_accuracy[:2] == tuple(scores.global_accuracy for scores in alone)
    signs = [np.sign(image.mean_iou[2] or 0) for image in found.images]
    assert found.better == (signs.count(1), signs.count(-1), signs.count(0))


def test_what_only_one_run_defines_is_no_difference() -> None:
    # The truth lacks c; the first run predicts it (IoU 0), the second does not (undefined).
    truth = np.array([[0, 1]])
    runs = [Tallies(("a", "b", "c"), tolerance=None) for _ in range(2)]
    for tallies, guess in zip(runs, ([[0, 2]], [[0, 1]]), strict=True):
        tallies.add("x", tally_image(truth, np.array(guess), 3, 255, None))
    found = compare(runs[0], runs[1], Protocol()).per_class["c"].iou
    assert (found.first, found.second, found.difference, found.p_value, found.resamples) == (0, None, None, None, 0)
    assert found.tied


# --- several classes -------------------------------------------------------------------------------------------------


def test_holm_worked_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before), 0.5 x 1.
    assert holm([0.03, 0.01, None, 0.5, 0.02]) == [
        pytest.approx(p) if p else None for p in (0.06, 0.04, None, 0.5, 0.06)
    ]
    assert holm([]) == []
    assert holm([0.4, 0.5, 0.6]) == [1.0, 1.0, 1.0]


@given(st.lists(st.none() | st.floats(0.0001, 1), max_size=8))
def test_corrected_p_values_are_larger_and_keep_their_order(values: list[float | None]) -> None:
    found = [
        (mine, own) for mine, own in zip(holm(values), values, strict=True) if mine is not None and own is not None
    ]
    assert all(own <= mine <= 1 for mine, own in found)
    assert [mine for mine, _ in sorted(found)] == [mine for mine, _ in sorted(found, key=lambda pair: pair[::-1])]


def test_each_score_of_the_classes_is_corrected_by_itself() -> None:
    found = compare(noisy(1), noisy(2), Protocol())
    for name in ("accuracy", "iou", "boundary_f1"):
        tests = [getattr(one, name) for one in found.per_class.values()]
        assert [one.holm_p_value for one in tests] == holm([one.p_value for one in tests])
    assert found.mean_iou.holm_p_value is None


# --- what cannot be compared -----------------------------------------------------------------------------------------


def one(truth: list[list[int]], names: tuple[str, ...] = ("a", "b"), image: str = "x", **changes: Any) -> Tallies:
    tolerance = changes.get("tolerance", Tolerance())
    tallies = Tallies(names, changes.get("ignore_index", 255), tolerance)
    label = np.array(truth)
    tallies.add(image, tally_image(label, label, len(names), tallies.ignore_index, tolerance))
    return tallies


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (one([[0, 1]], ("a", "c")), r"the classes: 2 \(a, b"),
        (one([[0, 1]], ignore_index=254), "the ignored label: 255 and 254"),
        (one([[0, 1]], tolerance=Tolerance.parse("4.5px")), "the tolerance of boundary F1: 0.0075 diagonal and 4.5 px"),
        (one([[0, 1]], tolerance=None), "0.0075 diagonal and none"),
        (one([[0, 1]], image="y"), "only the first has x"),
        (one([[0], [1]]), "the size of x: 1 x 2 and 2 x 1"),
        (one([[1, 1]]), "the labels of x"),
        (one([[0, 1]]) + one([[0, 1]], image="y"), "the number of images: 1 and 2"),
    ],
)
def test_runs_on_other_images_are_refused(other: Tallies, message: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be compared image by image; they differ in .*{message}"):
        compare(one([[0, 1]]), other, Protocol())
