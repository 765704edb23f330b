"""Lengths of time: what is written, and what is meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30 min", 1800),
        ("2m", 120),
        ("1.5h", 5400),
        ("2d", 172800),
        ("08:00:00", 28800),
        ("1-00:30:05", 88205),
    ],
)
def test_a_time_as_people_and_slurm_write_it(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "4", "4 parsecs", "h", "-1h", "1:60:00", "10:00", "1-2", "1e3s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="no time; give a number with s, m, min, h, d, or HH:MM:SS"):
        seconds_of(text)


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_days_hours_minutes_and_seconds_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    clock = f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}"
    assert seconds_of(clock) == sum(map(seconds_of, (f"{days}d", f"{hours}h", f"{minutes}m", f"{seconds}s")))
