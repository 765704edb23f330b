"""A comparison of two runs as the terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.console import Cell, Column, Table
from segbench.leaderboard.wording import UNDEFINED, boundary_text, percent, points, size_text
from segbench.metrics.comparison import Comparison, Difference, ImageDifference
from segbench.record import Protocol

__all__ = ["comparison_tables", "independent_sentence", "verdict"]

SCORES = {
    "global_accuracy": "global accuracy",
    "class_accuracy": "class accuracy",
    "mean_iou": "mean IoU",
    "boundary_f1": "boundary F1",
}
CLASS_SCORES = {"iou": "IoU", "accuracy": "Accuracy", "boundary_f1": "Boundary F1"}
LEGEND = (
    "Percent; A − B in points with its 95 % interval. p: two-sided, of no difference. d: A − B in standard deviations "
    "of one image. Grey: tied (p > 0.05)."
)
HOLM = "Holm p: p corrected for the number of classes; grey where it is above 0.05."


def comparison_tables(
    comparison: Comparison, names: Sequence[str], protocol: Protocol, images: int
) -> list[Table | str]:
    """Scores, a table for each score of the classes, the images that differ most, and the verdict last.

    Args:
        comparison: Of two runs.
        names: Of the two runs.
        protocol: Their scores' definition.
        images: How many images are named.
    """
    return [
        _overall(comparison, names, protocol),
        *(_classes(comparison, name) for name in CLASS_SCORES if _any_defined(comparison, name)),
        *([_images(comparison, images)] if images else []),
        verdict(comparison),
    ]


def verdict(comparison: Comparison) -> str:
    """Which run is better by mean IoU, in a sentence."""
    found = comparison.mean_iou
    if found.difference is None or found.low is None or found.high is None:
        return "Nothing to compare: mean IoU is undefined."
    if found.tied:
        return (
            f"Tied in mean IoU: A − B is {points(found.difference)} points "
            f"[{points(found.low)}, {points(found.high)}], p = {_p(found.p_value)}."
        )
    better, sign = ("A", 1) if found.difference > 0 else ("B", -1)
    ends = sorted((sign * found.low, sign * found.high))
    return (
        f"{better} is better by {100 * abs(found.difference):.1f} points of mean IoU "
        f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}], p = {_p(found.p_value)}."
    )


def independent_sentence(independent: Comparison) -> str:
    """What the bootstrap of single images would have said of frames of a video."""
    found = independent.mean_iou
    return (
        f"Were the images independent, A − B of mean IoU would have the interval {_ends(found)}, p = "
        f"{_p(found.p_value)}; neighbouring frames are alike, so this is too sure."
    )


def _overall(comparison: Comparison, names: Sequence[str], protocol: Protocol) -> Table:
    rows = [[title, *_cells(getattr(comparison, name))] for name, title in SCORES.items()]
    first, second, equal = comparison.better
    notes = [
        LEGEND,
        f"{comparison.resampling.resamples:,} resamples, seed {comparison.resampling.seed}. "
        f"{comparison.resampling.sentence} Other seeds of training are another matter.",
        f"By its own mean IoU A is better in {first} of {first + second + equal} images, B in {second}.",
        f"Protocol {protocol.name} {protocol.version} at {size_text(protocol.size)}. "
        f"{boundary_text(protocol.boundary, protocol.size)}",
    ]
    title = f"A: {names[0]}; B: {names[1]}"
    columns = [Column("score"), *_columns(), Column("d", right=True)]
    return Table(
        columns,
        [[*row, _effect(getattr(comparison, name))] for name, row in zip(SCORES, rows, strict=True)],
        title,
        notes,
    )


def _columns() -> list[Column]:
    return [Column(title, right=True) for title in ("A", "B", "A − B", "95 % interval", "p")]


def _cells(found: Difference, grey: bool | None = None) -> list[str | Cell]:
    dim = found.tied if grey is None else grey
    change = [points(found.difference), _ends(found), _p(found.p_value)]
    return [percent(found.first), percent(found.second), *(Cell(text, dim=dim) for text in change)]


def _effect(found: Difference) -> str:
    return UNDEFINED if found.effect is None else f"{found.effect:+.2f}".replace("-", "−")


def _ends(found: Difference) -> str:
    return UNDEFINED if found.low is None else f"[{points(found.low)}, {points(found.high)}]"


def _p(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"


def _by_name(comparison: Comparison, name: str) -> Mapping[str, Difference]:
    return {title: getattr(values, name) for title, values in comparison.per_class.items()}


def _any_defined(comparison: Comparison, name: str) -> bool:
    return any(found.difference is not None for found in _by_name(comparison, name).values())


def _classes(comparison: Comparison, name: str) -> Table:
    rows = []
    for title, found in _by_name(comparison, name).items():
        grey = found.holm_p_value is None or found.holm_p_value > 1 - found.level
        rows.append([title, *_cells(found, grey), Cell(_p(found.holm_p_value), dim=grey)])
    return Table([Column(CLASS_SCORES[name]), *_columns(), Column("Holm p", right=True)], rows, "", [HOLM])


def _images(comparison: Comparison, count: int) -> Table:
    columns = [Column("image", wide=True)]
    columns += [Column(title, right=True) for title in ("mIoU A", "mIoU B", "A − B", "G A − B", "BF A − B")]
    rows = [_image(image) for image in comparison.images[:count]]
    return Table(columns, rows, "The images that differ most, by their own mean IoU")


def _image(image: ImageDifference) -> list[str | Cell]:
    first, second, change = image.mean_iou
    others = image.global_accuracy[2], image.boundary_f1[2]
    return [image.image_id, percent(first), percent(second), points(change), *map(points, others)]
