"""Whether a training had converged when it ended: the loss of its last iterations beside that of those before."""

from __future__ import annotations

import math

from segbench.record import Curve

__all__ = ["LEAST_FALL", "WINDOW", "converged", "loss_fall"]

WINDOW = 1000
"""Iterations over which the loss is averaged."""
LEAST_FALL = 0.01
"""A loss that falls by a smaller share than this from one window to the next has converged."""


def loss_fall(curve: Curve) -> float | None:
    """By what share the mean training loss of the last ``WINDOW`` iterations is below that of the ``WINDOW`` before.

    Returns:
        0.02 is a fall by 2 %, a negative value a rise; ``None`` where the training was shorter than both windows, or no
        validation was at the border of one, so that the means are not known.
    """
    end = max(curve.iteration, default=0)
    before, last = _mean_loss(curve, end - 2 * WINDOW, end - WINDOW), _mean_loss(curve, end - WINDOW, end)
    return None if before is None or last is None or before == 0 else 1 - last / before


def converged(curve: Curve) -> bool | None:
    """Whether the loss had all but stopped falling; ``None`` where the curve does not tell."""
    fall = loss_fall(curve)
    return None if fall is None else fall < LEAST_FALL


def _mean_loss(curve: Curve, start: int, end: int) -> float | None:
    """Over the iterations ``start`` to ``end``; an entry of the curve is the mean since the entry before."""
    begins = [0, *curve.iteration[:-1]]
    if start not in begins or end not in curve.iteration:
        return None
    spans = zip(begins, curve.iteration, curve.loss, strict=True)
    return math.fsum(loss * (to - begin) for begin, to, loss in spans if start <= begin and to <= end) / (end - start)
