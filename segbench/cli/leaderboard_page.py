"""``segbench leaderboard --format html``: the boards of a dataset as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.errors import UsageError
from segbench.leaderboard.page import Evidence
from segbench.leaderboard.truths import Truth
from segbench.progress import Progress
from segbench.record import RunRecord

if TYPE_CHECKING:
    from segbench.leaderboard.table import Board, Row

__all__ = ["write_pages"]


def write_pages(
    root: Path, dataset: str | None, file: Path | None, *, photographs: bool, progress: Progress
) -> list[Path]:
    """Writes one page a dataset and returns their paths.

    Args:
        root: The folder of the boards, ``leaderboards``.
        dataset: This one alone; all that have records if left out.
        file: Where the page goes; ``<dataset>.html`` in ``root`` if left out.
        photographs: Whether the images of the examples are shown where they may not be passed on, too.
        progress: Told what takes long, and what is missing.

    Raises:
        UsageError: One file is to hold several datasets; or photographs are wanted and the dataset is not prepared.
        RecordError: A record is damaged.
    """
    from segbench.atomic import write_text
    from segbench.leaderboard.grouping import grouped
    from segbench.leaderboard.profiles import filed_profiles
    from segbench.leaderboard.store import load_records, tallies_under
    from segbench.leaderboard.table import build_boards

    boards = build_boards(load_records(root, dataset), tallies_under(root), filed_profiles(root))
    chapters = grouped(boards, lambda board: board.dataset)
    if file is not None and len(chapters) > 1:
        raise UsageError(f"One page holds one dataset, not {', '.join(chapters)}.", "Choose with --dataset.")
    paths = []
    for name, same in chapters.items():
        paths.append(file or root / f"{name}.html")
        write_text(paths[-1], _page(root, same, photographs, progress))
    return paths


def _page(root: Path, boards: Sequence[Board], photographs: bool, progress: Progress) -> str:
    from segbench.leaderboard.page import to_html

    gathered = _Gathering(root, photographs, progress)
    evidence = {row.run_id: gathered.of(row) for board in boards for row in board.rows}
    for sentence in gathered.missing:
        progress.message(sentence)
    return to_html(boards, lambda row: evidence[row.run_id], gathered.missing)


@dataclass
class _Gathering:
    """Reads what a page shows beside the records; splits are opened once.

    Attributes:
        missing: Why something cannot be drawn, a sentence each.
    """

    root: Path
    photographs: bool
    progress: Progress
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._truths: dict[tuple[str, str, str, str], Truth | None] = {}

    def of(self, row: Row) -> Evidence:
        """Evidence of a run."""
        from segbench.leaderboard.page_pictures import chosen_images, examples
        from segbench.leaderboard.store import result_files, tallies_under
        from segbench.leaderboard.tolerance_curve import tolerance_curve

        record, predictions = row.record, result_files(self.root, row.record).predictions
        tallies, truth = tallies_under(self.root)(record), self._truth(record)
        chosen = chosen_images(tallies, record.scores.protocol)
        pictures, palette = examples(chosen, predictions, truth)
        curve = None if truth is None else tolerance_curve(record, predictions, truth, self.progress)
        return Evidence(tallies, pictures, palette, curve)

    def _truth(self, record: RunRecord) -> Truth | None:
        key = (record.dataset, record.dataset_variant, record.split, record.dataset_fingerprint)
        if key not in self._truths:
            self._truths[key] = self._opened(record)
        return self._truths[key]

    def _opened(self, record: RunRecord) -> Truth | None:
        from segbench.launch.truths import scored_split, truth_of

        split = scored_split(record, self.progress)
        if not isinstance(split, str):
            return truth_of(split, photographs=self.photographs)
        if self.photographs:
            raise UsageError(f"--photographs: {split}")
        self.missing.append(f"Pictures are without truth, and boundary F1 without its curve by tolerance: {split}")
        return None
