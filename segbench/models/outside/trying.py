"""Code from outside is called, and whatever it raises becomes one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

from segbench.errors import SegbenchError, UsageError

__all__ = ["first_line", "tried"]

T = TypeVar("T")


def tried(call: Callable[[], T], what: str) -> T:
    """What ``call`` returns.

    Raises:
        UsageError: It raises; says what, and in which line of which file.
    """
    try:
        return call()
    except SegbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} raised {type(error).__name__}: {first_line(error)}{_place(error)}.") from error


def first_line(error: BaseException) -> str:
    """What an error says, up to its first line break, without a full stop."""
    return (str(error).strip().splitlines() or ["nothing more"])[0].rstrip(".")


def _place(error: BaseException) -> str:
    """The innermost line that is of no installed package and not ours."""
    ours = Path(__file__).parents[2]
    frames = [frame for frame in extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    frames = [frame for frame in frames if Path(frame.filename).is_file() and ours not in Path(frame.filename).parents]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
