"""A finished run as it is published: its weights, its record, and pictures that may be shown."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from segbench.data.preparation import find_prepared
from segbench.engine.checkpoint import WEIGHTS_FILE, load_weights
from segbench.errors import HubError, UnknownNameError, UsageError
from segbench.hub.connection import check_name
from segbench.hub.training_curve import draw_curve
from segbench.hub.weights_repo import CardPicture, PublishedRun
from segbench.leaderboard.store import load_records, read_predictions, result_files
from segbench.leaderboard.wording import machine, protocol_text
from segbench.manifest import SourceArchive
from segbench.overlay import Panel, colourise, comparison_sheet
from segbench.record import RunRecord, WeightsHeader
from segbench.registry import DATASETS

__all__ = ["find_published_run"]

COMPARISON = Path("pictures/comparison.png")
MAPS_SHOWN = 3


def find_published_run(
    source: str, out: Path, *, photographs: bool = False, licence: str = "", benchmark: str = ""
) -> PublishedRun:
    """The run that ``source`` names, ready to be pushed.

    Args:
        source: A run id or its beginning; or a run's folder or weights file.
        out: Folder that holds ``runs`` and ``leaderboards``.
        photographs: Whether photographs of the dataset are shown; drawn scenes always are.
        licence: Of the weights, where their owner chose one.
        benchmark: Hub repository of the dataset, ``ORG/NAME`` or ``ORG/NAME@REVISION``.

    Raises:
        UnknownNameError: There is no such run.
        UsageError: It names several, or its weights and its record are not both there.
        HubError: ``benchmark`` is no name of a repository.
        CheckpointError: The weights are damaged.
    """
    repository, revision = _parts(benchmark)
    path = Path(source)
    weights = path / WEIGHTS_FILE if path.is_dir() else path
    found = _by_weights(weights, out) if weights.is_file() else _by_id(source, out)
    weights, header, record, board = found
    dataset = DATASETS[record.dataset]
    drawn = photographs or dataset.embedded
    pictures = _pictures(weights, header, record, board, with_images=drawn, photographs=not dataset.embedded)
    return PublishedRun(
        weights=weights,
        header=header,
        record=record,
        dataset=dataset,
        protocol=protocol_text(record.scores.protocol),
        machine=machine(record.environment),
        pictures=tuple(pictures),
        licence=licence,
        benchmark=repository,
        revision=revision,
        sources=_sources(record),
    )


def _parts(benchmark: str) -> tuple[str, str]:
    """Name and revision of the dataset's repository, both empty where none is named."""
    if not benchmark:
        return "", ""
    repository, at, revision = benchmark.partition("@")
    if at and not re.fullmatch(r"[A-Za-z0-9][\w./-]{0,99}", revision, flags=re.ASCII):
        raise HubError("What follows @ in --dataset-repo is no revision.", "Example: --dataset-repo lab/camvid@main")
    return check_name(repository, "--dataset-repo"), revision


def _sources(record: RunRecord) -> tuple[SourceArchive, ...]:
    """What the very data of the run was prepared from; nothing where other data, or none, is prepared here."""
    try:
        manifest = find_prepared(record.dataset, record.dataset_variant).manifest
    except UsageError:
        return ()
    return manifest.sources if manifest.fingerprint == record.dataset_fingerprint else ()


Found = tuple[Path, WeightsHeader, RunRecord, Path]


def _by_weights(weights: Path, out: Path) -> Found:
    """The record of a weights file: under ``out``, or beside the ``runs`` that the file lies in."""
    _, header, sha256 = load_weights(weights)
    boards = [out / "leaderboards", *(parent.parent / "leaderboards" for parent in weights.absolute().parents[2:3])]
    for board in boards:
        for record in load_records(board, header.dataset):
            if record.weights_sha256 == sha256:
                return weights, header, record, board
    raise UsageError(
        f"There is no record of {weights} under {boards[0]}: only finished runs are pushed, with their scores.",
        "Give the same 'segbench run' command again to finish it, or name its folder with --out.",
    )


def _by_id(source: str, out: Path) -> Found:
    """The weights of a recorded run: those under ``runs`` that have the record's digest."""
    board = out / "leaderboards"
    found = [record for record in load_records(board) if source and record.run_id.startswith(source)]
    if not found:
        raise UnknownNameError(
            f"'{source}' is neither a run's folder, a weights file nor the beginning of a run id under {board}.",
            "'segbench run' prints the folder; --out names where runs/ and leaderboards/ are.",
        )
    if len(found) > 1:
        raise UsageError(f"'{source}' fits {len(found)} runs: {', '.join(one.run_id for one in found[:5])}.")
    (record,) = found
    for weights in sorted((out / "runs" / record.dataset).glob(f"*-{record.cell_id}/{WEIGHTS_FILE}")):
        _, header, sha256 = load_weights(weights)
        if sha256 == record.weights_sha256:
            return weights, header, record, board
    raise UsageError(
        f"The weights of run {record.run_id} are not under {out / 'runs' / record.dataset}.",
        "Give the weights file, or --out with the folder that holds runs/.",
    )


# --- pictures ---------------------------------------------------------------------------------------------------------


def _pictures(
    weights: Path, header: WeightsHeader, record: RunRecord, board: Path, *, with_images: bool, photographs: bool
) -> Iterator[CardPicture]:
    if len(record.curve.iteration) > 1:
        yield CardPicture("pictures/training.png", draw_curve(record.curve), "Training loss and validation mIoU.")
    comparison = weights.parent / COMPARISON
    if with_images and comparison.is_file():
        caption = "Best, median and worst image: the image, the truth, the prediction, and what is wrong in it."
        yield CardPicture("pictures/examples.png", comparison.read_bytes(), caption, shows_photographs=photographs)
    else:
        yield CardPicture(
            "pictures/predictions.png", _maps(header, record, board), "Predicted label maps, spread over the split."
        )


def _maps(header: WeightsHeader, record: RunRecord, board: Path) -> bytes:
    """A sheet of predicted label maps; no image of the dataset is on it."""
    maps = dict(read_predictions(result_files(board, record).predictions))
    names = sorted(maps)
    chosen = list(
        dict.fromkeys(names[round(index * (len(names) - 1) / (MAPS_SHOWN - 1))] for index in range(MAPS_SHOWN))
    )
    panel = Panel("", [colourise(maps[name], header.palette) for name in chosen])
    title = f"{record.paper_name} on {record.dataset_title} {record.split}, recipe {record.recipe.variant}"
    legend = [*zip(header.class_names, header.palette, strict=True)]
    buffer = io.BytesIO()
    comparison_sheet(title, chosen, [panel], legend).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
