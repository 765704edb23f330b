"""Two sets of boards: which scores changed from the old to the new, which fell, which runs came and went."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path

from segbench.errors import RecordError, UsageError
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.spreadsheet import COLUMNS, to_csv
from segbench.leaderboard.store import load_records, tallies_under
from segbench.leaderboard.table import build_boards
from segbench.metrics.comparison import check_comparable, difference
from segbench.metrics.image_sums import ImageSums
from segbench.metrics.resampling import choose_resampling
from segbench.metrics.statistics import resampled
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, RunRecord

__all__ = ["LEAST_FALL", "Change", "Entry", "RowChange", "entries", "regressions"]

LEAST_FALL = 0.001
"""A fall by more than this fraction counts where there is no interval of it."""

FORMS = "Give a folder like leaderboards/, or a board as CSV."
# What must be one for two scores to mean the same; the content of the dataset may have changed.
PLACE = (
    *("dataset", "dataset_variant", "split", "scale", "protocol", "protocol_version", "height", "width"),
    *("ignore_index", "absent", "boundary_rule", "boundary_void", "boundary_average", "boundary_tolerance"),
    "boundary_unit",
)


@dataclass(frozen=True)
class Entry:
    """One run of a set of boards.

    Attributes:
        place: What makes its scores comparable.
        recipe: The variant alone.
        scores: By name, fractions or ``None``.
        tallies: Reads the counts per image; ``None`` where there is only a table.
        record: ``None`` where there is only a table.
    """

    place: tuple[str, ...]
    model: str
    recipe: str
    seed: str
    cell_id: str
    run_id: str
    scores: dict[str, float | None]
    tallies: Callable[[], Tallies] | None = None
    record: RunRecord | None = None


@dataclass(frozen=True)
class Change:
    """One score, old and new.

    Attributes:
        difference: New minus old, ``None`` where either is undefined.
        low: Lower end of the paired 95 % interval of the difference, ``None`` where there is none.
        high: Upper end.
        fell: Whether that is more than is tolerated.
    """

    old: float | None
    new: float | None
    difference: float | None
    low: float | None
    high: float | None
    fell: bool


@dataclass(frozen=True)
class RowChange:
    """One run on both sides, or on one.

    Attributes:
        state: ``same``, ``changed``, ``fell``, ``new`` or ``vanished``.
        changes: By name of the score; empty where the run is on one side alone.
    """

    state: str
    old: Entry | None
    new: Entry | None
    changes: dict[str, Change]

    @property
    def shown(self) -> Entry:
        """The new run, or the old one where there is no other."""
        found = self.new or self.old
        assert found is not None
        return found


def entries(source: Path) -> list[Entry]:
    """The runs of a folder of boards, such as ``leaderboards``, or of a board as CSV.

    Raises:
        UsageError: It is neither.
        RecordError: A record is damaged.
    """
    if source.is_dir():
        if not (source / "records").is_dir():
            raise UsageError(f"{source} holds no records.", FORMS)
        return _of_folder(source)
    if not source.is_file():
        raise UsageError(
            f"There is no folder or file {source}.", "Give a folder like leaderboards/, or a board as CSV."
        )
    return _of_table(source.read_text(encoding="utf-8"), str(source))


def _of_folder(root: Path) -> list[Entry]:
    records = load_records(root)
    read = tallies_under(root)
    by_run = {record.run_id: record for record in records}
    found = _of_table(to_csv(build_boards(records)), str(root)) if records else []
    return [replace(one, record=by_run[one.run_id], tallies=partial(read, by_run[one.run_id])) for one in found]


def _of_table(text: str, name: str) -> list[Entry]:
    rows = csv.DictReader(text.splitlines())
    wanted = {*PLACE, *SCORE_NAMES, "model", "recipe", "seed", "cell_id", "run_id"}
    lacking = sorted(wanted - set(rows.fieldnames or ()))
    if text.strip() and lacking:
        raise UsageError(f"{name} is no board as CSV: it lacks the column {lacking[0]}.", f"Columns: {COLUMNS[0]}, ...")
    return [_entry(row, name) for row in rows]


def _entry(row: dict[str, str], name: str) -> Entry:
    try:
        scores = {score: float(row[score]) if row[score] else None for score in SCORE_NAMES}
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: the row of run {row.get('run_id')} holds no scores: {error}.") from error
    return Entry(
        place=tuple(row[column] for column in PLACE),
        model=row["model"],
        recipe=row["recipe"].split(" (")[0],
        seed=row["seed"],
        cell_id=row["cell_id"],
        run_id=row["run_id"],
        scores=scores,
    )


# --- comparison -------------------------------------------------------------------------------------------------------


def regressions(old: Sequence[Entry], new: Sequence[Entry], tolerance: float | None = None) -> list[RowChange]:
    """Each run of either side once, what fell first.

    Runs belong together by cell, or else by model, recipe and seed; replicates one by one.

    Args:
        old: Runs before.
        new: Runs after.
        tolerance: The largest fall that is let pass, a fraction. Where left out, a score fell if the paired 95 %
            interval of its difference lies below 0; without tallies on both sides, if it is lower by more than
            ``LEAST_FALL``.
    """
    pairs = list(_paired(old, new))
    found = [_row(before, after, tolerance) for before, after in pairs]
    order = ("fell", "vanished", "changed", "new", "same")
    return sorted(found, key=lambda row: (order.index(row.state), row.shown.place, row.shown.model, row.shown.seed))


def _paired(old: Sequence[Entry], new: Sequence[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Matched by ever looser names; what is left stays alone."""
    names: tuple[Callable[[Entry], tuple[object, ...]], ...] = (
        lambda one: (one.place, one.run_id),
        lambda one: (one.place, one.cell_id),
        lambda one: (one.place, one.model, one.recipe, one.seed),
    )
    left, right = list(old), list(new)
    for name in names:
        groups, others = grouped(left, name), grouped(right, name)
        left, right = [], []
        for key in {**groups, **others}:
            for before, after in zip_longest(groups.get(key, ()), others.get(key, ())):
                if before and after:
                    yield before, after
                else:
                    left += [before] if before else []
                    right += [after] if after else []
    yield from ((one, None) for one in left)
    yield from ((None, one) for one in right)


def _row(old: Entry | None, new: Entry | None, tolerance: float | None) -> RowChange:
    if old is None or new is None:
        return RowChange("new" if old is None else "vanished", old, new, {})
    changes = _changes(old, new, tolerance)
    fell = any(change.fell for change in changes.values())
    differs = any(change.old != change.new for change in changes.values())
    return RowChange("fell" if fell else "changed" if differs else "same", old, new, changes)


def _changes(old: Entry, new: Entry, tolerance: float | None) -> dict[str, Change]:
    intervals = _intervals(old, new) if old.scores != new.scores else {}
    return {
        name: _change(old.scores[name], new.scores[name], intervals.get(name, (None, None)), tolerance)
        for name in SCORE_NAMES
    }


def _change(
    old: float | None, new: float | None, ends: tuple[float | None, float | None], tolerance: float | None
) -> Change:
    if old is None or new is None:
        return Change(old, new, None, *ends, fell=old is not None and new is None)
    change = new - old
    if tolerance is not None or ends[1] is None:
        allowed = LEAST_FALL if tolerance is None else tolerance
        # Scores that differ by exactly what is allowed must pass in spite of binary fractions.
        return Change(old, new, change, *ends, fell=-change > allowed + 1e-12)
    return Change(old, new, change, *ends, fell=ends[1] < 0)


def _intervals(old: Entry, new: Entry) -> dict[str, tuple[float | None, float | None]]:
    """Paired 95 % intervals of new minus old, where the same images were scored on both sides."""
    if old.tallies is None or new.tallies is None or new.record is None:
        return {}
    before, after = old.tallies(), new.tallies()
    protocol = new.record.scores.protocol
    try:
        check_comparable(after, before)
        sums = [ImageSums(after, protocol), ImageSums(before, protocol, after.image_ids)]
    except (UsageError, RecordError):
        return {}
    resampling = choose_resampling(after.image_ids)
    now, then = resampled(sums, resampling, rows=len(SCORE_NAMES))
    found = {}
    for row, name in enumerate(SCORE_NAMES):
        both = now.defined[row] & then.defined[row]
        values = now.values[row][both] - then.values[row][both]
        one = difference(new.scores[name], old.scores[name], values, resampling)
        found[name] = (one.low, one.high)
    return found
