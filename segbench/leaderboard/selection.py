"""Which rows of the boards are shown, and in which order; the files always hold all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from segbench.errors import UnknownNameError
from segbench.leaderboard.spreadsheet import COLUMNS, Value, row_values
from segbench.leaderboard.table import SHORT_NAMES, Board, Row
from segbench.metrics.protocols import PROTOCOLS
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, RunRecord
from segbench.registry import closest

__all__ = ["Selection", "under_protocol"]

Read = Callable[[RunRecord], Tallies]
_FULL_NAMES = {short: name for name, short in SHORT_NAMES.items()}
# What is better when it is more comes with the most first.
_MOST_FIRST = {*SCORE_NAMES, *(f"{kind}_{name}" for kind in ("paper", "delta") for name in SCORE_NAMES)}


@dataclass(frozen=True)
class Selection:
    """What is asked for; ``None`` is everything.

    Attributes:
        size: Height and width that predictions were scored at.
        recipe: Variant.
        sort: A column of the CSV, or ``G``, ``C``, ``mIoU``, ``BF``; a ``-`` before it turns the order around.
    """

    dataset: str | None = None
    size: tuple[int, int] | None = None
    recipe: str | None = None
    sort: str | None = None

    def of(self, boards: Iterable[Board]) -> list[Board]:
        """The boards with the rows that fit; a row keeps the rank that it has among all.

        Raises:
            UnknownNameError: No board has this size, no row this recipe, or there is no such column.
        """
        found = [board for board in boards if self.dataset in (None, board.dataset)]
        sizes = {board.protocol.size for board in found}
        if found and self.size is not None and self.size not in sizes:
            raise UnknownNameError(f"No board is of size {_text(self.size)}. Known: {', '.join(map(_text, sizes))}.")
        chosen = [self._rows(board) for board in found if self.size in (None, board.protocol.size)]
        variants = {row.record.recipe.variant for board in chosen for row in board.rows}
        if chosen and self.recipe is not None and self.recipe not in variants:
            raise UnknownNameError(f"No row is of recipe '{self.recipe}'. {closest(self.recipe, list(variants))}")
        return [board for board in map(self._fitting, chosen) if board.rows]

    def _fitting(self, board: Board) -> Board:
        rows = (row for row in board.rows if self.recipe in (None, row.record.recipe.variant))
        return replace(board, rows=tuple(rows))

    def _rows(self, board: Board) -> Board:
        return board if self.sort is None else replace(board, rows=_sorted(board, self.sort))


def _text(size: tuple[int, int] | None) -> str:
    return "several" if size is None else "x".join(map(str, size))


def _sorted(board: Board, wanted: str) -> tuple[Row, ...]:
    """Undefined values come last whichever way; equal ones keep their order."""
    given = wanted.removeprefix("-")
    name = _FULL_NAMES.get(given, given)
    if name not in COLUMNS:
        raise UnknownNameError(f"There is no column '{given}'. {closest(given, [*_FULL_NAMES, *COLUMNS])}")
    values = {row.run_id: row_values(board, row).get(name) for row in board.rows}
    known = [row for row in board.rows if values[row.run_id] is not None]
    descending = (name in _MOST_FIRST) != wanted.startswith("-")
    ordered = sorted(known, key=lambda row: _comparable(values[row.run_id]), reverse=descending)
    return (*ordered, *(row for row in board.rows if values[row.run_id] is None))


def _comparable(value: Value) -> tuple[float, str]:
    return (0.0, value.lower()) if isinstance(value, str) else (float(value or 0), "")


def under_protocol(records: Sequence[RunRecord], name: str, read: Read) -> list[RunRecord]:
    """The records with their scores by another named protocol, counted from their tallies.

    Nothing of it may be filed: a record holds the scores that its run was evaluated by.

    Raises:
        UnknownNameError: There is no such protocol.
        RecordError: The tallies lack what the protocol counts.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError(f"Unknown protocol '{name}'. {closest(name, list(PROTOCOLS))}")
    return [_scored_by(record, name, read(record)) for record in records]


def _scored_by(record: RunRecord, name: str, tallies: Tallies) -> RunRecord:
    protocol = PROTOCOLS[name].model_copy(update={"ignore_index": tallies.ignore_index})
    return record.model_copy(update={"scores": scores_from_tallies(tallies, protocol)})
