"""Finding the run that a person means: by its id, its record or its tallies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segbench.errors import UnknownNameError, UsageError
from segbench.leaderboard.store import check_scores, record_paths
from segbench.metrics.tallies import Tallies
from segbench.record import RunRecord, load_record
from segbench.registry import closest

__all__ = ["FoundRun", "find_run"]

_RECORD, _TALLIES, _PREDICTIONS = ".json", ".tallies.parquet", ".predictions.zip"
_FORMS = "Give a run id or its beginning, a record, a file of tallies, or a folder that holds one of these."


@dataclass(frozen=True)
class FoundRun:
    """A run and what there is of it.

    Attributes:
        name: What sets it apart for people.
        path: The file that was read.
        tallies: Counts per image.
        record: ``None`` for tallies without a record beside them.
        predictions: The predicted label maps, ``None`` where there is no such file.
    """

    name: str
    path: Path
    tallies: Tallies
    record: RunRecord | None
    predictions: Path | None


def find_run(text: str, root: Path) -> FoundRun:
    """The run that ``text`` names.

    Args:
        text: A run id under ``root`` or the beginning of one; or the path of a record, of tallies, or of a folder that
            holds one run.
        root: The folder of the boards, ``leaderboards``.

    Raises:
        UnknownNameError: There is no such run or file.
        UsageError: It names several runs.
        RecordError: The record or the tallies are damaged, or do not belong together.
    """
    path = Path(text)
    if text and path.is_dir():
        path = _in_folder(path)
    elif not path.is_file():
        path = _by_id(text, root)
    return _read(path)


def _in_folder(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.name.endswith(_TALLIES)) or sorted(
        folder.glob("*.parquet")
    )
    if not found:
        raise UnknownNameError(f"The folder {folder} holds no tallies ({_TALLIES.lstrip('.')}).", _FORMS)
    return _only(found, f"The folder {folder}")


def _by_id(text: str, root: Path) -> Path:
    paths = record_paths(root)
    found = [path for path in paths if path.stem == text] or [path for path in paths if path.stem.startswith(text)]
    if not text or not found:
        known = [path.stem for path in paths]
        where = f"{closest(text, known)} " if known else ""
        raise UnknownNameError(f"There is no run '{text}' under {root / 'records'}. {where}{_FORMS}")
    return _only(found, f"Run '{text}'")


def _only(paths: list[Path], what: str) -> Path:
    if len(paths) > 1:
        names = ", ".join(path.name.split(".")[0] for path in paths[:5])
        raise UsageError(f"{what} stands for {len(paths)} runs: {names}{' ...' if len(paths) > 5 else ''}.", _FORMS)
    return paths[0]


def _read(path: Path) -> FoundRun:
    """A run from its record or its tallies, with what lies beside that."""
    stem = path.name.removesuffix(_RECORD).removesuffix(".parquet").removesuffix(".tallies")
    beside = {ending: path.with_name(stem + ending) for ending in (_RECORD, _TALLIES, _PREDICTIONS)}
    tallies = Tallies.from_parquet(beside[_TALLIES] if path == beside[_RECORD] else path)
    record = load_record(beside[_RECORD]) if beside[_RECORD].is_file() else None
    if record is not None:
        check_scores(record, tallies)
    return FoundRun(
        name=str(path) if record is None else _name(record),
        path=path,
        tallies=tallies,
        record=record,
        predictions=beside[_PREDICTIONS] if beside[_PREDICTIONS].is_file() else None,
    )


def _name(record: RunRecord) -> str:
    return f"{record.model} {record.recipe.variant}, seed {record.seed}, run {record.run_id}"
