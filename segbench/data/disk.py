"""A disk that is full or may not be written is the user's to mend, and said in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segbench.errors import DataError

__all__ = ["writing"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turns the errors of a full or forbidden disk into one that names ``target``; a bug stays what it is.

    Raises:
        DataError: The disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (*_FULL, *_FORBIDDEN):
            raise
        next_step = "Free some space" if error.errno in _FULL else "Make the folder writable"
        raise DataError(
            f"{target} cannot be written ({error.strerror}).", f"{next_step}, or set SEGBENCH_HOME to another folder."
        ) from error
