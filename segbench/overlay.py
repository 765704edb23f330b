"""Pictures of label maps: palette colours, overlays, and sheets that put truth and prediction side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segbench.atomic import new_file
from segbench.specs import IGNORE_INDEX, Colour

__all__ = [
    "GREY",
    "INK",
    "PAPER",
    "Panel",
    "colourise",
    "comparison_sheet",
    "disagreement_map",
    "error_map",
    "overlay",
    "save_picture",
    "sheet_width",
]

Pixels = NDArray[np.uint8]
LabelMap = NDArray[np.uint8]

INK, PAPER, GREY = (24, 26, 32), (250, 250, 248), (110, 114, 122)
RIGHT, WRONG = (222, 224, 226), (214, 62, 52)
FIRST_RIGHT, SECOND_RIGHT, BOTH_WRONG = (30, 110, 190), (240, 160, 40), (120, 120, 124)
MARGIN, GAP, LINE = 16, 8, 20


def colourise(label: LabelMap, palette: Sequence[Colour]) -> Pixels:
    """Class ids [H, W] to RGB [H, W, 3]; the ignored label and unknown ids are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8)
    return table[label]


def overlay(image: Pixels, label: LabelMap, palette: Sequence[Colour], opacity: float = 0.55) -> Pixels:
    """The colours of a label map over an RGB image [H, W, 3]; ignored pixels show the image."""
    colours = colourise(label, palette).astype(np.float32)
    share = np.where(label == IGNORE_INDEX, 0.0, opacity).astype(np.float32)[..., None]
    return np.rint(image * (1 - share) + colours * share).astype(np.uint8)


def error_map(label: LabelMap, prediction: LabelMap) -> Pixels:
    """Right pixels pale, wrong ones red, ignored ones dark, RGB [H, W, 3]."""
    colours = np.asarray([RIGHT, WRONG, INK], np.uint8)
    state = np.where(label == IGNORE_INDEX, 2, label != prediction)
    return colours[state]


def disagreement_map(first: LabelMap, second: LabelMap, label: LabelMap | None = None) -> Pixels:
    """Where two predictions differ, RGB [H, W, 3].

    With the truth: pale where both are right, blue where only the first is, orange where only the second is, grey where
    neither is, dark where the truth is ignored. Without it: pale where they agree, red where they differ.
    """
    if label is None:
        return np.asarray([RIGHT, WRONG], np.uint8)[np.where(first == second, 0, 1)]
    colours = np.asarray([RIGHT, FIRST_RIGHT, SECOND_RIGHT, BOTH_WRONG, INK], np.uint8)
    state = np.where(first == label, 0, 2) + np.where(second == label, 0, 1)
    return colours[np.where(label == IGNORE_INDEX, 4, state)]


@dataclass(frozen=True)
class Panel:
    """One row of a sheet.

    Attributes:
        caption: Shown above the row.
        pictures: RGB [H, W, 3], one a column.
    """

    caption: str
    pictures: Sequence[Pixels]


def comparison_sheet(
    title: str,
    columns: Sequence[str],
    panels: Sequence[Panel],
    legend: Sequence[tuple[str, Colour]],
    width: int = 1280,
) -> Image.Image:
    """A picture with one row a panel, headed columns and a legend of class colours; ``width`` is in pixels.

    A heading may have several lines.
    """
    cell = (width - 2 * MARGIN - GAP * (len(columns) - 1)) // len(columns)
    heights = [round(cell * panel.pictures[0].shape[0] / panel.pictures[0].shape[1]) for panel in panels]
    legend_rows = _legend_rows(legend, width)
    heading = LINE * max(name.count("\n") + 1 for name in columns)
    height = 2 * MARGIN + 36 + heading + sum(heights) + len(panels) * (LINE + GAP) + LINE * (len(legend_rows) + 1)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, INK, _font(20))
    top = MARGIN + 36
    for number, name in enumerate(columns):
        draw.text((MARGIN + number * (cell + GAP), top), name, GREY, _font(14))
    top += heading
    for panel, rows in zip(panels, heights, strict=True):
        for number, picture in enumerate(panel.pictures):
            sheet.paste(_scaled(picture, (cell, rows)), (MARGIN + number * (cell + GAP), top))
        draw.text((MARGIN, top + rows + 2), panel.caption, GREY, _font(13))
        top += rows + LINE + GAP
    _draw_legend(draw, legend_rows, top + GAP)
    return sheet


def sheet_width(columns: int, picture_width: int) -> int:
    """How wide a sheet has to be for pictures of that width to keep it."""
    return 2 * MARGIN + columns * picture_width + (columns - 1) * GAP


def _scaled(picture: Pixels, size: tuple[int, int]) -> Image.Image:
    # Small maps are enlarged without blending, so that ids stay what they are to the eye.
    enlarged = size[0] >= picture.shape[1]
    method = Image.Resampling.NEAREST if enlarged else Image.Resampling.BOX
    return Image.fromarray(picture).resize(size, method)


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _legend_rows(legend: Sequence[tuple[str, Colour]], width: int) -> list[list[tuple[str, Colour]]]:
    across = max(1, (width - 2 * MARGIN) // 150)
    return [list(legend[start : start + across]) for start in range(0, len(legend), across)]


def _draw_legend(draw: ImageDraw.ImageDraw, rows: list[list[tuple[str, Colour]]], top: int) -> None:
    for line, entries in enumerate(rows):
        for number, (name, colour) in enumerate(entries):
            left, upper = MARGIN + number * 150, top + line * LINE
            draw.rectangle((left, upper + 2, left + 14, upper + 16), fill=colour, outline=GREY)
            draw.text((left + 20, upper), name, INK, _font(13))


def save_picture(path: Path, picture: Image.Image | Pixels) -> Path:
    """Writes a PNG atomically and returns its path."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    with new_file(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
    return path
