from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segbench.metrics import histogram
from segbench.metrics.histogram import add_counts, distinct_counts, runs, true_positions

BYTES = st.lists(st.integers(0, 11), max_size=90)


@given(BYTES, st.sampled_from([np.uint8, np.uint16, np.uint32]))
def test_singles_are_counted_whatever_the_type(
    numbers: list[int], kind: type[np.uint8 | np.uint16 | np.uint32]
) -> None:
    table = np.full(12, 5, np.int64)
    add_counts(table, np.array(numbers, kind))
    assert table.tolist() == [5 + Counter(numbers)[n] for n in range(12)]


@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 15])
def test_what_is_widened_in_steps_is_counted_once(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(histogram, "_WIDENED", 3)
    numbers = np.arange(size, dtype=np.uint16) % 5
    table = np.zeros(5, np.int64)
    add_counts(table, numbers)
    assert table.tolist() == [Counter(numbers.tolist())[n] for n in range(5)]


def test_a_table_for_all_bytes_counts_the_largest() -> None:
    table = np.zeros(256, np.int64)
    add_counts(table, np.array([255, 0, 255, 255, 7], np.uint8))
    assert {n: int(table[n]) for n in np.flatnonzero(table)} == {0: 1, 7: 1, 255: 3}


def test_lengths_beyond_what_a_float_holds_are_exact() -> None:
    table = np.zeros(2, np.int64)
    add_counts(table, np.array([1, 1], np.uint8), np.array([2**53, 1], np.intp))
    assert table.tolist() == [0, 2**53 + 1]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=60))
def test_runs_are_those_of_equal_pairs(blocks: list[tuple[int, int, int]]) -> None:
    pairs = [(a, b) for a, b, length in blocks for _ in range(length)]
    first, second = (np.array(values, np.uint8) for values in zip(*pairs, strict=True))
    found = runs(first, second, shortest=0)
    assert found is not None
    expected = [len(list(run)) for _, run in groupby(pairs)]
    assert found[1].tolist() == expected
    assert found[0].tolist() == [sum(expected[:index]) for index in range(len(expected))]


@pytest.mark.parametrize(("run", "worth"), [(1, False), (3, False), (4, True), (9, True), (30, True)])
def test_runs_are_told_from_the_length_that_is_worth_it(run: int, worth: bool) -> None:
    numbers = np.repeat(np.arange(100, dtype=np.uint8), run)
    assert (runs(numbers, numbers, shortest=4) is not None) == worth


def test_noise_that_the_glance_misses_is_found() -> None:
    numbers = np.zeros(8000, np.uint8)
    numbers[:3000] = np.arange(3000) % 251
    assert runs(numbers, np.zeros_like(numbers), shortest=4) is None


@given(st.lists(st.booleans(), max_size=70))
def test_positions_are_found_in_words_and_in_the_rest(flags: list[bool]) -> None:
    array: NDArray[np.bool_] = np.array(flags, np.bool_)
    assert true_positions(array).tolist() == [index for index, flag in enumerate(flags) if flag]


@given(st.lists(st.tuples(st.lists(st.integers(0, 2**32 - 1), max_size=9), st.booleans()), max_size=4))
def test_large_numbers_of_several_parts_are_put_together(parts: list[tuple[list[int], bool]]) -> None:
    expected: Counter[int] = Counter()
    given_parts = []
    for numbers, weighted in parts:
        lengths = list(range(1, len(numbers) + 1)) if weighted else [1] * len(numbers)
        for number, length in zip(numbers, lengths, strict=True):
            expected[number] += length
        given_parts.append((np.array(numbers, np.uint32), np.array(lengths, np.intp) if weighted else None))
    found, counts = distinct_counts(given_parts)
    assert found.tolist() == sorted(expected)
    assert counts.tolist() == [expected[number] for number in sorted(expected)]
