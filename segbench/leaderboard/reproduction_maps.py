"""The label maps that a suite's networks predict, side by side as in the paper's Figure 4, as one small indexed PNG.

The file says which runs and images it shows, so that it can be told from one of other runs without being drawn again.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.indexed_png import encode_label_map, stored_text
from segbench.leaderboard.predictions import LabelMap, read_prediction, stored_palette
from segbench.leaderboard.reproduction import Reproduction, ReproductionRow
from segbench.leaderboard.store import result_files
from segbench.leaderboard.truths import Truth
from segbench.overlay import GREY, INK, PAPER, Panel, colourise, comparison_sheet, sheet_width
from segbench.specs import IGNORE_INDEX, Colour

__all__ = ["draw_maps", "maps_are_current", "maps_path", "maps_show_truth"]

WIDTH = 240
"""Pixels of a map; larger ones are thinned out, so that their colours stay those of classes."""
NAME_LENGTH = 28
SHADES = 6

Pixels = NDArray[np.uint8]


def maps_path(root: Path, found: Reproduction) -> Path:
    """Where the picture of a table is.

    Args:
        root: The folder of the boards, ``leaderboards``.
    """
    return root / f"{found.suite.name}-{found.scale}.maps.png"


def maps_are_current(path: Path, found: Reproduction) -> bool:
    """Whether the picture shows the runs of the table, with or without the truth."""
    stored = stored_text(path) if path.exists() else {}
    return _content(found).items() <= stored.items()


def maps_show_truth(path: Path) -> bool:
    """Whether the picture has a column of the truth."""
    return stored_text(path).get("Truth") == "yes"


def _content(found: Reproduction) -> dict[str, str]:
    runs = " ".join(row.runs[0].run_id for row in found.rows)
    return {"Runs": runs, "Images": " ".join(found.examples)}


def draw_maps(root: Path, found: Reproduction, truth: Truth | None) -> bytes:
    """The picture: a row each image and balancing, a column each network, the first seed of each.

    Args:
        root: The folder of the boards, ``leaderboards``.
        truth: The split the runs were scored on; without it there is no column of the truth.

    Raises:
        RecordError: Predictions are missing or damaged.
    """
    record = found.rows[0].runs[0]
    palette = stored_palette(result_files(root, record).predictions)
    legend = [*zip(record.scores.per_class, palette, strict=False)]
    if truth is not None:
        legend.append(("void", (0, 0, 0)))
    networks = {row.cell.model: row.runs[0].paper_name for row in found.rows}
    columns = [
        *(["Truth"] if truth else []),
        *("\n".join(textwrap.wrap(name, NAME_LENGTH)) for name in networks.values()),
    ]
    panels = [*_panels(root, found, [*networks], truth, palette)]
    title = f"{found.suite.name}, scale {found.scale}"
    sheet = np.asarray(comparison_sheet(title, columns, panels, legend, sheet_width(len(columns), WIDTH)))
    text = {**_content(found), "Truth": "no" if truth is None else "yes"}
    return _encoded(sheet, [colour for _, colour in legend], text)


def _panels(
    root: Path, found: Reproduction, models: Sequence[str], truth: Truth | None, palette: Sequence[Colour]
) -> Iterator[Panel]:
    for balancing, rows in grouped(found.rows, lambda row: row.cell.balancing).items():
        named = {row.cell.model: row for row in rows}
        for image_id in found.examples:
            maps = [_prediction(root, named.get(model), image_id) for model in models]
            shown = [*([_thinned(truth.label(image_id))] if truth else []), *maps]
            yield Panel(f"{image_id} ({balancing})", _coloured(shown, palette))


def _prediction(root: Path, row: ReproductionRow | None, image_id: str) -> LabelMap | None:
    return None if row is None else _thinned(read_prediction(result_files(root, row.runs[0]).predictions, image_id))


def _thinned(label: LabelMap) -> LabelMap:
    """Every so many rows and columns of a map that is wider than ``WIDTH``."""
    height, width = label.shape
    if width <= WIDTH:
        return label
    rows = np.arange(round(height * WIDTH / width)) * width // WIDTH
    thinned: LabelMap = label[rows[:, None], np.arange(WIDTH) * width // WIDTH]
    return thinned


def _coloured(maps: Sequence[LabelMap | None], palette: Sequence[Colour]) -> list[Pixels]:
    """A network that has no run with this balancing leaves its place empty."""
    shape = next(label.shape for label in maps if label is not None)
    empty = np.full((*shape, 3), PAPER, np.uint8)
    return [empty if label is None else colourise(label, palette) for label in maps]


def _encoded(sheet: Pixels, colours: Sequence[Colour], text: Mapping[str, str]) -> bytes:
    """Class colours as they are, the edges of letters in a few shades."""
    shades = [_between(PAPER, dark, step / SHADES) for dark in (INK, GREY) for step in range(SHADES + 1)]
    palette = [*dict.fromkeys([*colours, *shades])]
    assert len(palette) <= IGNORE_INDEX
    packed = sheet.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    found, places = np.unique(packed, return_inverse=True)
    pixels = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    distances = ((pixels[:, None] - np.array(palette)) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)
    return encode_label_map(nearest[places.reshape(packed.shape)], palette, text)


def _between(light: Colour, dark: Colour, share: float) -> Colour:
    red, green, blue = (round(first + share * (last - first)) for first, last in zip(light, dark, strict=True))
    return red, green, blue
