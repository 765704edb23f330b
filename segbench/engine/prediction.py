"""Label maps and overlays of pictures that have no truth, and of whole splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import nn

from segbench.engine.batches import Images
from segbench.engine.environment import Compute
from segbench.engine.evaluation import label_maps, predict_images
from segbench.errors import DataError, UsageError
from segbench.overlay import overlay, save_picture
from segbench.progress import SILENT, Progress
from segbench.record import WeightsHeader

__all__ = ["predict_files", "predict_split"]


def predict_files(
    model: nn.Module,
    header: WeightsHeader,
    paths: Sequence[Path],
    folder: Path,
    compute: Compute,
    progress: Progress = SILENT,
) -> list[Path]:
    """Writes ``FOLDER/<stem>.png`` (mode L, class ids) and ``FOLDER/overlays/<stem>.png`` for each picture.

    Raises:
        UsageError: Two pictures have one stem.
        DataError: A file is no picture.
    """
    _check_stems(paths)
    return list(_written(_of_files(model, header, paths, compute), header, folder, len(paths), progress))


def predict_split(
    model: nn.Module, header: WeightsHeader, split: Images, folder: Path, compute: Compute, progress: Progress = SILENT
) -> list[Path]:
    """The same for every image of a split; files are named by image id."""
    maps = (
        (split.ids[index], split.image(index), prediction)
        for index, prediction in label_maps(model, split, header.input_size, 4, compute)
    )
    return list(_written(maps, header, folder, len(split), progress))


def _check_stems(paths: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise UsageError(
                f"{seen[path.stem]} and {path} would both be written to {path.stem}.png.", "Predict them separately."
            )
        seen[path.stem] = path


def _of_files(
    model: nn.Module, header: WeightsHeader, paths: Iterable[Path], compute: Compute
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    model.eval()
    for path in paths:
        image = _read(path)
        tensor = torch.from_numpy(image.copy())[None].to(compute.device).permute(0, 3, 1, 2).float()
        height, width = image.shape[:2]
        prediction = predict_images(model, tensor, header.input_size, (height, width), compute)
        yield path.stem, image, prediction[0].cpu().numpy()


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"There is no picture {path}.") from error
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(
            f"{path} is not a readable picture: {error}.", "PNG, JPEG and what Pillow reads are fine."
        ) from error


def _written(
    maps: Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]],
    header: WeightsHeader,
    folder: Path,
    total: int,
    progress: Progress,
) -> Iterator[Path]:
    with progress.task("Predicting", total, "images") as bar:
        for name, image, prediction in maps:
            yield save_picture(folder / f"{name}.png", prediction)
            save_picture(folder / "overlays" / f"{name}.png", overlay(image, prediction, header.palette))
            bar.advance()
