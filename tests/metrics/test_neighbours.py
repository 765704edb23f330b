from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.metrics import neighbours
from segbench.metrics.neighbours import Frame, Neighbourhood, Pixels


def pixels(frame: Frame, seed: int, share: float, classes: int) -> tuple[Pixels, list[tuple[int, int, int]]]:
    """Random boundary pixels, and the same as (row, column, class) lists."""
    generator = np.random.default_rng(seed)
    shape = (frame.height, frame.width, classes)
    member = generator.random(shape) < share
    words = (member * (1 << np.arange(classes))).sum(axis=2).astype(np.uint16)
    positions = np.arange(frame.height * frame.width)
    return Pixels.of(frame.padded(positions), words.ravel()), [(y, x, c) for y, x, c in np.argwhere(member).tolist()]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_pairs_are_those_of_all_pixels_with_all(height: int, width: int, squared: int, seed: int, small: bool) -> None:
    frame = Frame(height, width, squared)
    (left, left_list), (right, right_list) = (pixels(frame, seed + at, 0.3, 4) for at in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_PLACES_AT_ONCE", 40 if small else 1 << 20)
        nearby = Neighbourhood(right, frame).nearby(left)
    near = [
        (a, b)
        for a in left_list
        for b in right_list
        if a[2] == b[2] and (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 <= squared
    ]
    graph = nearby.graph
    assert graph.rights.size == len(near)
    assert (graph.num_left, graph.num_right) == (len({a for a, _ in near}), len({b for _, b in near}))
    assert (graph.degrees > 0).all() and set(graph.rights.tolist()) == set(range(graph.num_right))
    edge_classes = np.repeat(nearby.lefts, graph.degrees)
    assert np.array_equal(edge_classes, nearby.rights[graph.rights]), "an edge joins pixels of one class"
    degrees = sorted(sum(a == one for a, _ in near) for one in {a for a, _ in near})
    assert sorted(graph.degrees.tolist()) == degrees


def test_groups_follow_each_other() -> None:
    frame = Frame(5, 5, 2)
    (first, _), (second, _), (right, _) = (pixels(frame, seed, 0.5, 3) for seed in range(3))
    near = Neighbourhood(right, frame)
    both, alone = near.nearby(first, second), (near.nearby(first), near.nearby(second))
    assert both.ends == (alone[0].graph.num_left, alone[0].graph.num_left + alone[1].graph.num_left)
    assert both.lefts.tolist() == [*alone[0].lefts.tolist(), *alone[1].lefts.tolist()]
    assert both.graph.degrees.tolist() == [*alone[0].graph.degrees.tolist(), *alone[1].graph.degrees.tolist()]


def test_nothing_is_near_nothing() -> None:
    frame = Frame(3, 4, 2)
    nothing = Pixels(np.empty(0, np.intp), np.empty(0, np.uint16))
    nearby = Neighbourhood(nothing, frame).nearby(pixels(frame, 0, 0.5, 2)[0], nothing)
    assert (nearby.graph.num_left, nearby.graph.rights.size, nearby.ends) == (0, 0, (0, 0))
