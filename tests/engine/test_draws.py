"""The numbers that augmentation is drawn from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segbench.engine.draws import uniform_draws

NUMBERS = st.integers(0, 2**32)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_they_lie_in_the_unit_interval_and_the_first_ones_do_not_depend_on_the_count(
    seed: int, iteration: int, image: int
) -> None:
    draws = uniform_draws(seed, iteration, image, 7)
    assert ((draws >= 0) & (draws < 1)).all()
    assert np.array_equal(draws[:3], uniform_draws(seed, iteration, image, 3))


def test_every_argument_counts() -> None:
    cases = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert len({uniform_draws(*case, 4).tobytes() for case in cases}) == 4


def test_the_stream_is_the_one_it_was() -> None:
    """Runs resume bitwise with another numpy; the numbers come from PCG64's published generator."""
    raw = np.random.PCG64(np.random.SeedSequence([0xA06, 3, 5, 8])).random_raw(2)
    assert uniform_draws(3, 5, 8, 2).tolist() == [int(value) // 2**11 / 2**53 for value in raw]


def test_they_are_uniform() -> None:
    draws = np.concatenate([uniform_draws(0, step, image, 4) for step in range(40) for image in range(40)])
    shares = np.histogram(draws, bins=8, range=(0, 1))[0] / draws.size
    # 6,400 draws: a share of an eighth has a standard deviation of 0.004.
    assert np.abs(shares - 1 / 8).max() < 0.02
