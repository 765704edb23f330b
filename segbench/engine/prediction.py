"""Label maps and overlays of pictures that have no truth, and of whole splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segbench.atomic import write_bytes
from segbench.data.codec import decode_rgb
from segbench.engine.batches import Images
from segbench.engine.certainty import Certainty, certain_maps, predict_certainty
from segbench.engine.environment import Compute
from segbench.engine.uncertainty_pictures import save_uncertainty
from segbench.errors import DataError, UsageError
from segbench.leaderboard.indexed_png import encode_label_map
from segbench.overlay import overlay, save_picture
from segbench.progress import SILENT, Progress
from segbench.record import WeightsHeader
from segbench.specs import Submission

__all__ = ["predict_files", "predict_split"]

Seen = tuple[str, NDArray[np.uint8], Certainty]
"""Name, RGB pixels, and what the network makes of them."""


def predict_files(
    model: nn.Module,
    header: WeightsHeader,
    paths: Sequence[Path],
    folder: Path,
    compute: Compute,
    progress: Progress = SILENT,
    *,
    uncertainty: bool = False,
) -> list[Path]:
    """Writes ``FOLDER/<stem>.png`` (mode L, class ids) and ``FOLDER/overlays/<stem>.png`` for each picture.

    With ``uncertainty`` also ``FOLDER/uncertainty/<stem>.png``, see :mod:`segbench.engine.uncertainty_pictures`.

    Raises:
        UsageError: Two pictures have one stem.
        DataError: A file is no picture.
    """
    _check_stems(paths)
    seen = _of_files(model, header, paths, compute)
    return list(_written(seen, header, folder, len(paths), progress, uncertainty=uncertainty))


def predict_split(
    model: nn.Module,
    header: WeightsHeader,
    split: Images,
    folder: Path,
    compute: Compute,
    progress: Progress = SILENT,
    submission: Submission | None = None,
    *,
    uncertainty: bool = False,
) -> list[Path]:
    """The same for every image of a split; files are named by image id.

    With ``submission`` the label maps lie where the evaluation server wants them, as PNG of mode P with its palette.
    """
    seen = (
        (split.ids[index], split.image(index), certainty)
        for index, certainty in certain_maps(model, split, header.input_size, 4, compute)
    )
    return list(_written(seen, header, folder, len(split), progress, submission, uncertainty=uncertainty))


def _check_stems(paths: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise UsageError(
                f"{seen[path.stem]} and {path} would both be written to {path.stem}.png.", "Predict them separately."
            )
        seen[path.stem] = path


def _of_files(model: nn.Module, header: WeightsHeader, paths: Iterable[Path], compute: Compute) -> Iterator[Seen]:
    model.eval()
    for path in paths:
        image = _read(path)
        tensor = torch.from_numpy(image.copy())[None].to(compute.device).permute(0, 3, 1, 2).float()
        height, width = image.shape[:2]
        (certainty,) = predict_certainty(model, tensor, header.input_size, (height, width), compute)
        yield path.stem, image, certainty


def _read(path: Path) -> NDArray[np.uint8]:
    """RGB pixels, upright: as datasets are decoded."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"There is no picture {path} ({error.strerror}).") from error
    return decode_rgb(data, str(path))


def _written(
    images: Iterable[Seen],
    header: WeightsHeader,
    folder: Path,
    total: int,
    progress: Progress,
    submission: Submission | None = None,
    *,
    uncertainty: bool,
) -> Iterator[Path]:
    with progress.task("Predicting", total, "images") as bar:
        for name, image, seen in images:
            yield _save_map(folder, name, seen.prediction, submission)
            save_picture(folder / "overlays" / f"{name}.png", overlay(image, seen.prediction, header.palette))
            if uncertainty:
                save_uncertainty(folder, name, seen, header.num_classes)
            bar.advance()


def _save_map(folder: Path, name: str, prediction: NDArray[np.uint8], submission: Submission | None) -> Path:
    if submission is None:
        return save_picture(folder / f"{name}.png", prediction)
    path = folder / submission.folder / f"{name}.png"
    write_bytes(path, encode_label_map(prediction, submission.palette))
    return path
