"""What a command ended with: its exit code, and for an error the one line that says so."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import typer

from segbench.console import say_error
from segbench.errors import SegbenchError

__all__ = ["BUG", "DONE", "FAILED", "INTERRUPTED", "WRONG_USE", "debugging", "explain", "guarded"]

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
BUG = "this is a bug in segbench. Please report it with the traceback that SEGBENCH_DEBUG=1 shows."

# The base class of typer's own errors has no public name in all of its versions.
_ParserError = typer.BadParameter.__mro__[2]
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("SEGBENCH_DEBUG", "") not in ("", "0")


def guarded(command: Callable[[], object]) -> int:
    """Runs a command and turns all that it can raise into one line on stderr and an exit code."""
    try:
        code = command()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        _leave_the_pipe()
        return FAILED
    except Exception as error:
        line, code = explain(error)
        say_error(line, with_traceback=debugging())
    if code == INTERRUPTED:
        say_error("interrupted. The same command goes on where it stopped.")
    return code if isinstance(code, int) else DONE


def explain(error: Exception) -> tuple[str, int]:
    """The line and the exit code of an error."""
    if isinstance(error, SegbenchError):
        return f"{error}", error.exit_code
    if isinstance(error, _ParserError):
        return _of_parser(error), WRONG_USE
    if isinstance(error, OSError) and error.errno in _DISK:
        return f"{error.filename or 'A file'} cannot be written or read: {error.strerror}.", FAILED
    text = " ".join(f"{error}".split())
    return f"{type(error).__name__}{': ' if text else ''}{text[:300]} – {BUG}", FAILED


def _of_parser(error: Exception) -> str:
    message = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "segbench"
    stop = "" if message.endswith((".", "?")) else "."
    return f"{message}{stop} See '{path} --help'."


def _leave_the_pipe() -> None:
    """The reader of stdout has gone; nothing may be flushed to it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
