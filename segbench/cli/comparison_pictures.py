"""Pictures of where two runs differ: bare label maps, and the photographs only where they are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.errors import NotPreparedError, UnknownNameError, UsageError
from segbench.leaderboard.lookup import FoundRun
from segbench.leaderboard.predictions import LabelMap, read_prediction, stored_palette
from segbench.leaderboard.wording import percent, points
from segbench.metrics.comparison import ImageDifference
from segbench.progress import Progress
from segbench.specs import Colour

if TYPE_CHECKING:
    from segbench.data.raw_cache import RawSplit
    from segbench.overlay import Pixels

__all__ = ["write_pictures"]


def write_pictures(
    folder: Path,
    runs: tuple[FoundRun, FoundRun],
    images: Sequence[ImageDifference],
    *,
    photographs: bool,
    progress: Progress,
) -> list[Path]:
    """Writes one PNG an image, in the order given: truth, both predictions, and where they differ.

    The truth is there where the dataset is prepared; otherwise a message says why not.

    Args:
        folder: Where the pictures go.
        runs: Both with predictions.
        images: What is drawn.
        photographs: Whether the photograph is put first.
        progress: Told what is missing.

    Returns:
        Paths of the pictures.

    Raises:
        UsageError: There are no predictions; or photographs are wanted and the dataset is not prepared.
    """
    first, second = (_predictions(run) for run in runs)
    split = _truth(runs[0], progress)
    if photographs and split is None:
        raise UsageError("--photographs needs the prepared dataset.", "Leave it out, or prepare the dataset.")
    palette = stored_palette(first)
    paths = []
    for number, image in enumerate(images, start=1):
        maps = read_prediction(first, image.image_id), read_prediction(second, image.image_id)
        path = folder / f"{number:02d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', image.image_id)}.png"
        paths.append(_write(path, image, runs, maps, palette, split, photographs))
    return paths


def _predictions(run: FoundRun) -> Path:
    if run.predictions is None:
        raise UsageError(
            f"There are no predicted label maps beside {run.path}: --pictures needs them.",
            "Name a run under leaderboards/records, or leave --pictures out.",
        )
    return run.predictions


def _truth(run: FoundRun, progress: Progress) -> RawSplit | None:
    """The split the run was scored on, where it is prepared with the same content."""
    if run.record is None:
        return None
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import find_prepared
    from segbench.data.raw_cache import open_split

    try:
        prepared = find_prepared(run.record.dataset, run.record.dataset_variant)
    except (NotPreparedError, UnknownNameError) as error:
        progress.message(f"Pictures without the truth: {error}")
        return None
    if prepared.manifest.fingerprint != run.record.dataset_fingerprint:
        progress.message(
            f"Pictures without the truth: {prepared.folder} is not the dataset of run {run.record.run_id}."
        )
        return None
    return open_split(prepared, run.record.split, progress)


def _write(
    path: Path,
    image: ImageDifference,
    runs: tuple[FoundRun, FoundRun],
    maps: tuple[LabelMap, LabelMap],
    palette: Sequence[Colour],
    split: RawSplit | None,
    photographs: bool,
) -> Path:
    from segbench.overlay import Panel, colourise, comparison_sheet, disagreement_map, save_picture

    place = None if split is None else split.ids.index(image.image_id)
    truth = None if split is None or place is None else split.label(place)
    shown: dict[str, Pixels] = {}
    if photographs and split is not None and place is not None:
        shown["photograph"] = split.image(place)
    if truth is not None:
        shown["truth"] = colourise(truth, palette)
    names = [f"{letter}: {_short(run)}" for letter, run in zip("AB", runs, strict=True)]
    shown |= {name: colourise(found, palette) for name, found in zip(names, maps, strict=True)}
    shown["where they differ"] = disagreement_map(*maps, truth)
    legend = [*zip(runs[0].tallies.class_names, palette, strict=False), *_difference_legend(truth is not None)]
    panel = Panel(_caption(image), list(shown.values()))
    sheet = comparison_sheet(image.image_id, list(shown), [panel], legend, width=400 * len(shown))
    return save_picture(path, sheet)


def _caption(image: ImageDifference) -> str:
    first, second, change = image.mean_iou
    text = f"mean IoU of this image alone: A {percent(first)}, B {percent(second)}, A - B {points(change)}"
    return text.replace("−", "-")  # the font of pictures has no minus


def _short(run: FoundRun) -> str:
    return run.path.name.split(".")[0] if run.record is None else f"{run.record.model} {run.record.run_id}"


def _difference_legend(with_truth: bool) -> list[tuple[str, Colour]]:
    from segbench.overlay import BOTH_WRONG, FIRST_RIGHT, RIGHT, SECOND_RIGHT, WRONG

    if not with_truth:
        return [("same", RIGHT), ("different", WRONG)]
    return [
        ("both right", RIGHT),
        ("only A right", FIRST_RIGHT),
        ("only B right", SECOND_RIGHT),
        ("both wrong", BOTH_WRONG),
    ]
