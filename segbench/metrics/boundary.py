"""How many boundary pixels two label maps have in common, for all classes at once.

Both rules are read off one graph: the boundary pixels of prediction and truth that are of one class and within the
radius. A pixel with an edge is a hit of the distance rule; the matching rule asks for a maximum matching.

Masking void changes the prediction's boundary beside void only. So pixels that both void policies share are matched
first, and those of each policy alone are added to that matching.

Source: computeBFmeasure.m of SegNet-Tutorial.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.metrics.confusion import check_same_shape, integer_map
from segbench.metrics.disc import Tolerance, dilate
from segbench.metrics.matching import FREE, maximum_matching
from segbench.metrics.neighbours import Frame, Nearby, Neighbourhood, Pixels
from segbench.metrics.numbering import Integers
from segbench.metrics.outline import BITS, Bits, Outline, Positions, boundary_map, class_counts, pixels_per_class

__all__ = ["BOUNDARY_COLUMNS", "boundary_counts", "boundary_map", "hit_counts", "sweep_counts"]

BOUNDARY_COLUMNS = (
    "truth",
    "predicted_asis",
    "matches_asis",
    "predicted_hits_asis",
    "truth_hits_asis",
    "predicted_masked",
    "matches_masked",
    "predicted_hits_masked",
    "truth_hits_masked",
)
"""Columns of ``boundary_counts``.

Boundary pixels of the truth; then, with void as it is and with void masked: those of the prediction, the maximum
matching, and the pixels of prediction and of truth that have a counterpart within the radius.
"""


def boundary_counts(
    label: ArrayLike, prediction: ArrayLike, num_classes: int, ignore_index: int, tolerance: Tolerance
) -> NDArray[np.int64]:
    """Counts boundary F1 is made of, per class, by both rules and both void policies.

    Args:
        label: [H,W] integer class ids, 0..K-1 or ``ignore_index``.
        prediction: [H,W]; values that are no class have no boundary of their own.
        num_classes: K.
        ignore_index: Where the truth has it, the masked policy sets the prediction to it before boundaries are drawn.
        tolerance: The radius.

    Returns:
        int64 [K,9], columns as in ``BOUNDARY_COLUMNS``. The matching is the maximum one-to-one matching within the
        radius (an exact maximum, not BSDS's approximation to it); hits follow Csurka et al. 2013.
    """
    counts: NDArray[np.int64] = sweep_counts(label, prediction, num_classes, ignore_index, [tolerance])[0]
    return counts


def sweep_counts(
    label: ArrayLike, prediction: ArrayLike, num_classes: int, ignore_index: int, tolerances: Sequence[Tolerance]
) -> NDArray[np.int64]:
    """``boundary_counts`` for several tolerances: int64 [tolerances,K,9]."""
    truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
    check_same_shape(truth, guess)
    outlines = [Outline.of(values, num_classes, ignore_index) for values in _maps(truth, guess, ignore_index)]
    height, width = truth.shape
    counts = np.zeros((len(tolerances), num_classes, 9), np.int64)
    for column, outline in zip((0, 1, 5), (*outlines, outlines[-1]), strict=False):
        counts[:, :, column] = outline.sizes
    present = np.flatnonzero(outlines[0].sizes)
    for at, tolerance in enumerate(tolerances):
        frame = Frame(height, width, tolerance.squared_radius(height, width))
        for begin in range(0, present.size, BITS):
            classes = present[begin : begin + BITS]
            asis, masked = _shared(outlines, frame, classes)
            counts[at, classes, 2:5], counts[at, classes, 6:9] = asis, masked
    return counts


def _maps(truth: Integers, guess: Integers, ignore_index: int) -> tuple[Integers, ...]:
    """Truth, prediction, and, where void makes a difference, the masked prediction."""
    void = truth == ignore_index
    return (truth, guess, np.where(void, truth, guess)) if void.any() else (truth, guess)


def _shared(outlines: list[Outline], frame: Frame, classes: Positions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """int64 [classes,3] for void as it is and masked: matches, hits of the prediction, hits of the truth."""
    truth, *predictions = ((frame.padded(outline.positions), outline.bits(classes)) for outline in outlines)
    groups = _split(frame, *predictions)
    nearby = Neighbourhood(Pixels.of(*truth), frame).nearby(*groups)
    both, asis, masked = nearby.ends
    start = maximum_matching(nearby.graph.first(both))
    with_asis = _counted(nearby, start, both, asis, classes.size)
    if masked == asis == both:
        return with_asis, with_asis
    return with_asis, _counted(nearby, start, asis, masked, classes.size)


def hit_counts(
    label: ArrayLike, prediction: ArrayLike, num_classes: int, ignore_index: int, tolerance: Tolerance
) -> NDArray[np.int64]:
    """Counts of the distance rule alone, void as it is: several times faster than ``boundary_counts``.

    Args:
        label: As for ``boundary_counts``, and so are the other arguments.
        prediction: [H,W].
        num_classes: K.
        ignore_index: No class.
        tolerance: The radius.

    Returns:
        int64 [K,4]: boundary pixels of the truth, of the prediction, hits of the prediction, hits of the truth.
    """
    truth, guess = integer_map(label, "label"), integer_map(prediction, "prediction")
    check_same_shape(truth, guess)
    outlines = [Outline.of(values, num_classes, ignore_index) for values in (truth, guess)]
    height, width = truth.shape
    frame = Frame(height, width, tolerance.squared_radius(height, width))
    counts = np.stack([outline.sizes for outline in outlines] * 2, axis=1)
    counts[:, 2:] = 0
    present = np.flatnonzero(counts[:, :2].all(axis=1))
    for begin in range(0, present.size, BITS):
        classes = present[begin : begin + BITS]
        first, second = ((frame.padded(outline.positions), outline.bits(classes)) for outline in outlines)
        counts[classes, 2] = pixels_per_class(second[1] & _spread(first, frame).take(second[0]), classes.size)
        counts[classes, 3] = pixels_per_class(first[1] & _spread(second, frame).take(first[0]), classes.size)
    return counts


Boundary = tuple[Positions, Bits]


def _spread(boundary: Boundary, frame: Frame) -> Bits:
    """Flat padded image of the classes that have a boundary pixel within the radius."""
    image: Bits = np.zeros(frame.size, boundary[1].dtype)
    image[boundary[0]] = boundary[1]
    return dilate(image, frame.squared_radius, frame.reach, frame.stride)


def _split(frame: Frame, asis: Boundary, masked: Boundary | None = None) -> tuple[Pixels, Pixels, Pixels]:
    """Pixels of classes that both boundaries have, that only the first has, that only the second has."""
    if masked is None:
        nothing = Pixels(asis[0][:0], asis[1][:0])
        return Pixels.of(*asis), nothing, nothing
    image: Bits = np.zeros(frame.size, asis[1].dtype)
    image[masked[0]] = masked[1]
    shared = asis[1] & image.take(asis[0])
    image[masked[0]] = 0
    image[asis[0]] = asis[1]
    return (
        Pixels.of(asis[0], shared),
        Pixels.of(asis[0], asis[1] ^ shared),
        Pixels.of(masked[0], masked[1] & ~image.take(masked[0])),
    )


def _counted(nearby: Nearby, start: NDArray[np.int32], begin: int, end: int, num_classes: int) -> NDArray[np.int64]:
    """int64 [classes,3] of the prediction made of the left vertices of ``start`` and of those from begin to end."""
    graph = nearby.graph.first(end)
    partners = np.full(end, FREE, np.int32)
    partners[: start.size] = start
    partners = maximum_matching(graph, partners, known=begin)
    touched = np.zeros(graph.num_right, np.bool_)
    for first, last in ((0, start.size), (begin, end)):
        touched[graph.rights[graph.starts[first] : graph.starts[last]]] = True
    lefts = np.concatenate([nearby.lefts[: start.size], nearby.lefts[begin:end]])
    vertices = (nearby.lefts[:end][partners != FREE], lefts, nearby.rights[touched])
    return np.stack([class_counts(of_vertices, num_classes) for of_vertices in vertices], axis=1)
