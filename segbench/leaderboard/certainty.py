"""How sure the scores of a board are, and which of its rows are tied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segbench.errors import RecordError, UsageError
from segbench.metrics.comparison import Difference, check_comparable, difference
from segbench.metrics.image_sums import ImageSums, ScoreTable
from segbench.metrics.resampling import Resampling, choose_resampling
from segbench.metrics.statistics import Interval, interval, resampled
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, RunRecord

__all__ = ["Certainty", "Place", "certainty"]

_ORDERING = SCORE_NAMES.index("mean_iou")


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Attributes:
        rank: Place of the best row of its rank, from 1; ``None`` where there is no mean IoU.
        tied: Whether it shares that rank with another row.
        behind: The best row's mean IoU and this row's, and their difference; ``None`` for the best row itself.
        intervals: By name of the score.
    """

    rank: int | None
    tied: bool
    behind: Difference | None
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class Certainty:
    """The places of a board's rows.

    Attributes:
        resampling: How images were drawn; the same resamples for all rows.
        places: By run id.
    """

    resampling: Resampling
    places: Mapping[str, Place]


def certainty(records: Sequence[RunRecord], read: Callable[[RunRecord], Tallies]) -> Certainty:
    """Intervals and ranks of runs on the same images.

    The best row that has no rank yet begins one; the rows after it share that rank as long as the 95 % interval of the
    difference in mean IoU from it, by paired bootstrap, holds 0.

    Args:
        records: The rows of a board, best first.
        read: Gives the tallies of a record.

    Raises:
        RecordError: Tallies do not give the scores of their record, or are not of the same images.
    """
    first = read(records[0])
    sums = [_sums(record, read(record), records[0], first) for record in records]
    resampling = choose_resampling(first.image_ids)
    tables = resampled(sums, resampling, rows=len(SCORE_NAMES))
    intervals = [_intervals(record, table, resampling) for record, table in zip(records, tables, strict=True)]
    ranked = _ranked(records, tables, resampling)
    ranks = [rank for rank, _ in ranked]
    places = [
        Place(rank, rank is not None and ranks.count(rank) > 1, behind, found)
        for (rank, behind), found in zip(ranked, intervals, strict=True)
    ]
    return Certainty(resampling, {record.run_id: place for record, place in zip(records, places, strict=True)})


def _sums(record: RunRecord, tallies: Tallies, first: RunRecord, wanted: Tallies) -> ImageSums:
    try:
        check_comparable(wanted, tallies)
    except UsageError as error:
        raise RecordError(f"Runs {first.run_id} and {record.run_id}: {error.message}", error.hint) from error
    return ImageSums(tallies, record.scores.protocol, wanted.image_ids)


def _intervals(record: RunRecord, table: ScoreTable, resampling: Resampling) -> dict[str, Interval]:
    return {
        name: interval(getattr(record.scores, name), values[defined], resampling.method)
        for name, values, defined in zip(SCORE_NAMES, table.values, table.defined, strict=True)
    }


def _ranked(
    records: Sequence[RunRecord], tables: Sequence[ScoreTable], resampling: Resampling
) -> list[tuple[int | None, Difference | None]]:
    """The rank of each row, and how far it is behind the best of that rank."""
    ranked: list[tuple[int | None, Difference | None]] = []
    leader = 0
    for place, record in enumerate(records):
        behind = _behind((records[leader], record), (tables[leader], tables[place]), resampling)
        if record.scores.mean_iou is None:
            ranked.append((None, None))
            continue
        if place and not behind.tied:
            leader = place
        ranked.append((leader + 1, None if leader == place else behind))
    return ranked


def _behind(
    records: tuple[RunRecord, RunRecord], tables: tuple[ScoreTable, ScoreTable], resampling: Resampling
) -> Difference:
    best, own = (record.scores.mean_iou for record in records)
    (left, right) = ((table.values[_ORDERING], table.defined[_ORDERING]) for table in tables)
    both = left[1] & right[1]
    return difference(best, own, left[0][both] - right[0][both], resampling)
