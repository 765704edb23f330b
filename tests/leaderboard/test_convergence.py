"""Convergence: hand-worked means over windows of a curve, and curves that do not tell."""

from __future__ import annotations

import pytest

from segbench.leaderboard.convergence import converged, loss_fall
from segbench.record import Curve
from tests.leaderboard import examples


def curve(*entries: tuple[int, float]) -> Curve:
    """Iteration and mean loss since the entry before."""
    steps, losses = [step for step, _ in entries], [loss for _, loss in entries]
    unknown = [None] * len(entries)
    return examples.CURVE.model_copy(
        update={"iteration": steps, "epoch": steps, "loss": losses, "global_accuracy": unknown, "mean_iou": unknown}
    )


@pytest.mark.parametrize(
    ("last", "fall", "expected"),
    [(0.9, 0.1, False), (0.98999, 0.01001, False), (0.99001, 0.00999, True), (1.2, -0.2, True)],
)
def test_the_last_thousand_iterations_are_held_against_those_before(last: float, fall: float, expected: bool) -> None:
    found = curve((1000, 9.0), (2000, 1.0), (3000, last))
    assert loss_fall(found) == pytest.approx(fall)
    assert converged(found) is expected


def test_entries_count_by_the_iterations_they_cover() -> None:
    # 500 x 1 + 500 x 3 against 250 x 4 + 750 x 0.8: means of 2.0 and 1.6.
    assert loss_fall(curve((500, 1.0), (1000, 3.0), (1250, 4.0), (2000, 0.8))) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "entries",
    [
        [(1500, 1.0)],
        [(250 * step, 1.0) for step in range(1, 7)],
        [(700, 1.0), (1500, 1.0), (2500, 1.0)],
        [(1000, 0.0), (2000, 0.0)],
        [],
    ],
    ids=["one entry", "1,500 iterations", "no entry at the border", "nothing to fall from", "no entry"],
)
def test_a_curve_that_does_not_tell(entries: list[tuple[int, float]]) -> None:
    assert (loss_fall(curve(*entries)), converged(curve(*entries))) == (None, None)
