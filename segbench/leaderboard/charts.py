"""The drawings of a page: scores against cost, curves, classes, confusion. Colours are classes of its style sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from segbench.leaderboard.axis import Axis, linear_axis, log_axis
from segbench.leaderboard.svg import element, figure, number

__all__ = ["Key", "Point", "Series", "chip", "class_bars", "class_dots", "curves", "matrix", "scatter", "whisker"]

COLOURS, SHAPES = 8, 4
WIDTH, HEIGHT = 400.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 10.0, 40.0
ROW = 22.0
WRITTEN = 12


@dataclass(frozen=True)
class Key:
    """How one run is drawn everywhere.

    Attributes:
        number: Its place on the board, from 0: colours and shapes go by it.
        name: For the pointer.
        run_id: What else on the page belongs to it.
    """

    number: int
    name: str
    run_id: str

    @property
    def colour(self) -> str:
        """A class of the style sheet."""
        return f"s{self.number % COLOURS}"


@dataclass(frozen=True)
class Point:
    """A place in a chart, with the ends of an interval of ``y`` where there is one, and what the pointer shows."""

    x: float
    y: float
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """What one run has in a chart."""

    key: Key
    points: Sequence[Point]


# --- marks ------------------------------------------------------------------------------------------------------------


def _marker(key: Key, x: float, y: float, size: float = 4.5, text: str = "") -> Markup:
    shape = key.number // COLOURS % SHAPES
    title = [element("title", text)] if text else []
    if shape == 0:
        return element("circle", *title, class_=f"mark {key.colour}", cx=x, cy=y, r=size)
    corners = {
        1: ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        2: ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        3: ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    }[shape]
    points = " ".join(f"{number(x + dx * size)},{number(y + dy * size)}" for dx, dy in corners)
    return element("polygon", *title, class_=f"mark {key.colour}", points=points)


def chip(key: Key) -> Markup:
    """The mark of a run, for tables and legends."""
    drawn = _marker(key, 7, 7, 5)
    return element("svg", drawn, class_="chip", viewBox="0 0 14 14", width="14", height="14", aria_hidden="true")


def whisker(axis: Axis, value: float, low: float, high: float) -> Markup:
    """An interval with its estimate, to be set below a figure of a table."""
    line = element("line", class_="whisker", x1=axis.at(low), x2=axis.at(high), y1=5.0, y2=5.0)
    caps = [element("line", class_="whisker", x1=axis.at(x), x2=axis.at(x), y1=2.5, y2=7.5) for x in (low, high)]
    dot = element("circle", class_="estimate", cx=axis.at(value), cy=5.0, r=2.5)
    return element("svg", line, *caps, dot, class_="interval", viewBox="0 0 64 10", aria_hidden="true")


def _of_run(key: Key, *content: str) -> Markup:
    return element("g", *content, class_="run", data_run=key.run_id)


# --- frames -----------------------------------------------------------------------------------------------------------


def _frame(x: Axis, y: Axis, x_title: str, y_title: str, written: Callable[[float], str]) -> list[Markup]:
    """Grid, ticks and titles."""
    parts = [element("line", class_="grid", x1=x.start, x2=x.end, y1=y.at(tick), y2=y.at(tick)) for tick in y.ticks]
    parts += [
        element("text", f"{tick:g}", class_="tick", x=x.start - 6, y=y.at(tick) + 3.5, text_anchor="end")
        for tick in y.ticks
    ]
    parts += [
        element("text", written(tick), class_="tick", x=x.at(tick), y=y.start + 15, text_anchor="middle")
        for tick in x.ticks
    ]
    parts += [element("line", class_="tickmark", x1=x.at(t), x2=x.at(t), y1=y.start, y2=y.start + 4) for t in x.ticks]
    parts.append(element("line", class_="axis", x1=x.start, x2=x.end, y1=y.start, y2=y.start))
    middle = (x.start + x.end) / 2, (y.start + y.end) / 2
    parts.append(element("text", x_title, class_="title", x=middle[0], y=y.start + 33, text_anchor="middle"))
    turned = f"rotate(-90 10 {number(middle[1])})"
    parts.append(element("text", y_title, class_="title", x=10, y=middle[1], text_anchor="middle", transform=turned))
    return parts


def _plain_number(value: float) -> str:
    return f"{value:g}"


def scatter(
    title: str, axes: tuple[str, str], series: Sequence[Series], written: Callable[[float], str] = _plain_number
) -> Markup:
    """One point a run, the horizontal axis logarithmic, intervals as vertical bars.

    Args:
        title: What it shows.
        axes: Titles of both axes.
        series: Points with x above 0.
        written: Text of a tick of x.
    """
    points = [point for one in series for point in one.points]
    x = log_axis((point.x for point in points), LEFT, WIDTH - RIGHT)
    ends = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    y = linear_axis(ends, HEIGHT - BOTTOM, TOP)
    drawn = [_of_run(one.key, *(_with_bar(one.key, point, x, y) for point in one.points)) for one in series]
    return figure(title, WIDTH, HEIGHT, *_frame(x, y, *axes, written), *drawn)


def _with_bar(key: Key, point: Point, x: Axis, y: Axis) -> Markup:
    mark = _marker(key, x.at(point.x), y.at(point.y), 5.5, point.text)
    if point.low is None or point.high is None:
        return mark
    at = x.at(point.x)
    return element("line", class_=f"bar {key.colour}", x1=at, x2=at, y1=y.at(point.low), y2=y.at(point.high)) + mark


def curves(title: str, axes: tuple[str, str], series: Sequence[Series]) -> Markup:
    """One line a run, with a mark where a value is."""
    points = [point for one in series for point in one.points]
    x = linear_axis((point.x for point in points), LEFT, WIDTH - RIGHT, whole=True)
    y = linear_axis((point.y for point in points), HEIGHT - BOTTOM, TOP)
    drawn = [_of_run(one.key, _line(one, x, y), *_dots(one, x, y)) for one in series]
    return figure(title, WIDTH, HEIGHT, *_frame(x, y, *axes, _plain_number), *drawn)


def _line(one: Series, x: Axis, y: Axis) -> Markup:
    points = " ".join(f"{number(x.at(point.x))},{number(y.at(point.y))}" for point in one.points)
    return element("polyline", class_=f"line {one.key.colour}", points=points)


def _dots(one: Series, x: Axis, y: Axis) -> list[Markup]:
    return [_marker(one.key, x.at(point.x), y.at(point.y), 3, point.text) for point in one.points]


# --- classes ----------------------------------------------------------------------------------------------------------


def class_dots(title: str, x_title: str, names: Sequence[str], series: Sequence[Series]) -> Markup:
    """Classes below each other, a mark for each run; ``y`` of a point is the number of its class."""
    height = TOP + ROW * len(names) + BOTTOM
    left = _room(names)
    x = Axis(0, 100, left, WIDTH - RIGHT, (0, 20, 40, 60, 80, 100))
    parts = _class_frame(x, names, height, x_title)
    parts += [
        _of_run(one.key, *(_marker(one.key, x.at(p.x), TOP + ROW * (p.y + 0.5), 4.5, p.text) for p in one.points))
        for one in series
    ]
    return figure(title, WIDTH, height, *parts)


def class_bars(
    title: str, names: Sequence[str], values: Sequence[float | None], ticks: Sequence[float | None]
) -> Markup:
    """Bars of one run's IoU in per cent, and a tick at each class's accuracy; nothing where undefined."""
    height = TOP + ROW * len(names) + BOTTOM
    x = Axis(0, 100, _room(names), WIDTH - RIGHT - 26, (0, 20, 40, 60, 80, 100))
    parts = _class_frame(x, names, height, "per cent: bar IoU, tick accuracy")
    for place, (value, tick) in enumerate(zip(values, ticks, strict=True)):
        top = TOP + ROW * place + 4
        if value is not None:
            parts.append(
                element("rect", class_="fill", x=x.start, y=top, width=x.at(value) - x.start, height=ROW - 8, rx=2)
            )
        if tick is not None:
            at = x.at(tick)
            parts.append(element("line", class_="accuracy", x1=at, x2=at, y1=top - 2, y2=top + ROW - 6))
        shown = "–" if value is None else f"{value:.1f}"
        parts.append(element("text", shown, class_="tick", x=WIDTH - 4, y=top + 11, text_anchor="end"))
    return figure(title, WIDTH, height, *parts)


def _room(names: Sequence[str]) -> float:
    """Pixels for the longest name, as far as there are."""
    return min(150.0, 14 + 6.4 * max(map(len, map(_short, names)), default=0))


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _class_frame(x: Axis, names: Sequence[str], height: float, x_title: str) -> list[Markup]:
    bottom = height - BOTTOM
    parts = [element("line", class_="grid", x1=x.at(tick), x2=x.at(tick), y1=TOP, y2=bottom) for tick in x.ticks]
    parts += [
        element("text", f"{tick:g}", class_="tick", x=x.at(tick), y=bottom + 14, text_anchor="middle")
        for tick in x.ticks
    ]
    for place, name in enumerate(names):
        middle = TOP + ROW * (place + 0.5)
        parts.append(element("line", class_="grid", x1=x.start, x2=x.end, y1=middle, y2=middle))
        label = element("title", name) if _short(name) != name else Markup("")
        parts.append(
            element("text", label, _short(name), class_="name", x=x.start - 8, y=middle + 4, text_anchor="end")
        )
    middle = (x.start + x.end) / 2
    parts.append(element("text", x_title, class_="title", x=middle, y=bottom + 31, text_anchor="middle"))
    return parts


def matrix(title: str, names: Sequence[str], counts: NDArray[np.int64]) -> Markup:
    """A confusion matrix; each row in per cent of its class in the truth, written where there is room.

    Args:
        title: What it shows.
        names: K names.
        counts: int64 [K,K], rows are the truth.
    """
    written = len(names) <= WRITTEN
    left, cell = _room(names), 26.0 if written else 14.0
    side, top = cell * len(names), 16 + 5.6 * max(map(len, map(_short, names)), default=0)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts = [
        element("text", _short(name), class_="name", x=left - 6, y=top + cell * (row + 0.5) + 4, text_anchor="end")
        for row, name in enumerate(names)
    ]
    for column, name in enumerate(names):
        x, y = left + cell * (column + 0.5) + 4, top - 6
        turned = f"rotate(-90 {number(x)} {number(y)})"
        parts.append(element("text", _short(name), class_="name", x=x, y=y, transform=turned))
    for row, name in enumerate(names):
        for column, other in enumerate(names):
            share = float(shares[row, column])
            text = f"{name} taken for {other}: {share:.1f} %" if row != column else f"{name} found: {share:.1f} %"
            at = left + cell * column, top + cell * row
            parts.append(_cell(at, cell, share, text, written, row == column))
    note = element(
        "text", "rows: truth, columns: prediction, per cent of the row", class_="title", x=2, y=top + side + 20
    )
    kind = "chart" if written else "chart wide"
    return figure(title, max(left + side + 4, 300), top + side + 28, *parts, note, kind=kind)


def _cell(at: tuple[float, float], side: float, share: float, text: str, written: bool, right: bool) -> Markup:
    left, top = at
    back = element("rect", class_="empty", x=left, y=top, width=side - 1, height=side - 1)
    opacity = f"{share / 100:.3f}"
    kind = "right" if right else "wrong"
    box = element("rect", class_=kind, x=left, y=top, width=side - 1, height=side - 1, fill_opacity=opacity)
    label = Markup("")
    if written and share >= 0.95:
        strong = " strong" if share > 55 else ""
        place = {"x": left + side / 2 - 0.5, "y": top + side / 2 + 3}
        label = element("text", f"{share:.0f}", class_=f"share{strong}", text_anchor="middle", **place)
    return element("g", element("title", text), back, box, label)
