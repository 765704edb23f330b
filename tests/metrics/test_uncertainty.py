"""Calibration and accuracy at confidence against a loop over pixels and a sort of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segbench.errors import DataError, UsageError
from segbench.metrics.calibration import Calibration
from segbench.metrics.confident_share import ConfidentShare
from segbench.metrics.uncertainty import SHARES, UncertaintyScorer

Case = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Truth with void, prediction, and values of few or many different sizes in [0, 1], both ends included."""
    height, width, seed = draw(st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1)))
    dice = np.random.default_rng(seed)
    label = dice.choice([0, 1, 2, 255], (height, width)).astype(np.uint8)
    prediction = dice.integers(0, 3, (height, width)).astype(np.uint8)
    steps = draw(st.sampled_from([1, 4, 256]))
    return label, prediction, dice.integers(0, steps + 1, (height, width)) / steps


def pixels(case: Case) -> list[tuple[bool, float]]:
    """(right, value) of each labelled pixel, one by one."""
    return [
        (bool(case[0][place] == case[1][place]), float(case[2][place]))
        for place in np.ndindex(*case[0].shape)
        if case[0][place] != 255
    ]


# --- calibration -----------------------------------------------------------------------------------------------------


@given(cases(), st.integers(1, 12))
def test_bins_hold_the_pixels_of_their_confidence(case: Case, num_bins: int) -> None:
    calibration = Calibration(num_bins)
    calibration.update(*case)
    error = 0.0
    for number, found in enumerate(calibration.bins):
        last = number == num_bins - 1
        members = [
            (right, value)
            for right, value in pixels(case)
            if value * num_bins >= number and (value * num_bins < number + 1 or last)
        ]
        assert found.pixels == len(members)
        if members:
            accuracy, mean = (sum(column) / len(members) for column in zip(*members, strict=True))
            assert found.accuracy == pytest.approx(accuracy)
            assert found.confidence == pytest.approx(mean)
            error += len(members) / len(pixels(case)) * abs(accuracy - mean)
        else:
            assert (found.accuracy, found.confidence) == (None, None)
    expected = pytest.approx(error) if pixels(case) else None
    assert calibration.expected_error == expected


def test_calibration_worked_by_hand() -> None:
    # Two bins: 0.2 (wrong) and 0.4 (right) below, 0.9 (right, right, wrong) above; a void pixel.
    label = np.array([[0, 0, 1, 1, 1, 255]])
    prediction = np.array([[1, 0, 1, 1, 0, 0]])
    calibration = Calibration(2)
    calibration.update(label, prediction, np.array([[0.2, 0.4, 0.9, 0.9, 0.9, 1.0]]))
    assert calibration.expected_error == pytest.approx((2 * abs(0.5 - 0.3) + 3 * abs(2 / 3 - 0.9)) / 5)


@settings(max_examples=20)
@given(cases(), cases())
def test_images_add_up(first: Case, second: Case) -> None:
    both, alone, other = Calibration(), Calibration(), Calibration()
    shares, some, more = ConfidentShare(), ConfidentShare(), ConfidentShare()
    for case, one, ranked in ((first, alone, some), (second, other, more)):
        for calibration in (both, one):
            calibration.update(*case)
        for counts in (shares, ranked):
            counts.update(*case)
    assert (alone + other).pixels.tolist() == both.pixels.tolist()
    assert (alone + other).expected_error == (both.expected_error and pytest.approx(both.expected_error))
    assert (some + more).accuracies(SHARES) == shares.accuracies(SHARES)


@given(cases())
def test_a_network_that_is_always_right_and_sure_is_calibrated(case: Case) -> None:
    calibration = Calibration()
    calibration.update(case[0], case[0], np.ones(case[0].shape))
    assert calibration.expected_error == (0 if pixels(case) else None)


# --- accuracy at confidence ------------------------------------------------------------------------------------------


@given(cases(), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_accuracies_are_those_of_the_sorted_pixels(case: Case, shares: list[float]) -> None:
    counts = ConfidentShare()
    counts.update(*case)
    found = pixels(case)
    for share, accuracy in zip(shares, counts.accuracies(shares), strict=True):
        assert accuracy == (pytest.approx(by_sorting(found, share)) if found else None)


def by_sorting(found: list[tuple[bool, float]], share: float) -> float:
    """The definition: pixels in order of uncertainty, each group of equals right as often as on average."""
    averaged = [
        sum(right for right, other in found if other == value) / sum(other == value for _, other in found)
        for _, value in sorted(found, key=lambda pixel: pixel[1])
    ]
    wanted = share * len(averaged)
    whole = min(int(wanted), len(averaged) - 1)
    return (sum(averaged[:whole]) + (wanted - whole) * averaged[whole]) / wanted


@given(cases())
def test_all_pixels_have_the_global_accuracy(case: Case) -> None:
    counts, found = ConfidentShare(), pixels(case)
    counts.update(*case)
    expected = sum(right for right, _ in found) / len(found) if found else None
    assert counts.accuracies([1.0]) == [None if expected is None else pytest.approx(expected)]


@settings(max_examples=20)
@given(cases(), st.integers(-30, 10))
def test_only_the_order_counts(case: Case, power: int) -> None:
    plain, scaled = ConfidentShare(), ConfidentShare()
    plain.update(*case)
    scaled.update(case[0], case[1], case[2] * 2.0**power)
    assert plain.accuracies(SHARES) == scaled.accuracies(SHARES)


def test_uncertainty_that_knows_its_errors_puts_them_last() -> None:
    label, prediction = np.zeros((1, 10), np.uint8), np.array([[0] * 6 + [1] * 4])
    counts = ConfidentShare()
    counts.update(label, prediction, (label != prediction).astype(float))
    assert counts.accuracies([0.3, 0.6, 0.8, 1.0]) == pytest.approx([1, 1, 6 / 8, 6 / 10])


# --- together --------------------------------------------------------------------------------------------------------


def test_scores_are_json_without_nan() -> None:
    scorer = UncertaintyScorer(samples=8)
    void = np.full((2, 3), 255)
    scorer.update(void, np.zeros((2, 3), int), np.ones((2, 3)), {"entropy": np.zeros((2, 3))})
    values = json.loads(json.dumps(scorer.scores().to_json(), allow_nan=False))
    assert (values["samples"], values["num_pixels"], values["expected_calibration_error"]) == (8, 0, None)
    assert [row["share"] for row in values["accuracy_at_confidence"]] == list(SHARES)
    assert values["accuracy_at_confidence"][-1]["accuracy"] == {"entropy": None}
    assert len(values["reliability"]) == 10


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_confidence_is_a_probability(value: float) -> None:
    calibration = Calibration()
    with pytest.raises(DataError, match=r"not within 0\.\.1"):
        calibration.update([[0, 1]], [[0, 1]], [[0.5, value]])
    assert not calibration.pixels.any()


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_an_uncertainty_is_finite_and_not_negative(value: float) -> None:
    counts = ConfidentShare()
    with pytest.raises(DataError, match="negative or not finite"):
        counts.update([[0, 1]], [[0, 1]], [[0.5, value]])
    assert not counts.pixels.any()


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match="A share is"):
        ConfidentShare().accuracies([share])


def test_shapes_differ() -> None:
    with pytest.raises(DataError, match=r"shape \(1, 1\)"):
        Calibration().update([[0, 1]], [[0, 1]], [[0.5]])


def test_other_bins_do_not_add_up() -> None:
    with pytest.raises(UsageError, match="cannot be added"):
        Calibration(10) + Calibration(15)
