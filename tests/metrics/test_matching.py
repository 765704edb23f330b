from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segbench.metrics import matching
from segbench.metrics.matching import FREE, BipartiteGraph, maximum_matching
from tests.metrics.references import matched

Adjacency = NDArray[np.bool_]


def graph_of(adjacency: Adjacency) -> BipartiteGraph:
    """Edges by row."""
    right = np.nonzero(adjacency)[1]
    starts = np.append(0, np.cumsum(adjacency.sum(axis=1))).astype(np.int32)
    return BipartiteGraph(starts, right.astype(np.int32), adjacency.shape[1])


def assert_matching(partners: NDArray[np.int32], adjacency: Adjacency) -> None:
    rows = np.flatnonzero(partners != FREE)
    assert adjacency[rows, partners[rows]].all(), "only edges of the graph"
    assert len(set(partners[rows].tolist())) == rows.size, "no right vertex twice"


@st.composite
def adjacencies(draw: st.DrawFn) -> Adjacency:
    shape = draw(st.tuples(st.integers(0, 14), st.integers(1, 14)))
    density, seed = draw(st.sampled_from([0.05, 0.15, 0.3, 0.7])), draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random(shape) < density


@given(adjacencies())
def test_as_many_as_the_best_assignment(adjacency: Adjacency) -> None:
    partners = maximum_matching(graph_of(adjacency))
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == matched(adjacency)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("rounds", [0, 1, 2])
@given(adjacency=adjacencies())
def test_what_the_rounds_leave_is_finished_by_a_flow(
    monkeypatch: pytest.MonkeyPatch, rounds: int, adjacency: Adjacency
) -> None:
    monkeypatch.setattr(matching, "_MOST_ROUNDS", rounds)
    partners = maximum_matching(graph_of(adjacency))
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == matched(adjacency)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(adjacency=adjacencies())
def test_a_start_made_part_by_part_is_as_good(monkeypatch: pytest.MonkeyPatch, adjacency: Adjacency) -> None:
    monkeypatch.setattr(matching, "_EDGES_AT_ONCE", 5)
    partners = maximum_matching(graph_of(adjacency))
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == matched(adjacency)


@settings(max_examples=40)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_as_many_as_networkx_finds_in_larger_graphs(left: int, right: int, degree: int, seed: int) -> None:
    networkx = pytest.importorskip("networkx")
    adjacency = np.random.default_rng(seed).random((left, right)) < degree / right
    peer = networkx.Graph([(("left", int(a)), ("right", int(b))) for a, b in np.argwhere(adjacency)])
    tops = [node for node in peer if node[0] == "left"]
    expected = len(networkx.bipartite.maximum_matching(peer, top_nodes=tops)) // 2
    partners = maximum_matching(graph_of(adjacency))
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == expected


@given(adjacencies(), st.integers(0, 14))
def test_more_left_vertices_join_a_maximum_matching(adjacency: Adjacency, known: int) -> None:
    known = min(known, adjacency.shape[0])
    start = np.full(adjacency.shape[0], FREE, np.int32)
    start[:known] = maximum_matching(graph_of(adjacency).first(known))
    partners = maximum_matching(graph_of(adjacency), start, known)
    assert_matching(partners, adjacency)
    assert (partners != FREE).sum() == matched(adjacency)


@given(adjacencies(), st.integers(0, 14), st.integers(0, 14))
def test_left_vertices_that_are_passed_over_stay_free(adjacency: Adjacency, first: int, second: int) -> None:
    # The vertices between the first group and the known ones belong to another problem.
    first = min(first, adjacency.shape[0])
    known = min(first + second, adjacency.shape[0])
    start = np.full(adjacency.shape[0], FREE, np.int32)
    start[:first] = maximum_matching(graph_of(adjacency).first(first))
    partners = maximum_matching(graph_of(adjacency), start, known)
    assert (partners[first:known] == FREE).all()
    without = adjacency.copy()
    without[first:known] = False
    assert_matching(partners, without)
    assert (partners != FREE).sum() == matched(without)


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


@pytest.mark.timeout(30)
@pytest.mark.parametrize("rounds", [2, 40])
def test_crowded_graphs_end_soon(monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    # Every free vertex wants the same matched ones, each of which can be freed: trees fight over all of them.
    monkeypatch.setattr(matching, "_MOST_ROUNDS", rounds)
    count = 150
    adjacency = np.zeros((2 * count, 2 * count), np.bool_)
    adjacency[:, :count] = True
    adjacency[:count, count:] = np.eye(count, dtype=np.bool_)
    start = np.concatenate([np.arange(count), np.full(count, FREE)]).astype(np.int32)
    assert (maximum_matching(graph_of(adjacency), start) != FREE).all()


@pytest.mark.timeout(30)
def test_long_chains_grids_and_noise_end_soon() -> None:
    size = 3000
    row = np.arange(size)
    chain = BipartiteGraph(
        np.append(0, np.cumsum(np.full(size, 2))).astype(np.int32),
        np.stack([row, row + 1], axis=1).ravel().astype(np.int32),
        size + 1,
    )
    start = np.append(np.arange(1, size), FREE).astype(np.int32)
    assert (maximum_matching(chain, start) != FREE).all(), "one path of 3,000 edges"
    side = 60
    rights = [
        (r * side + c, [r * side + c, r * side + (c + 1) % side, (r + 1) % side * side + c])
        for r, c in np.ndindex(side, side)
    ]
    grid = BipartiteGraph(
        np.arange(0, 3 * side * side + 1, 3, dtype=np.int32),
        np.array([near for _, near in rights], np.int32).ravel(),
        side * side,
    )
    assert (maximum_matching(grid) != FREE).all(), "three neighbours each, so a perfect matching exists"
    dense = np.random.default_rng(0).random((400, 380)) < 0.5
    assert (maximum_matching(graph_of(dense)) != FREE).sum() == 380


def test_a_graph_without_edges_or_vertices() -> None:
    assert maximum_matching(graph_of(np.zeros((3, 2), np.bool_))).tolist() == [FREE] * 3
    assert maximum_matching(graph_of(np.zeros((0, 2), np.bool_))).tolist() == []
