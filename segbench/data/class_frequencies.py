"""How often each class occurs, as a picture: a row for each class, a mark for each split, on a logarithmic axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from segbench.atomic import write_bytes
from segbench.errors import DataError
from segbench.manifest import Manifest
from segbench.specs import Colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Frequency", "class_frequencies", "frequency_plot", "save_plot"]

INK, QUIET, LINE, PAPER = "#1c1e24", "#686c74", "#dedfdc", "#fafaf8"
MARKS = {"train": "o", "validation": "s", "test": "^"}
FILLS = {"train": INK, "validation": PAPER, "test": "#9a9da3"}


class Frequency(NamedTuple):
    """One class (or void) in figures; shares are of all pixels of the split, void ones too, 0..1."""

    name: str
    colour: Colour | None
    shares: dict[str, float]


def class_frequencies(manifest: Manifest) -> list[Frequency]:
    """The share of each class in each labelled split, in the order of the classes; void is last.

    Raises:
        DataError: No split has labels.
    """
    splits = {name: split for name, split in manifest.splits.items() if split.num_pixels}
    if not splits:
        raise DataError(f"{manifest.dataset} {manifest.variant} has no labels.")
    classes = [
        Frequency(name, colour, {split: found.pixels[place] / found.num_pixels for split, found in splits.items()})
        for place, (name, colour) in enumerate(zip(manifest.class_names, manifest.palette, strict=True))
    ]
    void = {split: found.void_pixels / found.num_pixels for split, found in splits.items()}
    return [*classes, Frequency("void", None, void)]


def frequency_plot(manifest: Manifest) -> Figure:
    """Draws the shares; a class that a split lacks has no mark there."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = class_frequencies(manifest)
    figure = Figure(figsize=(8.6, 1.5 + 0.29 * len(rows)), facecolor=PAPER)
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.18, h_pad=0.16))
    axes = figure.add_subplot(facecolor=PAPER)
    _draw_rows(axes, rows)
    _draw_names(axes, rows)
    _dress(axes, manifest, rows)
    return figure


def _draw_rows(axes: Axes, rows: Sequence[Frequency]) -> None:
    for height, row in enumerate(rows):
        found = [100 * share for share in row.shares.values() if share > 0]
        if found:
            axes.plot([min(found), max(found)], [height, height], color=QUIET, linewidth=1, zorder=2)
    for split in rows[0].shares:
        marks = [(100 * row.shares[split], height) for height, row in enumerate(rows) if row.shares[split] > 0]
        axes.scatter(
            [share for share, _ in marks],
            [height for _, height in marks],
            s=34,
            marker=MARKS[split],
            facecolor=FILLS[split],
            edgecolor=INK,
            linewidth=0.9,
            zorder=3,
            label=split,
        )


def _draw_names(axes: Axes, rows: Sequence[Frequency]) -> None:
    """Names with a chip of the class's colour between them and the axis."""
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9.5, color=INK)
    axes.tick_params(axis="y", length=0, pad=20)
    for height, row in enumerate(rows):
        face = PAPER if row.colour is None else tuple(channel / 255 for channel in row.colour)
        edge = QUIET if row.colour is None else face
        axes.plot(
            [-0.019],
            [height],
            marker="s",
            markersize=9,
            markerfacecolor=face,
            markeredgecolor=edge,
            transform=axes.get_yaxis_transform(),
            clip_on=False,
        )


def _dress(axes: Axes, manifest: Manifest, rows: Sequence[Frequency]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    lowest, highest = axes.get_xlim()
    few_decades = highest / lowest < 1000
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,), numticks=30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.9f}".rstrip("0").rstrip(".") + " %"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", colors=QUIET, labelsize=9, length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.8, zorder=0)
    for height in range(len(rows)):
        axes.axhline(height, color=LINE, linewidth=0.5, zorder=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("share of all pixels, logarithmic", color=QUIET, fontsize=9)
    title = f"{manifest.dataset} {manifest.variant}: how often each class occurs"
    axes.set_title(title, loc="left", color=INK, fontsize=11.5, fontweight="bold", pad=28)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.012, 1), ncols=3, frameon=False, fontsize=9, handletextpad=0.1)


def save_plot(path: Path, figure: Figure) -> Path:
    """Writes a figure in the format that the suffix names, the same bytes every time, and returns its path.

    Raises:
        DataError: matplotlib does not write such files.
    """
    import matplotlib

    form = path.suffix.lstrip(".").lower()
    if form not in figure.canvas.get_supported_filetypes():
        raise DataError(f"{path} cannot be drawn: '{path.suffix}' is no picture format.", "Use .svg, .png or .pdf.")
    buffer = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"CreationDate": None} if form == "pdf" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "segbench", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=form, dpi=150, metadata=metadata, facecolor=figure.get_facecolor())
    write_bytes(path, buffer.getvalue())
    return path
