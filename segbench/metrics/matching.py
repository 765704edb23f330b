"""A maximum matching of a bipartite graph: greedy first, then augmenting paths, many at a time.

Each round grows one breadth-first forest of alternating paths from all free left vertices at once (the search itself
is compiled code of scipy). Its trees share no vertex, so one augmenting path of every tree that reached a free right
vertex can be taken in the same round. A round whose forest reaches none proves the matching maximum (Berge 1957): the
forest holds every vertex an augmenting path could pass.

``scipy.sparse.csgraph.maximum_bipartite_matching`` is not used: it takes exponential time on layered graphs, which the
outlines of shapes are. ``maximum_flow`` is safe, and 5 to 10 times slower on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FREE", "BipartiteGraph", "maximum_matching"]

FREE = -1

Indices = NDArray[np.int32]


@dataclass(frozen=True)
class BipartiteGraph:
    """Edges by their left vertex.

    Attributes:
        starts: int32 [L+1], the edges of left vertex v are ``starts[v]:starts[v + 1]``.
        rights: int32 [E], the right vertex of each edge.
        num_right: Number of right vertices.
        layers: int [E] or ``None``: edges of one layer share no vertex, so the greedy start takes a layer at once.
    """

    starts: Indices
    rights: Indices
    num_right: int
    layers: NDArray[np.integer] | None = None

    @property
    def num_left(self) -> int:
        """Number of left vertices."""
        return self.starts.size - 1

    @property
    def lefts(self) -> Indices:
        """int32 [E], the left vertex of each edge."""
        return np.repeat(np.arange(self.num_left, dtype=np.int32), np.diff(self.starts))


def maximum_matching(graph: BipartiteGraph, start: Indices | None = None) -> Indices:
    """A matching with as many edges as there can be.

    Args:
        graph: The graph.
        start: int32 [L], a matching to improve on: the right vertex of each left one, or ``FREE``.

    Returns:
        int32 [L], the right vertex of each left one, or ``FREE``.
    """
    of_left = np.full(graph.num_left, FREE, np.int32) if start is None else start.copy()
    of_right = _inverse(of_left, graph.num_right)
    if graph.layers is not None:
        _take_layers(graph, of_left, of_right)
    forest = _Forest(graph)
    while forest.augment(of_left, of_right):
        pass
    return of_left


def _inverse(of_left: Indices, num_right: int) -> Indices:
    of_right = np.full(num_right, FREE, np.int32)
    matched = np.flatnonzero(of_left != FREE).astype(np.int32)
    of_right[of_left[matched]] = matched
    return of_right


def _take_layers(graph: BipartiteGraph, of_left: Indices, of_right: Indices) -> None:
    """Matches, layer after layer, every edge whose ends are both free."""
    assert graph.layers is not None
    lefts, rights = graph.lefts, graph.rights
    order = np.argsort(graph.layers, kind="stable")
    bounds = np.cumsum(np.bincount(graph.layers))
    lefts, rights = lefts.take(order), rights.take(order)
    for begin, end in zip(np.append(0, bounds), bounds, strict=False):
        left, right = lefts[begin:end], rights[begin:end]
        free = np.flatnonzero((of_left.take(left) & of_right.take(right)) == FREE)
        of_left[left[free]] = right[free]
        of_right[right[free]] = left[free]


class _Forest:
    """The search for augmenting paths; what stays the same from round to round is kept.

    Vertices of the searched graph: left ones 0..L-1, free right ones L..L+R-1, and the root L+R above the free left
    ones. A matched right vertex is passed on to its partner at once, so it needs no vertex of its own.
    """

    def __init__(self, graph: BipartiteGraph) -> None:
        from scipy.sparse import csr_array

        self.num_left = graph.num_left
        self.root = graph.num_left + graph.num_right
        self.alone = np.arange(self.num_left, self.root, dtype=np.int32)
        self.has_edges = np.diff(graph.starts) > 0
        self.rights = graph.rights.astype(np.intp)
        edges = graph.rights.size
        targets = np.zeros(edges + self.num_left, np.int32)
        starts = np.full(self.root + 2, edges, np.int32)
        starts[: graph.starts.size] = graph.starts
        starts[-1] = targets.size
        # The search asks for float64 weights and looks at none.
        self.searched = csr_array((np.ones(targets.size), targets, starts), shape=(self.root + 1,) * 2)

    def augment(self, of_left: Indices, of_right: Indices) -> bool:
        """Improves the matching along vertex-disjoint paths; ``False`` when there is none, so it is maximum."""
        free = np.flatnonzero((of_left == FREE) & self.has_edges).astype(np.int32)
        order, parents = self._search(free, of_right)
        reached = order[(order >= self.num_left) & (order < self.root)]
        if not reached.size:
            return False
        above = np.maximum(parents[: self.num_left], 0)
        above[free] = free
        lowest = parents.take(reached)
        first = np.unique(_tops(lowest, above), return_index=True)[1]
        _flip(lowest[first], reached[first] - self.num_left, above, of_left, of_right)
        return True

    def _search(self, free: Indices, of_right: Indices) -> tuple[Indices, Indices]:
        """Vertices in breadth-first order from the root, and the parent of each."""
        from scipy.sparse.csgraph import breadth_first_order

        edges = self.rights.size
        targets, starts = self.searched.indices, self.searched.indptr
        np.take(np.where(of_right == FREE, self.alone, of_right), self.rights, out=targets[:edges], mode="clip")
        targets[edges : edges + free.size] = free
        starts[-1] = edges + free.size
        order, parents = breadth_first_order(self.searched, self.root, return_predecessors=True)
        return order, parents


def _tops(vertices: Indices, above: Indices) -> Indices:
    """The root of each vertex's tree; every step goes twice as far up as the one before."""
    while True:
        higher = above.take(vertices)
        if np.array_equal(higher, vertices):
            return vertices
        vertices, above = higher, above.take(above)


def _flip(left: Indices, right: Indices, above: Indices, of_left: Indices, of_right: Indices) -> None:
    """Matches each left with its right vertex, and what that takes away with the left vertex above, up to the roots."""
    while right.size:
        freed = of_left[left]
        of_left[left], of_right[right] = right, left
        going = np.flatnonzero(freed != FREE)
        right, left = freed.take(going), above.take(left.take(going))
