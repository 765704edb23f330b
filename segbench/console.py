"""Everything a person sees: results on stdout, all else on stderr, bars on a terminal only.

rich is imported when something is drawn, so that ``--help`` does not pay for it.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from segbench.atomic import dump_json
from segbench.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import rich.console
    import rich.progress
    import rich.table
    import rich.text

__all__ = ["Bars", "Cell", "Column", "Console", "Lines", "Table", "byte_size", "say_error"]

GAP = 2
NARROWEST = 12


@dataclass(frozen=True)
class Column:
    """A column of a table; texts of a ``wide`` one are broken, at hyphens too, to what the others leave."""

    title: str
    right: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Cell:
    """A text that is printed grey where ``dim``."""

    text: str
    dim: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of texts under titles, with lines above and below.

    Attributes:
        title: What the table shows; empty: nothing.
        notes: Lines below it.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell]]
    title: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


class Console:
    """Where one command writes.

    Args:
        json: Results are one JSON value on stdout, and nothing else is there.
        quiet: Nothing but errors and results.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet

    def result(self, values: Any, *shown: Table | str) -> None:
        """Prints a result: ``values`` as JSON, or else the tables and texts.

        Args:
            values: JSON values, or a function that returns them.
            shown: What a person reads instead, blank lines between.
        """
        if self.json:
            sys.stdout.write(dump_json(values() if callable(values) else values))
        else:
            for number, item in enumerate(shown):
                _show(item, after_another=number > 0)
        sys.stdout.flush()

    def follow(self, draw: Callable[[], Table], going: Callable[[], bool], every_s: float = 1.0) -> None:
        """Draws a table again and again while ``going`` says so; Ctrl-C ends it. Nothing where there is no terminal."""
        if self.json or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
            return
        from rich.live import Live

        console = _rich_console(sys.stdout)
        with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=True) as live:
            while going():
                live.update(_with_title(draw(), console.width), refresh=True)
                time.sleep(every_s)

    def note(self, text: str) -> None:
        """A line beside the result, on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def progress(self) -> Progress:
        """Where the layers below report: bars on a terminal, lines elsewhere, nothing when quiet."""
        if self.quiet:
            return SILENT
        return Bars() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else Lines()


def say_error(line: str, *, with_traceback: bool = False) -> None:
    """One line on stderr that begins with ``Error:``, below the traceback of the exception at hand where asked for."""
    if with_traceback:
        traceback.print_exc()
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print("\033[1;31mError:\033[0m" if colour else "Error:", " ".join(line.splitlines()), file=sys.stderr, flush=True)


# --- figures ----------------------------------------------------------------------------------------------------------


def byte_size(count: float) -> str:
    """A number of bytes in the binary unit that suits it."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


# --- tables -----------------------------------------------------------------------------------------------------------


def _rich_console(file: TextIO) -> rich.console.Console:
    from rich.console import Console as RichConsole

    # Only a terminal gets colours and its own width: what is forced elsewhere would end in files.
    return RichConsole(file=file, force_terminal=file.isatty(), markup=False, highlight=False, emoji=False)


def _show(item: Table | str, *, after_another: bool) -> None:
    if after_another:
        print()
    if isinstance(item, str):
        print(item)
        return
    console = _rich_console(sys.stdout)
    if item.title:
        console.print(_paragraph(item.title, console.width), style="bold", soft_wrap=True)
    console.print(_drawn(item, console.width))
    for note in item.notes:
        console.print(_paragraph(note, console.width, indent="  "), style="dim", soft_wrap=True)


def _with_title(table: Table, width: int) -> rich.console.Group:
    from rich.console import Group
    from rich.text import Text

    notes = [Text(_paragraph(note, width, indent="  "), style="dim") for note in table.notes]
    return Group(Text(_paragraph(table.title, width), style="bold"), _drawn(table, width), *notes)


def _paragraph(text: str, width: int, indent: str = "") -> str:
    """Lines of ``width``, broken at spaces alone: paths stay whole."""
    lines = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def _drawn(table: Table, width: int) -> rich.table.Table:
    from rich import box
    from rich.table import Table as RichTable

    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    wide = _wide_width(table, width)
    for column in table.columns:
        drawn.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="fold")
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        drawn.add_row(*(_text(cell, wide if column.wide else 0) for column, cell in cells))
    return drawn


def _wide_width(table: Table, width: int) -> int:
    """What the other columns leave to each wide one."""
    taken = sum(_longest(table, index) for index, column in enumerate(table.columns) if not column.wide)
    wide = sum(column.wide for column in table.columns)
    return max(NARROWEST, (width - taken - GAP * len(table.columns)) // max(wide, 1))


def _longest(table: Table, index: int) -> int:
    texts = [_plain(row[index]) for row in table.rows]
    return max(len(line) for text in [table.columns[index].title, *texts] for line in text.split("\n"))


def _plain(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _text(cell: str | Cell, width: int) -> rich.text.Text:
    from rich.text import Text

    text = _plain(cell)
    style = "dim" if isinstance(cell, Cell) and cell.dim else ""
    return Text("\n".join(textwrap.wrap(text, width)) if width else text, style=style)


# --- progress ---------------------------------------------------------------------------------------------------------


class Lines:
    """Progress where there is no terminal: a line for each message and each validation."""

    def __init__(self) -> None:
        self._titles: list[str] = []

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Draws nothing; the title names the validations within."""
        self._titles.append(title)
        try:
            with SILENT.task(title, total, unit) as task:
                yield task
        finally:
            self._titles.pop()

    def message(self, text: str) -> None:
        """Prints the line."""
        print(text, file=sys.stderr, flush=True)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Prints the figures of a validation; other events are for the log."""
        if name == "validation":
            title = self._titles[-1] if self._titles else "Validation"
            scores = {f"validation_{key}": values.get(key) for key in ("global_accuracy", "mean_iou")}
            self.message(f"{title}: {_figures({**values, **scores})}")


class Bars:
    """Progress on a terminal: a bar for each open task, its figures below it, messages above."""

    def __init__(self, file: TextIO | None = None) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        console = _rich_console(file or sys.stderr)
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            speed_estimate_period=60,
            expand=True,
        )
        self._figures: dict[rich.progress.TaskID, str] = {}
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=4, transient=True)

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Opens a bar and takes it away at the end."""
        with self._living():
            number = self._bars.add_task(title, total=total, unit=unit)
            self._live.refresh()
            try:
                yield _Bar(lambda steps: self._bars.advance(number, steps), lambda text: self._keep(number, text))
            finally:
                self._live.refresh()
                self._bars.remove_task(number)
                self._figures.pop(number, None)

    def _living(self) -> AbstractContextManager[object]:
        from contextlib import nullcontext

        return nullcontext() if self._live.is_started else self._live

    def _keep(self, number: rich.progress.TaskID, text: str) -> None:
        self._figures[number] = text

    def _drawn(self) -> rich.console.Group:
        from rich.console import Group

        figures = [f"  {text}" for text in self._figures.values() if text]
        return Group(self._bars.get_renderable(), *figures)

    def message(self, text: str) -> None:
        """Prints the line above the bars."""
        self._live.console.print(text, soft_wrap=True)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Nothing: the bar shows the figures already."""


class _Bar:
    """The handle of one bar."""

    def __init__(self, move: Callable[[int], None], keep: Callable[[str], None]) -> None:
        self._move = move
        self._keep = keep

    def advance(self, steps: int = 1) -> None:
        """Moves the bar, backwards too."""
        self._move(steps)

    def show(self, **values: object) -> None:
        """Puts the figures below the bar."""
        self._keep(_figures(values))


def _figures(values: Mapping[str, object]) -> str:
    """The figures that people follow, in a fixed order; what is undefined or unknown is left out."""
    shown = [_figure(name, form, values.get(name)) for name, form in _FORMS.items()]
    return ", ".join(filter(None, shown))


_FORMS: dict[str, str] = {
    "epoch": "epoch {:d}",
    "loss": "loss {:.4f}",
    "images_per_s": "{:.1f} images/s",
    "validation_global_accuracy": "validation G {:.1%}",
    "validation_mean_iou": "mIoU {:.1%}",
}


def _figure(name: str, form: str, value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    return form.format(value).replace("%", " %")
