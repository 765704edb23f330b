"""The best, the median and the worst image of a run: truth, prediction and errors as bare label maps, in the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segbench.leaderboard.indexed_png import encode_label_map
from segbench.leaderboard.predictions import LabelMap, read_prediction, stored_palette
from segbench.leaderboard.truths import Truth
from segbench.metrics.image_sums import ImageSums
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, Protocol
from segbench.specs import IGNORE_INDEX, Colour

__all__ = ["ERROR_COLOURS", "PHOTOGRAPH", "Example", "Picture", "chosen_images", "examples"]

# Right, wrong, void: as error maps are drawn everywhere else.
ERROR_COLOURS: tuple[Colour, ...] = ((222, 224, 226), (214, 62, 52), (24, 26, 32))
PHOTOGRAPH = "Photograph"


@dataclass(frozen=True)
class Picture:
    """A picture within the page.

    Attributes:
        title: What it is.
        address: A data address.
    """

    title: str
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Example:
    """One image of a run; ``mean_iou`` is of this image alone."""

    place: str
    image_id: str
    mean_iou: float
    pictures: tuple[Picture, ...]


def chosen_images(tallies: Tallies, protocol: Protocol) -> list[tuple[str, str, float]]:
    """The best, the median (the lower one of two) and the worst image by their own mean IoU; fewer where there are.

    Returns:
        Place, name and mean IoU.
    """
    table = ImageSums(tallies, protocol).each()
    row = SCORE_NAMES.index("mean_iou")
    found = zip(table.values[row].tolist(), tallies.image_ids, table.defined[row].tolist(), strict=True)
    ordered = sorted((value, name) for value, name, defined in found if defined)
    if not ordered:
        return []
    places = {"Best": len(ordered) - 1, "Median": (len(ordered) - 1) // 2, "Worst": 0}
    return [(place, ordered[index][1], ordered[index][0]) for place, index in places.items()]


def examples(
    chosen: Sequence[tuple[str, str, float]], predictions: Path, truth: Truth | None
) -> tuple[list[Example], list[Colour]]:
    """Pictures of the images that ``chosen_images`` names, and the colours of the classes.

    Args:
        chosen: Place, name and mean IoU.
        predictions: The run's predicted label maps.
        truth: The prepared dataset; without it there are only predictions.
    """
    palette = stored_palette(predictions)
    found = [
        Example(place, name, value, _pictures(name, read_prediction(predictions, name), truth, palette))
        for place, name, value in chosen
    ]
    return found, palette


def _pictures(name: str, prediction: LabelMap, truth: Truth | None, palette: Sequence[Colour]) -> tuple[Picture, ...]:
    shown = [_map("Prediction", prediction, palette)]
    if truth is None:
        return tuple(shown)
    label = truth.label(name)
    void = label == IGNORE_INDEX
    # Void takes the first id after the classes, black: 255 would need eight bits a pixel.
    drawn = np.where(void, len(palette), label).astype(np.uint8) if len(palette) < IGNORE_INDEX else label
    errors = np.where(void, 2, label != prediction).astype(np.uint8)
    shown = [_map("Truth", drawn, palette), *shown, _map("Errors", errors, ERROR_COLOURS)]
    return tuple([_image(truth.image(name), truth.free), *shown] if truth.image else shown)


def _map(title: str, label: LabelMap, palette: Sequence[Colour]) -> Picture:
    return _picture(title, "png", encode_label_map(label, palette), label.shape)


def _image(pixels: NDArray[np.uint8], free: bool) -> Picture:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(data, "JPEG", quality=85)
    return _picture("Image" if free else PHOTOGRAPH, "jpeg", data.getvalue(), pixels.shape)


def _picture(title: str, form: str, data: bytes, shape: tuple[int, ...]) -> Picture:
    address = f"data:image/{form};base64,{base64.b64encode(data).decode()}"
    return Picture(title, address, shape[1], shape[0])
