"""A maximum matching of a bipartite graph: a good greedy start, then augmenting paths, many at a time.

The start gives each free left vertex its free right vertex with the fewest edges, and each right vertex the taker with
the fewest, until no edge has two free ends: vertices with little choice are served first (Karp and Sipser 1981), which
leaves one to two per cent of a maximum matching of outlines to be found.

Each round after it grows one breadth-first forest of alternating paths from all free vertices of one side at once (the
search itself is compiled code of scipy). Its trees share no vertex, so one augmenting path of every tree that reached a
free vertex of the other side can be taken in the same round. A round whose forest reaches none proves the matching
maximum (Berge 1957): the forest holds every vertex an augmenting path could pass. For the same reason what a forest did
not visit is left out of later rounds; the second round searches from the other side, and what neither visited is gone.

``scipy.sparse.csgraph.maximum_bipartite_matching`` is not used: it takes exponential time on layered graphs, which the
outlines of shapes are. ``maximum_flow`` is safe, and several times slower on them; it finishes what many rounds left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FREE", "BipartiteGraph", "maximum_matching"]

FREE = -1

Indices = NDArray[np.int32]
Positions = NDArray[np.intp]

# Trees take vertices from each other, so crowded graphs may need many rounds of few paths: then a flow is faster.
_MOST_ROUNDS = 40
# Edges the greedy start looks at in one go.
_EDGES_AT_ONCE = 1 << 21
# Keys of the greedy start: edges of the right vertex, twelve mixed bits, the right vertex.
_VERTEX_BITS, _MIXED_BITS = 32, 12
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)


@dataclass(frozen=True)
class BipartiteGraph:
    """Edges by their left vertex.

    Attributes:
        starts: int32 [L+1], the edges of left vertex v are ``starts[v]:starts[v + 1]``.
        rights: int32 [E], the right vertex of each edge.
        num_right: Number of right vertices.
    """

    starts: Indices
    rights: Indices
    num_right: int

    @property
    def num_left(self) -> int:
        """Number of left vertices."""
        return self.starts.size - 1

    @property
    def degrees(self) -> Indices:
        """int32 [L], edges of each left vertex."""
        return np.diff(self.starts)

    def first(self, num_left: int) -> BipartiteGraph:
        """The graph of the first left vertices alone."""
        starts = self.starts[: num_left + 1]
        return BipartiteGraph(starts, self.rights[: starts[-1]], self.num_right)

    def only(self, lefts: NDArray[np.bool_]) -> BipartiteGraph:
        """The same vertices with the edges of some left ones."""
        degrees = self.degrees
        kept = np.repeat(lefts, degrees)
        return BipartiteGraph(_starts(np.where(lefts, degrees, 0)), self.rights[kept], self.num_right)

    def turned(self) -> BipartiteGraph:
        """The same edges by their right vertex."""
        from scipy.sparse import csr_array

        values = np.ones(self.rights.size, np.bool_)
        table = csr_array((values, self.rights, self.starts), shape=(self.num_left, self.num_right)).tocsc()
        return BipartiteGraph(table.indptr, table.indices, self.num_left)


def _starts(degrees: NDArray[np.integer]) -> Indices:
    starts = np.zeros(degrees.size + 1, np.int32)
    np.cumsum(degrees, out=starts[1:])
    return starts


def maximum_matching(graph: BipartiteGraph, start: Indices | None = None, known: int = 0) -> Indices:
    """A matching with as many edges as there can be.

    Args:
        graph: The graph.
        start: int32 [L], a matching to improve on: the right vertex of each left one, or ``FREE``.
        known: ``start`` is maximum if only the first ``known`` left vertices and those it matches are looked at. Then
            paths are searched from the other left vertices alone.

    Returns:
        int32 [L], the right vertex of each left one, or ``FREE``.
    """
    of_left = np.full(graph.num_left, FREE, np.int32) if start is None else start.copy()
    of_right = _inverse(of_left, graph.num_right)
    for lefts, rights in _open_edges(graph, of_left, known):
        _serve_fewest_first(lefts, rights, of_left, of_right)
    free = (of_left == FREE) & (graph.degrees > 0)
    free[:known] = False
    _augment(graph, of_left, of_right, np.flatnonzero(free))
    return of_left


def _inverse(of_left: Indices, num_right: int) -> Indices:
    of_right = np.full(num_right, FREE, np.int32)
    matched = np.flatnonzero(of_left != FREE).astype(np.int32)
    of_right[of_left[matched]] = matched
    return of_right


def _open_edges(graph: BipartiteGraph, of_left: Indices, known: int) -> Iterator[tuple[Positions, Positions]]:
    """Left and right vertices of the edges of free left vertices, a part at a time."""
    begin = known
    while begin < graph.num_left:
        limit = int(graph.starts[begin]) + _EDGES_AT_ONCE
        end = max(begin + 1, int(np.searchsorted(graph.starts, limit, side="right")) - 1)
        lefts = np.repeat(np.arange(begin, end), np.diff(graph.starts[begin : end + 1]))
        rights = graph.rights[graph.starts[begin] : graph.starts[end]].astype(np.intp)
        yield lefts, rights
        begin = end


def _serve_fewest_first(lefts: Positions, rights: Positions, of_left: Indices, of_right: Indices) -> None:
    """Matches until no edge has two free ends; ``lefts`` is sorted. See the top of this file."""
    # Equal numbers of edges are told apart by mixed bits: neighbours that all ask for the same vertex get nowhere.
    low = np.arange(rights.size, dtype=np.int64)
    low *= _GOLDEN
    low &= ((1 << _MIXED_BITS) - 1) << _VERTEX_BITS
    low |= rights
    while True:
        open_edges = of_left.take(lefts)
        open_edges &= of_right.take(rights)
        kept = np.flatnonzero(open_edges == FREE)
        if not kept.size:
            return
        if kept.size < lefts.size:
            lefts, rights, low = lefts.take(kept), rights.take(kept), low.take(kept)
        key = np.bincount(rights).take(rights)
        key <<= _VERTEX_BITS + _MIXED_BITS
        key |= low
        first = np.concatenate([[0], np.flatnonzero(lefts[1:] != lefts[:-1]) + 1])
        wanted = np.minimum.reduceat(key, first) & ((1 << _VERTEX_BITS) - 1)
        # Of several takers the last one written stays: the one with the fewest edges.
        edges = np.minimum(np.diff(first, append=lefts.size), 65535).astype(np.uint16)
        order = np.argsort(edges ^ 65535, kind="stable")
        takers, wanted = lefts.take(first).take(order), wanted.take(order)
        of_right[wanted] = takers
        served = np.flatnonzero(of_right.take(wanted) == takers)
        of_left[takers.take(served)] = wanted.take(served)


def _augment(graph: BipartiteGraph, of_row: Indices, of_column: Indices, free: Positions) -> None:
    """Makes a matching maximum as far as paths from the rows in ``free`` can.

    Rows are the side that is searched from: left vertices in the first round, right ones after it.
    """
    for number in range(_MOST_ROUNDS):
        visited = _round(graph, of_row, of_column, free)
        if visited is None:
            return
        graph = graph.only(visited)
        if number == 0:
            graph = graph.turned()
            of_row, of_column = of_column, of_row
        free = np.flatnonzero((of_row == FREE) & (graph.degrees > 0))
    _finish_by_flow(graph, of_row, of_column, free)


def _round(graph: BipartiteGraph, of_row: Indices, of_column: Indices, free: Positions) -> NDArray[np.bool_] | None:
    """Improves the matching along vertex-disjoint paths.

    Returns:
        bool [rows], what the search visited; ``None`` when there is no path, so the matching is maximum.
    """
    if not free.size:
        return None
    num_rows = graph.num_left
    order, parents = _search(graph, of_column, free)
    reached = order[(order >= num_rows) & (order < num_rows + graph.num_right)]
    if not reached.size:
        return None
    above = np.maximum(parents[:num_rows], 0)
    above[free] = free
    lowest = parents.take(reached)
    first = np.unique(_tops(lowest, above), return_index=True)[1]
    _flip(lowest[first], reached[first] - num_rows, above, of_row, of_column)
    visited = np.zeros(num_rows, np.bool_)
    visited[order[order < num_rows]] = True
    return visited


def _search(graph: BipartiteGraph, of_column: Indices, free: Positions) -> tuple[Indices, Indices]:
    """Vertices in breadth-first order, and the parent of each.

    Vertices of the searched graph: rows 0..L-1, free columns L..L+R-1, and the root L+R above the free rows. A matched
    column is passed on to its partner at once, so it needs no vertex of its own.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    edges, num_rows, root = graph.rights.size, graph.num_left, graph.num_left + graph.num_right
    alone = np.arange(num_rows, root, dtype=np.int32)
    targets = np.empty(edges + free.size, np.int32)
    np.take(np.where(of_column == FREE, alone, of_column), graph.rights, out=targets[:edges], mode="clip")
    targets[edges:] = free
    starts = np.full(root + 2, edges, np.int32)
    starts[:num_rows] = graph.starts[:-1]
    starts[-1] = targets.size
    # The search asks for float64 weights and looks at none.
    searched = csr_array((np.ones(targets.size), targets, starts), shape=(root + 1, root + 1))
    order, parents = breadth_first_order(searched, root, return_predecessors=True)
    return order, parents


def _tops(vertices: Indices, above: Indices) -> Indices:
    """The root of each vertex's tree."""
    while True:
        higher = above.take(vertices)
        if np.array_equal(higher, vertices):
            return vertices
        vertices = higher


def _flip(left: Indices, right: Indices, above: Indices, of_left: Indices, of_right: Indices) -> None:
    """Matches each left with its right vertex, and what that takes away with the left vertex above, up to the roots."""
    while right.size:
        freed = of_left[left]
        of_left[left], of_right[right] = right, left
        going = np.flatnonzero(freed != FREE)
        right, left = freed.take(going), above.take(left.take(going))


def _finish_by_flow(graph: BipartiteGraph, of_row: Indices, of_column: Indices, free: Positions) -> None:
    """Makes the matching maximum by one flow from the free rows to the free columns, against matched edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import maximum_flow

    rows, columns = graph.num_left, graph.num_right
    source, sink = rows + columns, rows + columns + 1
    tails = np.repeat(np.arange(rows), graph.degrees)
    unmatched = of_row.take(tails) != graph.rights
    taken, open_columns = np.flatnonzero(of_column != FREE), np.flatnonzero(of_column == FREE)
    parts = [
        (tails[unmatched], rows + graph.rights[unmatched]),
        (rows + taken, of_column[taken]),
        (np.full(free.size, source), free),
        (rows + open_columns, np.full(open_columns.size, sink)),
    ]
    ends = tuple(np.concatenate([part[side] for part in parts]).astype(np.int32) for side in (0, 1))
    network = coo_array((np.ones(ends[0].size, np.int32), ends), shape=(sink + 1, sink + 1)).tocsr()
    flow = maximum_flow(network, source, sink, method="dinic").flow.tocoo()
    used = (flow.data > 0) & (flow.row < rows) & (flow.col >= rows) & (flow.col < source)
    row, column = flow.row[used], flow.col[used] - rows
    of_row[row], of_column[column] = column, row
