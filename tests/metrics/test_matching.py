from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segbench.metrics.matching import FREE, BipartiteGraph, maximum_matching
from tests.metrics.references import matched

Adjacency = NDArray[np.bool_]


def graph_of(adjacency: Adjacency, layered: bool = True) -> BipartiteGraph:
    """Edges by row; layer (column - row) mod n holds each row and column at most once."""
    left, right = np.nonzero(adjacency)
    starts = np.append(0, np.cumsum(adjacency.sum(axis=1))).astype(np.int32)
    layers = (right - left) % max(adjacency.shape) if layered else None
    return BipartiteGraph(starts, right.astype(np.int32), adjacency.shape[1], layers)


def assert_matching(partners: NDArray[np.int32], adjacency: Adjacency) -> None:
    rows = np.flatnonzero(partners != FREE)
    assert adjacency[rows, partners[rows]].all(), "only edges of the graph"
    assert len(set(partners[rows].tolist())) == rows.size, "no right vertex twice"


@st.composite
def adjacencies(draw: st.DrawFn) -> Adjacency:
    shape = draw(st.tuples(st.integers(0, 14), st.integers(1, 14)))
    density, seed = draw(st.sampled_from([0.05, 0.15, 0.3, 0.7])), draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random(shape) < density


@given(adjacencies(), st.booleans())
def test_as_many_as_the_best_assignment(adjacency: Adjacency, layered: bool) -> None:
    partners = maximum_matching(graph_of(adjacency, layered))
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == matched(adjacency)


@given(adjacencies(), st.integers(0, 2**32 - 1))
def test_the_start_does_not_matter_for_the_size(adjacency: Adjacency, seed: int) -> None:
    generator = np.random.default_rng(seed)
    start = np.full(adjacency.shape[0], FREE, np.int32)
    for row in generator.permutation(adjacency.shape[0]):
        open_columns = np.flatnonzero(adjacency[row] & ~np.isin(np.arange(adjacency.shape[1]), start))
        if open_columns.size and generator.random() < 0.7:
            start[row] = generator.choice(open_columns)
    partners = maximum_matching(graph_of(adjacency), start)
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == matched(adjacency)


def test_a_path_must_be_turned_over_from_end_to_end() -> None:
    # Vertex i may take i or i + 1. Taking i + 1 throughout leaves the last alone; only the whole path frees column 0.
    count = 50
    adjacency = np.eye(count, dtype=np.bool_) | np.eye(count, k=1, dtype=np.bool_)
    start = np.append(np.arange(1, count), FREE).astype(np.int32)
    assert maximum_matching(graph_of(adjacency), start).tolist() == list(range(count))


@pytest.mark.timeout(20)
def test_layered_dead_ends_do_not_take_exponential_time() -> None:
    # Two vertices a level, each joined to both of the next, and nothing free at the end: 2**levels paths lead nowhere.
    levels = 60
    size = 2 * levels + 1
    adjacency = np.zeros((size, size - 1), np.bool_)
    adjacency[0, :2] = True
    for level in range(levels):
        adjacency[1 + 2 * level : 3 + 2 * level, 2 * level : 2 * level + 4] = True
    assert (maximum_matching(graph_of(adjacency)) != FREE).sum() == size - 1


def test_a_graph_without_edges_or_vertices() -> None:
    assert maximum_matching(graph_of(np.zeros((3, 2), np.bool_))).tolist() == [FREE] * 3
    assert maximum_matching(graph_of(np.zeros((0, 2), np.bool_))).tolist() == []
