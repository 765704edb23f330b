"""A picture of a prepared dataset: some samples with their labels over them, and a legend of the classes.

Sheets of photographs are for the user's own eyes: they are written where the user says and never into a repository.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segbench.data.codec import decode_ids, decode_rgb
from segbench.data.loader import epoch_order
from segbench.data.preparation import PreparedDataset
from segbench.errors import DataError, UnknownNameError
from segbench.manifest import Manifest
from segbench.overlay import overlay
from segbench.registry import closest
from segbench.specs import Colour

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

__all__ = ["Shown", "choose", "contact_sheet"]

Pixels = NDArray[np.uint8]

PAPER, INK, QUIET, LINE = (250, 250, 248), (28, 30, 36), (104, 108, 116), (222, 223, 220)
WIDTH, MARGIN, GAP, GUTTER = 1600, 48, 6, 28
TITLE, TEXT, CAPTION = 30, 17, 15
ACROSS = 2
TALLEST = 1.35  # of a picture, as a multiple of its width
ENTRY_HEIGHT, ENTRY_GAP, SWATCH = 32, 30, 20
OPACITY = 0.6


@dataclass(frozen=True)
class Shown:
    """One sample on a sheet.

    Attributes:
        id: Its id.
        image: RGB, uint8 [H, W, 3].
        label: Ids, uint8 [H, W]; ``None`` where labels are not published.
    """

    id: str
    image: Pixels
    label: NDArray[np.uint8] | None


def choose(prepared: PreparedDataset, split: str, count: int, seed: int = 0) -> list[Shown]:
    """Samples of a split, drawn by ``seed`` alone and shown in their own order.

    Args:
        prepared: The dataset.
        split: Its name.
        count: At most so many, at least one.
        seed: 0 or more.

    Raises:
        UnknownNameError: The dataset has no such split.
        DataError: The dataset is damaged.
    """
    import datasets

    manifest = prepared.manifest
    if split not in manifest.splits:
        name = f"{manifest.dataset} {manifest.variant}"
        raise UnknownNameError(f"{name} has no split '{split}'. {closest(split, list(manifest.splits))}")
    try:
        rows = datasets.load_from_disk(str(prepared.folder / split)).with_format("arrow")
        chosen = np.sort(epoch_order(len(rows), seed, 0)[:count])
        values = [rows[int(position)].to_pylist()[0] for position in chosen]
    except (OSError, KeyError, ValueError) as error:
        command = f"segbench verify {manifest.dataset} --variant {manifest.variant}"
        raise DataError(f"{prepared.folder} is damaged.", f"Run: {command}") from error
    return [_decoded(row["id"], row["image"], row["label"]) for row in values]


def _decoded(sample_id: str, image: dict[str, bytes], label: dict[str, bytes] | None) -> Shown:
    ids = None if label is None else decode_ids(label["bytes"], f"the label of {sample_id}")
    return Shown(sample_id, decode_rgb(image["bytes"], sample_id), ids)


def contact_sheet(manifest: Manifest, split: str, samples: Sequence[Shown], title: str = "") -> Image.Image:
    """Draws a sheet, RGB, 1600 pixels wide: pairs of image and overlay, and below them the classes with their shares.

    Args:
        manifest: Of the dataset.
        split: The samples' split; its shares stand in the legend.
        samples: What is shown; may differ in size.
        title: In place of the dataset's name.
    """
    from PIL import Image, ImageDraw

    cell = (WIDTH - 2 * MARGIN - GUTTER * (ACROSS - 1)) // ACROSS
    rows = [samples[start : start + ACROSS] for start in range(0, len(samples), ACROSS)]
    heights = [max(_height(sample, cell) for sample in row) for row in rows]
    entries = _legend(manifest, split)
    head = MARGIN + TITLE + 14 + TEXT + 30
    entry_width = max(_entry_width(name, share) for name, _, share in entries)
    per_line = max(1, (WIDTH - 2 * MARGIN + ENTRY_GAP) // entry_width)
    legend = 24 + -(-len(entries) // per_line) * ENTRY_HEIGHT
    sheet = Image.new("RGB", (WIDTH, head + sum(heights) + len(rows) * (CAPTION + 26) + legend + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_head(draw, manifest, split, len(samples), title)
    top = head
    for row, height in zip(rows, heights, strict=True):
        for column, sample in enumerate(row):
            _draw_sample(sheet, draw, sample, (MARGIN + column * (cell + GUTTER), top), cell, manifest.palette)
        top += height + CAPTION + 26
    _draw_legend(draw, entries, top, (per_line, entry_width))
    return sheet


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu, which comes with matplotlib and knows the letters of any class name."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    data = (Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name).read_bytes()
    return ImageFont.truetype(io.BytesIO(data), size)


def _draw_head(draw: ImageDraw.ImageDraw, manifest: Manifest, split: str, count: int, title: str) -> None:
    summary = manifest.splits[split]
    size = "" if manifest.size is None else f" of {manifest.size[0]} × {manifest.size[1]}"
    shown = f"{count} of {summary.num_images:,} images{size} in {split}"
    details = [shown, f"{manifest.num_classes} classes", f"content {manifest.fingerprint[:12]}"]
    if manifest.partial:
        details.append("partial")
    draw.text((MARGIN, MARGIN - 6), title or f"{manifest.dataset} {manifest.variant}", INK, _font(TITLE, bold=True))
    draw.text((MARGIN, MARGIN + TITLE + 14), "   ·   ".join(details), QUIET, _font(TEXT))


def _height(sample: Shown, cell: int) -> int:
    return _fitted(sample, cell)[1]


def _fitted(sample: Shown, cell: int) -> tuple[int, int]:
    """Width and height of one of the two pictures of a sample."""
    width = (cell - GAP) // 2
    height, original = sample.image.shape[:2]
    scale = min(width / original, TALLEST * width / height)
    return max(1, round(original * scale)), max(1, round(height * scale))


def _draw_sample(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    sample: Shown,
    place: tuple[int, int],
    cell: int,
    palette: Sequence[Colour],
) -> None:
    left, top = place
    size = _fitted(sample, cell)
    beside = left + size[0] + GAP
    sheet.paste(_scaled(sample.image, size), (left, top))
    if sample.label is None:
        draw.rectangle((beside, top, beside + size[0] - 1, top + size[1] - 1), outline=LINE)
        draw.text((beside + 16, top + 14), "labels are not published", QUIET, _font(CAPTION))
    else:
        sheet.paste(_scaled(overlay(sample.image, sample.label, palette, OPACITY), size), (beside, top))
    height, width = sample.image.shape[:2]
    size_text = f"{height} × {width}"
    name = _shortened(sample.id, cell - round(_font(CAPTION).getlength(size_text)) - 24)
    draw.text((left, top + size[1] + 6), name, QUIET, _font(CAPTION))
    draw.text((left + cell, top + size[1] + 6), size_text, QUIET, _font(CAPTION), anchor="ra")


def _scaled(picture: Pixels, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    enlarged = size[0] > 2 * picture.shape[1]
    method = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return Image.fromarray(picture).resize(size, method)


def _shortened(text: str, width: int) -> str:
    """The text, its middle left out where it is wider than ``width`` pixels."""
    short, kept = text, len(text)
    while kept > 4 and _font(CAPTION).getlength(short) > width:
        kept -= 2
        short = f"{text[: kept // 2]}…{text[-(kept // 2) :]}"
    return short


def _legend(manifest: Manifest, split: str) -> list[tuple[str, Colour | None, str]]:
    """Name, colour and share of each class; void has no colour, because overlays show the image there."""
    summary = manifest.splits[split]
    entries: list[tuple[str, Colour | None, int]] = [
        *zip(manifest.class_names, manifest.palette, summary.pixels, strict=True),
        ("void", None, summary.void_pixels),
    ]
    total = max(summary.num_pixels, 1)
    return [(name, colour, _percent(pixels / total)) for name, colour, pixels in entries]


def _percent(share: float) -> str:
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if not share:
        return "absent"
    return f"{100 * share:.1f} %"


def _entry_width(name: str, share: str) -> int:
    return ENTRY_GAP + SWATCH + 19 + round(_font(TEXT).getlength(name) + _font(CAPTION).getlength(share))


def _draw_legend(
    draw: ImageDraw.ImageDraw, entries: Sequence[tuple[str, Colour | None, str]], top: int, grid: tuple[int, int]
) -> None:
    per_line, entry_width = grid
    draw.line((MARGIN, top, WIDTH - MARGIN, top), LINE)
    for number, (name, colour, share) in enumerate(entries):
        left = MARGIN + number % per_line * entry_width
        upper = top + 24 + number // per_line * ENTRY_HEIGHT
        box = (left, upper, left + SWATCH, upper + SWATCH)
        draw.rounded_rectangle(box, 4, fill=colour or PAPER, outline=QUIET if colour is None else colour)
        middle = upper + SWATCH // 2
        draw.text((left + SWATCH + 10, middle), name, INK, _font(TEXT), anchor="lm")
        beside = left + SWATCH + 10 + _font(TEXT).getlength(name) + 9
        draw.text((beside, middle), share, QUIET, _font(CAPTION), anchor="lm")
