"""Board files: drawn from the records, and checked against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from segbench.atomic import write_bytes
from segbench.errors import RecordError
from segbench.leaderboard.cost_scatter import scatter_texts
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.markdown import MARKER, to_markdown
from segbench.leaderboard.profile_table import PROFILE_COLUMNS, profile_texts
from segbench.leaderboard.profiles import filed_profiles
from segbench.leaderboard.reproduction import Reproduction, build_reproduction
from segbench.leaderboard.reproduction_figures import FindTruth, figure_findings, figures, no_truth
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


def write_boards(root: Path, find_truth: FindTruth = no_truth) -> Drawn:
    """Draws ``<dataset>.md``, ``<suite>-<scale>.md`` and the like as CSV anew from all records under ``root``.

    Args:
        root: The folder of the boards, ``leaderboards``.
        find_truth: Gives the split a run was scored on, where its dataset is at hand: pictures of label maps show it.

    Raises:
        RecordError: A record is damaged, incomplete or contradicts another.
    """
    records = load_records(root)
    boards = _boards(root, records)
    reproductions = list(_reproductions(root, records))
    # Another matplotlib draws other bytes: pictures are written, not compared.
    texts = _texts(root, reproductions, boards) | scatter_texts(root, boards)
    contents = {path: text.encode() for path, text in texts.items()}
    for found in reproductions:
        contents |= figures(root, found, find_truth)
    for path, content in contents.items():
        write_bytes(path, content)
    return Drawn(list(contents), records, boards)


def _boards(root: Path, records: Sequence[RunRecord]) -> list[Board]:
    return build_boards(records, tallies_under(root), filed_profiles(root))


def _texts(root: Path, reproductions: Sequence[Reproduction], everything: list[Board]) -> dict[Path, str]:
    """What each board file has to hold."""
    texts = {}
    for dataset, boards in grouped(everything, lambda board: board.dataset).items():
        texts[root / f"{dataset}.md"] = to_markdown(boards)
        texts[root / f"{dataset}.csv"] = to_csv(boards)
    for found in reproductions:
        stem = f"{found.suite.name}-{found.scale}"
        texts[root / f"{stem}.md"] = reproduction_to_markdown(found)
        texts[root / f"{stem}.csv"] = reproduction_to_csv(found)
    return texts | profile_texts(root, everything)


def _reproductions(root: Path, records: Sequence[RunRecord]) -> Iterator[Reproduction]:
    """Each scale of a suite that has runs."""
    for suite in map(load_suite, list_suites()):
        for scale in suite.scales:
            found = build_reproduction(suite, scale, records, tallies_under(root))
            if found is not None:
                yield found


def check_boards(root: Path) -> list[str]:
    """What is wrong with the boards and records under ``root``, a sentence each; empty when all is well.

    Finds damaged or incomplete records, files that belong to no record, and board files that are missing, differ from
    what the records give, or have no record.
    """
    return [*(_damage(root) or _disagreements(root)), *_orphaned(root)]


def _damage(root: Path) -> list[str]:
    found = []
    for path in record_paths(root):
        try:
            load_result(root, path)
        except RecordError as error:
            found.append(str(error))
    return found


def _disagreements(root: Path) -> Iterator[str]:
    """What the files say otherwise than the records."""
    try:
        records = load_records(root)
        reproductions = list(_reproductions(root, records))
        texts = _texts(root, reproductions, _boards(root, records))
    except RecordError as error:
        yield str(error)
        return
    yield from _differences(root, texts)
    for found in reproductions:
        yield from figure_findings(root, found)


def _differences(root: Path, texts: Mapping[Path, str]) -> Iterator[str]:
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
