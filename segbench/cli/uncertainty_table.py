"""What a network's certainty is worth, as tables."""

from __future__ import annotations

from segbench.console import Column, Table
from segbench.leaderboard.wording import percent
from segbench.metrics.uncertainty import UncertaintyScores

__all__ = ["uncertainty_tables"]


def uncertainty_tables(scores: UncertaintyScores) -> tuple[Table, Table]:
    """The reliability of confidence, and accuracy by share of the most certain pixels, in percent."""
    return _reliability(scores), _shares(scores)


def _reliability(scores: UncertaintyScores) -> Table:
    columns = [Column("confidence"), *(Column(name, right=True) for name in ("mean", "accuracy", "pixels"))]
    rows = [
        [
            f"{percent(found.low)} to {percent(found.high)}",
            percent(found.confidence),
            percent(found.accuracy),
            f"{found.pixels:,}",
        ]
        for found in scores.reliability
    ]
    error = f"Expected calibration error {percent(scores.expected_calibration_error)} %."
    return Table(columns, rows, "Reliability", [f"{error} {_speaker(scores.samples)}"])


def _shares(scores: UncertaintyScores) -> Table:
    names = list(scores.accuracy_at_confidence[0].accuracy)
    columns = [Column("most certain"), *(Column(f"by {name}", right=True) for name in names)]
    rows = [
        [percent(found.share), *(percent(found.accuracy[name]) for name in names)]
        for found in scores.accuracy_at_confidence
    ]
    return Table(columns, rows, "Accuracy of the most certain pixels", [])


def _speaker(samples: int | None) -> str:
    return "Probabilities of one network." if samples is None else f"Mean probabilities of {samples} thinned networks."
