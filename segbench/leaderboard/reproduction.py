"""A suite's runs beside what the paper prints for them: differences, verdicts, and whether the order is the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.errors import RecordError
from segbench.leaderboard.example_images import example_images
from segbench.leaderboard.grouping import grouped
from segbench.metrics.comparison import check_comparable
from segbench.metrics.image_sums import ImageSums
from segbench.metrics.resampling import Resampling, choose_resampling
from segbench.metrics.statistics import Interval, interval, resampled, seed_spread
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, RunRecord
from segbench.suite import Suite, SuiteCell

__all__ = [
    "TRAIN_NAMES",
    "Correlation",
    "Figure",
    "Reproduction",
    "ReproductionRow",
    "build_reproduction",
    "spearman",
    "verdict",
]

TRAIN_NAMES = ("global_accuracy", "class_accuracy", "mean_iou")
# A spread over fewer seeds says too little.
FEWEST_SEEDS = 3
# Two orders of fewer networks agree by chance too easily.
FEWEST_NETWORKS = 3

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """One score beside the paper's; fractions.

    Attributes:
        ours: Mean over the seeds.
        interval: Of the first seed's run; ``None`` for scores of the training split.
        delta: Ours minus the paper's.
        verdict: ``agrees``, ``better`` or ``worse``; ``None`` where the scale has no verdicts or there are too few
            seeds.
    """

    paper: float
    ours: float | None
    interval: Interval | None
    delta: float | None
    verdict: str | None


@dataclass(frozen=True)
class ReproductionRow:
    """One network with one balancing.

    Attributes:
        runs: The first run of each seed, in the order of the seeds.
        test: Figures by the name of the score.
        train: The same on the training split.
    """

    cell: SuiteCell
    runs: tuple[RunRecord, ...]
    test: Mapping[str, Figure]
    train: Mapping[str, Figure]


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho between the paper's order of the networks and ours, by one score.

    Attributes:
        networks: How many were compared.
        low: Lower end of the 95 % bootstrap interval over the test images; the paper's numbers stay as they are.
    """

    balancing: str
    score: str
    networks: int
    rho: float
    low: float
    high: float


@dataclass(frozen=True)
class Reproduction:
    """The runs of a suite at one scale.

    Attributes:
        rows: Cells that have a run, in the suite's order.
        missing: Cells that have none.
        seed_deviation: Spread over seeds by score, pooled over the networks with at least three; ``None`` without any.
        examples: Names of the images whose label maps are shown.
    """

    suite: Suite
    scale: str
    rows: tuple[ReproductionRow, ...]
    missing: tuple[SuiteCell, ...]
    correlations: tuple[Correlation, ...]
    seed_deviation: Mapping[str, float | None]
    resampling: Resampling
    examples: tuple[str, ...]


def build_reproduction(
    suite: Suite, scale: str, records: Iterable[RunRecord], read: Callable[[RunRecord], Tallies]
) -> Reproduction | None:
    """The table of a suite at one scale; ``None`` where it has no run yet.

    Args:
        suite: The table of the paper.
        scale: One of its scales.
        records: All records; those of other recipes, and of parts of a dataset, are passed over.
        read: Gives the tallies of a record.

    Raises:
        RecordError: Tallies do not give the scores of their record, or two runs had different data.
        UsageError: Two runs were not scored on the same images.
    """
    cells = suite.cells(scale)
    runs = [_runs(cell, records) for cell in cells]
    found = [(cell, chosen) for cell, chosen in zip(cells, runs, strict=True) if chosen]
    if not found:
        return None
    tables, resampling = _resampled([chosen[0] for _, chosen in found], read)
    deviation = _seed_deviation([chosen for _, chosen in found])
    judged = deviation if suite.scale(scale).verdicts else {}
    rows = [_row(cell, chosen, table, judged, resampling) for (cell, chosen), table in zip(found, tables, strict=True)]
    return Reproduction(
        suite=suite,
        scale=scale,
        rows=tuple(rows),
        missing=tuple(cell for cell, chosen in zip(cells, runs, strict=True) if not chosen),
        correlations=tuple(_correlations(rows, tables)),
        seed_deviation=deviation,
        resampling=resampling,
        examples=example_images(read(found[0][1][0])),
    )


def _runs(cell: SuiteCell, records: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """The oldest run of each seed."""
    wanted = cell.recipe.decisive()
    same = [
        record
        for record in sorted(records, key=lambda one: (one.seed, one.created, one.run_id))
        if record.model == cell.model and not record.dataset_partial and record.recipe.decisive() == wanted
    ]
    return tuple(of_seed[0] for of_seed in grouped(same, lambda record: record.seed).values())


def _resampled(
    records: Sequence[RunRecord], read: Callable[[RunRecord], Tallies]
) -> tuple[list[dict[str, Array]], Resampling]:
    """Scores of each run in the same resamples, by name; undefined values are left out of all of them."""
    for record in records[1:]:
        if record.dataset_fingerprint != records[0].dataset_fingerprint:
            raise RecordError(
                f"Runs {records[0].run_id} and {record.run_id} of one suite were trained on different data.",
                "Move one of the records away.",
            )
    tallies = [read(record) for record in records]
    for other in tallies[1:]:
        check_comparable(tallies[0], other)
    ids = tallies[0].image_ids
    sums = [ImageSums(one, record.scores.protocol, ids) for one, record in zip(tallies, records, strict=True)]
    resampling = choose_resampling(ids)
    tables = resampled(sums, resampling, rows=len(SCORE_NAMES))
    defined = np.logical_and.reduce([table.defined for table in tables])
    return [
        {name: table.values[row][defined[row]] for row, name in enumerate(SCORE_NAMES)} for table in tables
    ], resampling


def _seed_deviation(runs: Sequence[Sequence[RunRecord]]) -> dict[str, float | None]:
    """Root mean square of the networks' standard deviations over seeds."""
    enough = [chosen for chosen in runs if len(chosen) >= FEWEST_SEEDS]
    found: dict[str, float | None] = {}
    for name in SCORE_NAMES:
        spreads = [seed_spread(getattr(run.scores, name) for run in chosen).standard_deviation for chosen in enough]
        squares = [value * value for value in spreads if value is not None]
        found[name] = math.sqrt(math.fsum(squares) / len(squares)) if squares else None
    return found


def _row(
    cell: SuiteCell,
    runs: tuple[RunRecord, ...],
    table: Mapping[str, Array],
    deviation: Mapping[str, float | None],
    resampling: Resampling,
) -> ReproductionRow:
    test = {}
    for name, paper in zip(SCORE_NAMES, cell.printed.test, strict=True):
        first = interval(getattr(runs[0].scores, name), table[name], resampling.method)
        ours = seed_spread(getattr(run.scores, name) for run in runs).mean
        test[name] = _figure(paper, ours, first, deviation.get(name))
    train = {}
    for name, paper in zip(TRAIN_NAMES, cell.printed.train, strict=True):
        ours = seed_spread((run.training or {}).get(name) for run in runs).mean
        train[name] = _figure(paper, ours, None, None)
    return ReproductionRow(cell, runs, test, train)


def _figure(paper: float, ours: float | None, found: Interval | None, seeds: float | None) -> Figure:
    delta = None if ours is None else ours - paper
    bootstrap = None if found is None else found.standard_deviation
    return Figure(paper, ours, found, delta, verdict(delta, bootstrap, seeds))


def verdict(delta: float | None, bootstrap: float | None, seeds: float | None) -> str | None:
    """``agrees`` within twice the combined standard deviation of images and seeds, else ``better`` or ``worse``."""
    if delta is None or bootstrap is None or seeds is None:
        return None
    if abs(delta) <= 2 * math.hypot(bootstrap, seeds):
        return "agrees"
    return "better" if delta > 0 else "worse"


def _correlations(rows: Sequence[ReproductionRow], tables: Sequence[Mapping[str, Array]]) -> Iterator[Correlation]:
    paired = grouped(zip(rows, tables, strict=True), lambda pair: pair[0].cell.balancing)
    for balancing, same in paired.items():
        if len(same) < FEWEST_NETWORKS:
            continue
        for name in SCORE_NAMES:
            found = _correlation(balancing, name, same)
            if found is not None:
                yield found


def _correlation(
    balancing: str, name: str, same: Sequence[tuple[ReproductionRow, Mapping[str, Array]]]
) -> Correlation | None:
    ours = [row.test[name].ours for row, _ in same]
    values = np.stack([table[name] for _, table in same])
    if any(value is None for value in ours) or not values.shape[1]:
        return None
    paper = np.array([row.test[name].paper for row, _ in same])
    (rho,) = spearman(paper, np.array(ours, np.float64)[:, None])
    ends = interval(float(rho), spearman(paper, values), "")
    assert ends.low is not None and ends.high is not None
    return Correlation(balancing, name, len(same), float(rho), ends.low, ends.high)


def spearman(paper: Array, ours: Array) -> Array:
    """Spearman's rho of one order with many: the correlation of ranks, tied values sharing their mean rank.

    Args:
        paper: [n] values.
        ours: [n,R] values.

    Returns:
        [R], -1..1; 0 where all values of a column are the same.
    """
    first, second = _ranks(paper[:, None]), _ranks(ours)
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    product: Array = (first * second).sum(axis=0)
    rho: Array = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    return rho


def _ranks(values: Array) -> Array:
    """Ranks from 1 in each column, tied values sharing their mean rank: [n,R], n small."""
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    ranks: Array = below + (equal + 1) / 2
    return ranks
