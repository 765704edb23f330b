"""Results on disk: a record, and beside it the tallies and the predictions it was scored from.

<root>/records/<dataset>/<model>/<run_id>.json               written last: it marks the result as complete
                                 <run_id>.tallies.parquet    counts per image
                                 <run_id>.predictions.zip    predicted label maps

Profiles of networks are beside the datasets, under <root>/records/profiles/.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segbench.atomic import new_file
from segbench.errors import RecordError
from segbench.leaderboard.predictions import LabelMap, PredictionsWriter, prediction_ids, read_predictions
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import Tallies
from segbench.record import RunRecord, load_record, save_record
from segbench.specs import Colour, folder_name

__all__ = [
    "PROFILES_FOLDER",
    "RECORDS_FOLDER",
    "PredictionsWriter",
    "ResultFiles",
    "check_scores",
    "find_record",
    "load_records",
    "load_result",
    "orphans",
    "read_predictions",
    "record_paths",
    "result_files",
    "result_name",
    "save_result",
    "tallies_under",
]

RECORDS_FOLDER, PROFILES_FOLDER = "records", "profiles"
_RECORD, _TALLIES, _PREDICTIONS = ".json", ".tallies.parquet", ".predictions.zip"
_ENDINGS = (_RECORD, _TALLIES, _PREDICTIONS)


@dataclass(frozen=True)
class ResultFiles:
    """Where the parts of one result are."""

    record: Path
    tallies: Path
    predictions: Path


def result_name(record: RunRecord) -> PurePosixPath:
    """``records/<dataset>/<model>/<run_id>``: where the files of a result are under the root, without their endings."""
    return PurePosixPath(RECORDS_FOLDER, record.dataset, folder_name(record.model), record.run_id)


def result_files(root: Path, record: RunRecord) -> ResultFiles:
    """Paths of a result's files, whether or not they exist.

    Args:
        root: The folder of the boards, ``leaderboards``.
        record: The result's record.
    """
    stem = str(root / result_name(record))
    return ResultFiles(Path(stem + _RECORD), Path(stem + _TALLIES), Path(stem + _PREDICTIONS))


def save_result(
    root: Path,
    record: RunRecord,
    tallies: Tallies,
    predictions: Iterable[tuple[str, LabelMap]] | Path,
    palette: Sequence[Colour] = (),
) -> Path:
    """Files a finished run; a result that is there already is left as it is.

    Args:
        root: The folder of the boards, ``leaderboards``.
        record: Its scores must be those of ``tallies``.
        tallies: Counts of every image.
        predictions: Name and class ids, uint8 [H,W], of every image; or the zip that a ``PredictionsWriter`` made,
            which is moved into place.
        palette: RGB colour of each class, for predictions that are not in a zip yet (black where left out).

    Returns:
        Path of the record.

    Raises:
        RecordError: The run is shorter than its recipe; record, tallies and predictions do not belong together; or
            there is a record of this run with other scores. Nothing is changed then.
    """
    _check_length(record)
    check_scores(record, tallies)
    files = result_files(root, record)
    complete = files.record.exists() and _same_scores(files.record, record) and _has_parts(files)
    if not complete:
        _place_predictions(files.predictions, predictions, palette, sorted(tallies.image_ids))
        tallies.to_parquet(files.tallies)
        save_record(files.record, record)
    if isinstance(predictions, Path) and predictions.absolute() != files.predictions.absolute():
        predictions.unlink(missing_ok=True)
    return files.record


def _check_length(record: RunRecord) -> None:
    """A run that was cut short says nothing of its recipe."""
    train, curve = record.recipe.train, record.curve
    unit, wanted, reached = "epochs", train.epochs, max(curve.epoch, default=0)
    if wanted is None:
        unit, wanted, reached = "iterations", train.iterations or 0, max(curve.iteration, default=0)
    if reached < wanted:
        raise RecordError(
            f"Run {record.run_id} of {record.recipe.label} has {reached} of the {wanted} {unit} of its recipe.",
            "Only finished runs enter the leaderboards: give the same command again to finish it.",
        )


def check_scores(record: RunRecord, tallies: Tallies) -> None:
    """Refuses tallies that are not a record's.

    Raises:
        RecordError: They do not give its scores.
    """
    if scores_from_tallies(tallies, record.scores.protocol) != record.scores:
        raise RecordError(f"The tallies of run {record.run_id} do not give the scores of its record.")


def _same_scores(path: Path, record: RunRecord) -> bool:
    if load_record(path).scores != record.scores:
        raise RecordError(f"{path} holds other scores for run {record.run_id}.", "Move it away to keep both.")
    return True


def _has_parts(files: ResultFiles) -> bool:
    return files.tallies.exists() and files.predictions.exists()


def _place_predictions(
    target: Path, predictions: Iterable[tuple[str, LabelMap]] | Path, palette: Sequence[Colour], ids: list[str]
) -> None:
    if isinstance(predictions, Path):
        _check_ids(prediction_ids(predictions), ids, str(predictions))
        if predictions.absolute() != target.absolute():
            with new_file(target) as temporary:
                shutil.copyfile(predictions, temporary)
        return
    with PredictionsWriter(target, palette) as writer:
        for image_id, prediction in predictions:
            writer.add(image_id, prediction)
        _check_ids(sorted(writer.ids), ids, "The predictions")


def _check_ids(found: list[str], wanted: list[str], where: str) -> None:
    if found == wanted:
        return
    stray = sorted(set(found) ^ set(wanted))
    raise RecordError(f"{where}: {len(found)} images, the tallies have {len(wanted)}; only one has {stray[0]}.")


def record_paths(root: Path, dataset: str | None = None) -> list[Path]:
    """Paths of all records of runs, sorted; of one dataset, or of all."""
    found = (root / RECORDS_FOLDER).glob(f"{dataset or '*'}/*/*{_RECORD}")
    return sorted(path for path in found if path.parents[1].name != PROFILES_FOLDER)


def load_records(root: Path, dataset: str | None = None) -> list[RunRecord]:
    """All records, sorted by dataset, model and run id.

    Raises:
        RecordError: A record is damaged, lies in the wrong place, or lacks its tallies or predictions; names the file.
    """
    return [load_result(root, path) for path in record_paths(root, dataset)]


def load_result(root: Path, path: Path) -> RunRecord:
    """The record at ``path``, checked to be where it belongs and complete.

    Raises:
        RecordError: It is damaged, lies in the wrong place, or lacks its tallies or predictions.
    """
    record = load_record(path)
    files = result_files(root, record)
    if files.record != path:
        raise RecordError(f"{path} is the record of run {record.run_id}, which belongs at {files.record}.")
    for part in (files.tallies, files.predictions):
        if not part.exists():
            raise RecordError(f"{path} lacks {part.name}.", "Restore that file, or move the record away.")
    return record


def tallies_under(root: Path) -> Callable[[RunRecord], Tallies]:
    """A function that reads the tallies of a record filed under ``root``.

    It raises ``RecordError`` where they are damaged or do not give the record's scores.

    Args:
        root: The folder of the boards, ``leaderboards``.
    """

    def read(record: RunRecord) -> Tallies:
        tallies = Tallies.from_parquet(result_files(root, record).tallies)
        check_scores(record, tallies)
        return tallies

    return read


def find_record(root: Path, cell_id: str, weights_sha256: str | None = None) -> RunRecord | None:
    """The first finished run of a cell, or ``None``.

    Args:
        root: The folder of the boards, ``leaderboards``.
        cell_id: The cell.
        weights_sha256: Only runs with these weights, where replicates are to be told apart.

    Raises:
        RecordError: A record is damaged; names the file.
    """
    runs = [record for record in load_records(root) if record.cell_id == cell_id]
    found = [run for run in runs if weights_sha256 in (None, run.weights_sha256)]
    return min(found, key=lambda record: (record.created, record.run_id), default=None)


def orphans(root: Path) -> Iterator[Path]:
    """Yields files under ``records`` that belong to no record, such as what a killed run left behind; sorted."""
    folder = root / RECORDS_FOLDER
    known = {str(path).removesuffix(_RECORD) + ending for path in record_paths(root) for ending in _ENDINGS}
    profiles = set((folder / PROFILES_FOLDER).rglob(f"*{_RECORD}"))
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in profiles)
    return (path for path in files if str(path) not in known)
