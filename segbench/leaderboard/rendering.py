"""Board files: drawn from the records, and checked against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from segbench.atomic import write_text
from segbench.errors import RecordError
from segbench.leaderboard.cost_scatter import scatter_texts
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.markdown import MARKER, to_markdown
from segbench.leaderboard.profile_table import PROFILE_COLUMNS, profile_texts
from segbench.leaderboard.profiles import filed_profiles
from segbench.leaderboard.reproduction import build_reproduction
from segbench.leaderboard.reproduction_table import (
    REPRODUCTION_COLUMNS,
    reproduction_to_csv,
    reproduction_to_markdown,
)
from segbench.leaderboard.spreadsheet import COLUMNS, START_COLUMNS, to_csv
from segbench.leaderboard.store import load_records, load_result, orphans, record_paths, tallies_under
from segbench.leaderboard.table import Board, build_boards
from segbench.recipe import list_suites
from segbench.record import RunRecord
from segbench.suite import load_suite

__all__ = ["Drawn", "check_boards", "to_csv", "to_markdown", "write_boards"]


@dataclass(frozen=True)
class Drawn:
    """What was drawn.

    Attributes:
        files: The files written, none where there is no record.
        records: Those it was drawn from.
        boards: Of all datasets.
    """

    files: list[Path]
    records: list[RunRecord]
    boards: list[Board]


def write_boards(root: Path) -> Drawn:
    """Draws ``<dataset>.md``, ``<suite>-<scale>.md`` and the like as CSV anew from all records under ``root``.

    Args:
        root: The folder of the boards, ``leaderboards``.

    Raises:
        RecordError: A record is damaged, incomplete or contradicts another.
    """
    records = load_records(root)
    boards = _boards(root, records)
    # Another matplotlib draws other bytes: pictures are written, not compared.
    texts = _texts(root, records, boards) | scatter_texts(root, boards)
    for path, text in texts.items():
        write_text(path, text)
    return Drawn(list(texts), records, boards)


def _boards(root: Path, records: Sequence[RunRecord]) -> list[Board]:
    return build_boards(records, tallies_under(root), filed_profiles(root))


def _texts(root: Path, records: list[RunRecord], everything: list[Board]) -> dict[Path, str]:
    """What each board file has to hold."""
    texts = {}
    for dataset, boards in grouped(everything, lambda board: board.dataset).items():
        texts[root / f"{dataset}.md"] = to_markdown(boards)
        texts[root / f"{dataset}.csv"] = to_csv(boards)
    return texts | _reproductions(root, records) | profile_texts(root, everything)


def _reproductions(root: Path, records: list[RunRecord]) -> dict[Path, str]:
    """A table for each scale of a suite that has runs."""
    texts = {}
    for suite in map(load_suite, list_suites()):
        for scale in suite.scales:
            found = build_reproduction(suite, scale, records, tallies_under(root))
            if found is not None:
                texts[root / f"{suite.name}-{scale}.md"] = reproduction_to_markdown(found)
                texts[root / f"{suite.name}-{scale}.csv"] = reproduction_to_csv(found)
    return texts


def check_boards(root: Path) -> list[str]:
    """What is wrong with the boards and records under ``root``, a sentence each; empty when all is well.

    Finds damaged or incomplete records, files that belong to no record, and board files that are missing, differ from
    what the records give, or have no record.
    """
    return [*(_damage(root) or _differences(root, _texts_or_problem(root))), *_orphaned(root)]


def _damage(root: Path) -> list[str]:
    found = []
    for path in record_paths(root):
        try:
            load_result(root, path)
        except RecordError as error:
            found.append(str(error))
    return found


def _texts_or_problem(root: Path) -> Mapping[Path, str] | str:
    try:
        records = load_records(root)
        return _texts(root, records, _boards(root, records))
    except RecordError as error:
        return str(error)


def _differences(root: Path, texts: Mapping[Path, str] | str) -> Iterator[str]:
    if isinstance(texts, str):
        yield texts
        return
    for path, text in texts.items():
        if not path.exists():
            yield f"{path} is missing. Draw it: segbench leaderboard"
        elif (found := path.read_bytes()) != text.encode():
            line = _first_difference(found.decode(errors="replace"), text)
            yield f"{path} differs from its records at line {line}. Draw it anew: segbench leaderboard"
    yield from (f"{path} has no record. Delete it." for path in _drawn(root) if path not in texts)


def _first_difference(found: str, wanted: str) -> int:
    pairs = enumerate(zip_longest(found.split("\n"), wanted.split("\n")), start=1)
    return next((number for number, (ours, theirs) in pairs if ours != theirs), 1)


def _drawn(root: Path) -> Iterator[Path]:
    """Files that begin as boards do."""
    headers = {
        ",".join(COLUMNS),
        ",".join((*COLUMNS, *START_COLUMNS)),
        ",".join(REPRODUCTION_COLUMNS),
        ",".join(PROFILE_COLUMNS),
    }
    for path in sorted(root.glob("*.*")):
        if path.suffix in (".md", ".csv") and path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                first = file.readline().rstrip("\n")
            if first in ({MARKER} if path.suffix == ".md" else headers):
                yield path


def _orphaned(root: Path) -> Iterator[str]:
    return (f"{path} belongs to no record. Delete it." for path in orphans(root))
