"""Which charts a page shows of a board and of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from segbench.leaderboard.charts import (
    Key,
    Point,
    Series,
    chip,
    class_bars,
    class_dots,
    curves,
    matrix,
    scatter,
)
from segbench.leaderboard.table import Board, Row
from segbench.leaderboard.tolerance_curve import MOST_IMAGES
from segbench.leaderboard.wording import duration, percent
from segbench.metrics.tallies import Tallies

__all__ = ["BoardCharts", "RunCharts", "board_charts", "keys", "run_charts"]

LONG = 3 * 3600
Sweep = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class BoardCharts:
    """Charts with a mark or a line for each run, by caption; and the marks of the runs."""

    charts: Mapping[str, Markup]
    legend: Sequence[tuple[Key, Markup]]


@dataclass(frozen=True)
class RunCharts:
    """Charts of one run, by caption, and its mark."""

    charts: Mapping[str, Markup]
    key: Key
    chip: Markup


def keys(board: Board) -> dict[str, Key]:
    """How each run is drawn, by run id."""
    return {row.run_id: Key(number, row.label, row.run_id) for number, row in enumerate(board.rows)}


def board_charts(board: Board, named: Mapping[str, Key], sweeps: Mapping[str, Sweep | None]) -> BoardCharts:
    """Those charts for which there are values."""
    unit, seconds = ("hours", 3600) if max(row.wall_time_s for row in board.rows) > LONG else ("minutes", 60)
    wanted = {
        "Mean IoU against time of training": _against(
            board, named, f"time of training, {unit}", lambda row: row.wall_time_s / seconds, _elapsed(seconds)
        ),
        "Mean IoU against parameters": _against(
            board, named, "parameters, millions", lambda row: row.parameters / 1e6, _millions
        ),
        "Mean IoU against time of inference": _against(
            board, named, "milliseconds a batch", lambda row: _cost(board, row, "latency_ms"), _milliseconds
        ),
        "Mean IoU against memory of inference": _against(
            board, named, "peak memory, MiB", lambda row: _cost(board, row, "peak_memory_mib"), _mebibytes
        ),
        "Validation mean IoU while training": _training(board.rows, named),
        "Training loss": _losses(board.rows, named),
        _sweep_caption(board): _sweeps(board.rows, named, sweeps),
        "IoU of each class": _classes(board, named),
    }
    charts = {caption: drawn for caption, drawn in wanted.items() if drawn is not None}
    return BoardCharts(charts, [(key, chip(key)) for key in named.values()])


def run_charts(board: Board, row: Row, key: Key, tallies: Tallies) -> RunCharts:
    """Curves, classes and confusion of one run."""
    named, rows = {row.run_id: key}, [row]
    scores = [row.record.scores.per_class[name] for name in board.class_names]
    wanted = {
        "Classes": class_bars(
            f"IoU of each class, {key.name}",
            board.class_names,
            [None if one.iou is None else 100 * one.iou for one in scores],
            [None if one.accuracy is None else 100 * one.accuracy for one in scores],
        ),
        "Confusion": matrix(f"Confusion matrix, {key.name}", board.class_names, tallies.confusion().counts),
        "Training": Markup("").join(filter(None, (_training(rows, named), _losses(rows, named)))),
    }
    return RunCharts({caption: drawn for caption, drawn in wanted.items() if drawn}, key, chip(key))


# --- scores against cost ----------------------------------------------------------------------------------------------


def _against(
    board: Board,
    named: Mapping[str, Key],
    x_title: str,
    value: Callable[[Row], float | None],
    written: Callable[[float], str],
) -> Markup | None:
    series = [
        Series(named[row.run_id], [_point(row, at, written)])
        for row in board.rows
        if (at := value(row)) is not None and at > 0 and row.mean_iou is not None
    ]
    return scatter(f"Mean IoU against {x_title}", (x_title, "mIoU, per cent"), series) if series else None


def _point(row: Row, at: float, written: Callable[[float], str]) -> Point:
    score = 100 * (row.mean_iou or 0.0)
    text = f"{row.label}: mIoU {score:.1f}, {written(at)}"
    ends = row.place.intervals["mean_iou"] if row.place else None
    if ends is None or ends.low is None or ends.high is None:
        return Point(at, score, text)
    return Point(at, score, text, 100 * ends.low, 100 * ends.high)


def _cost(board: Board, row: Row, name: str) -> float | None:
    value: float | None = getattr(board.cost(row), name, None)
    return value


def _elapsed(seconds: int) -> Callable[[float], str]:
    return lambda value: duration(seconds * value)


def _millions(value: float) -> str:
    return f"{value:.3f} million parameters"


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms"


def _mebibytes(value: float) -> str:
    return f"{value:,.0f} MiB"


# --- curves -----------------------------------------------------------------------------------------------------------


def _training(rows: Sequence[Row], named: Mapping[str, Key]) -> Markup | None:
    def points(row: Row) -> list[Point]:
        curve = row.record.curve
        pairs = zip(curve.epoch, curve.mean_iou, strict=True)
        return [
            Point(epoch, 100 * value, f"{row.label}, epoch {epoch}: validation mIoU {percent(value)}")
            for epoch, value in pairs
            if value is not None
        ]

    return _curves("Validation mean IoU while training", ("epoch", "validation mIoU, per cent"), rows, named, points)


def _losses(rows: Sequence[Row], named: Mapping[str, Key]) -> Markup | None:
    def points(row: Row) -> list[Point]:
        curve = row.record.curve
        pairs = zip(curve.epoch, curve.loss, strict=True)
        return [Point(epoch, loss, f"{row.label}, epoch {epoch}: loss {loss:.4f}") for epoch, loss in pairs]

    return _curves("Training loss", ("epoch", "mean loss"), rows, named, points)


def _sweep_caption(board: Board) -> str:
    some = f", {MOST_IMAGES} of the {board.num_images:,} images" if board.num_images > MOST_IMAGES else ""
    return f"Boundary F1 by tolerance{some}"


def _sweeps(rows: Sequence[Row], named: Mapping[str, Key], sweeps: Mapping[str, Sweep | None]) -> Markup | None:
    def points(row: Row) -> list[Point]:
        found = sweeps[row.run_id] or ()
        return [Point(radius, 100 * f1, f"{row.label}: BF {percent(f1)} within {radius} px") for radius, f1 in found]

    return _curves("Boundary F1 by tolerance", ("tolerance, pixels", "BF, per cent"), rows, named, points)


def _curves(
    title: str,
    axes: tuple[str, str],
    rows: Sequence[Row],
    named: Mapping[str, Key],
    points: Callable[[Row], list[Point]],
) -> Markup | None:
    """A chart of the rows that have more than one point; ``None`` where none has."""
    series = [Series(named[row.run_id], found) for row in rows if len(found := points(row)) > 1]
    return curves(title, axes, series) if series else None


def _classes(board: Board, named: Mapping[str, Key]) -> Markup:
    series = [Series(named[row.run_id], _class_points(board, row)) for row in board.rows]
    return class_dots("IoU of each class", "IoU, per cent", board.class_names, series)


def _class_points(board: Board, row: Row) -> list[Point]:
    scores = row.record.scores.per_class
    return [
        Point(100 * iou, place, f"{row.label}, {name}: IoU {percent(iou)}")
        for place, name in enumerate(board.class_names)
        if (iou := scores[name].iou) is not None
    ]
