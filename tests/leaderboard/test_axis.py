from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.leaderboard.axis import Axis, linear_axis, log_axis

FINITE = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-3, 1e9)


def test_ticks_are_round() -> None:
    assert linear_axis([0, 100], 0, 1).ticks == (0, 20, 40, 60, 80, 100)
    assert linear_axis([1, 2], 0, 1, whole=True).ticks == (1, 2)
    assert log_axis([1, 1000], 0, 1).ticks == (1, 10, 100, 1000)


@given(st.lists(FINITE, min_size=1))
def test_all_values_lie_on_a_linear_axis(values: list[float]) -> None:
    axis = linear_axis(values, 10, 110)
    assert all(10 - 1e-3 <= axis.at(value) <= 110 + 1e-3 for value in values)
    assert list(axis.ticks) == sorted(set(axis.ticks)) and 2 <= len(axis.ticks) <= 14
    assert (axis.at(axis.low), axis.at(axis.high)) == (10, 110)


@given(st.lists(POSITIVE, min_size=1))
def test_all_values_lie_on_a_logarithmic_axis(values: list[float]) -> None:
    axis = log_axis(values, 110, 10)
    assert all(10 < axis.at(value) < 110 for value in values)
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_the_middle_of_a_logarithmic_axis_is_the_geometric_mean() -> None:
    assert Axis(1, 100, 0, 10, log=True).at(10) == pytest.approx(5)
