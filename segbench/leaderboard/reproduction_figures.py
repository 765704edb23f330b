"""The pictures beside a table of a suite: predicted label maps and training curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from segbench.leaderboard.reproduction import Reproduction
from segbench.leaderboard.reproduction_curves import curves_path, draw_curves
from segbench.leaderboard.reproduction_maps import draw_maps, maps_are_current, maps_path, maps_show_truth
from segbench.leaderboard.truths import Truth
from segbench.record import RunRecord

__all__ = ["FindTruth", "figure_findings", "figures", "no_truth"]

FindTruth = Callable[[RunRecord], Truth | None]


def no_truth(record: RunRecord) -> None:
    """For those who have no dataset."""


def figures(root: Path, found: Reproduction, find_truth: FindTruth) -> dict[Path, bytes]:
    """Contents of the pictures by path.

    A picture of label maps that shows the truth of the same runs is not replaced, so that who lacks the dataset does
    not take the truth out of it.

    Args:
        root: The folder of the boards, ``leaderboards``.
        find_truth: Gives the split a run was scored on, where its dataset is at hand.

    Raises:
        RecordError: Predictions are missing or damaged.
    """
    drawn = {curves_path(root, found): draw_curves(found).encode()}
    path = maps_path(root, found)
    current = maps_are_current(path, found)
    if current and maps_show_truth(path):
        return drawn
    truth = find_truth(found.rows[0].runs[0])
    return drawn if current and truth is None else {**drawn, path: draw_maps(root, found, truth)}


def figure_findings(root: Path, found: Reproduction) -> Iterator[str]:
    """What is wrong with the pictures, a sentence each; their pixels are not compared."""
    maps, curves = maps_path(root, found), curves_path(root, found)
    yield from (f"{path} is missing. Draw it: segbench leaderboard" for path in (maps, curves) if not path.exists())
    if maps.exists() and not maps_are_current(maps, found):
        yield f"{maps} shows other runs than the records. Draw it anew: segbench leaderboard"
