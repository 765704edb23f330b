"""A file of the network, complete and checked, or one line that says why not.

A finished download is ``FILE`` with ``FILE.verified.json``, which notes size and modification time at the moment the
checksum was found right: as long as both are unchanged the file is returned without hashing it again and without any
network. An unfinished one is ``FILE.partial`` with ``FILE.partial.json``; the next call continues it.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.data.locks import making
from segbench.data.partial import Partial
from segbench.data.remote import Remote, fault_of, is_remembered, remember, shown_address
from segbench.data.transfer import (
    Bar,
    GivenUpError,
    InterruptedTransferError,
    Pace,
    TooSlowError,
    UnreachableError,
    transfer,
)
from segbench.errors import DataError, DownloadError
from segbench.homes import download_home
from segbench.progress import SILENT, Progress

if TYPE_CHECKING:
    import httpx

__all__ = ["DEFAULT_OPTIONS", "FetchOptions", "Remote", "fetch"]

_MIB = 1024 * 1024


@dataclass(frozen=True)
class FetchOptions:
    """How patient a download is.

    Attributes:
        connect_timeout: Seconds for a connection.
        read_timeout: Seconds of silence after which a connection counts as dropped.
        attempts: Tries for each mirror that drops connections or answers 5xx; a try that brought 1 MiB more than any
            before starts the count again.
        connect_attempts: Tries for each mirror to which no connection comes about.
        backoff: Seconds before the second try, doubled with each further one.
        minimum_rate: Bytes a second below which a mirror is left for another; only the last one may be slower.
        rate_window: Seconds over which the rate is judged.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    attempts: int = 4
    connect_attempts: int = 2
    backoff: float = 0.5
    minimum_rate: float = 64 * 1024
    rate_window: float = 20.0


DEFAULT_OPTIONS = FetchOptions()


def fetch(
    remote: Remote,
    folder: Path | None = None,
    *,
    progress: Progress = SILENT,
    options: FetchOptions = DEFAULT_OPTIONS,
) -> Path:
    """Downloads a file unless it is there already, and checks it before it gets its name.

    The mirrors of the environment variable ``SEGBENCH_MIRRORS`` (prefixes, separated by spaces) are tried first, then
    ``remote.urls`` in order. Calls for the same file wait for each other, across processes too.

    Args:
        remote: The file.
        folder: Where it goes; ``None`` for the home of downloads.
        progress: Gets a bar of bytes and a message for each mirror that is left. The bar moves back when a server
            cannot continue.
        options: Timeouts, tries and the least rate.

    Returns:
        Path of the file.

    Raises:
        DownloadError: No mirror delivered it; lists each with its reason.
        DataError: The disk is full or the folder cannot be written.
    """
    folder = download_home() if folder is None else Path(folder)
    target = folder / remote.file_name
    with _disk_errors(target):
        if is_remembered(target, remote):
            return target
        with making(target, progress):
            if not _is_there(target, remote, progress):
                _download(target, remote, progress, options)
                remember(target, remote)
    return target


def _is_there(target: Path, remote: Remote, progress: Progress) -> bool:
    """Whether the file is there and right; checks one that was placed by hand, once."""
    if not target.is_file():
        return False
    if is_remembered(target, remote):
        return True
    if (fault := fault_of(target, remote)) is not None:
        progress.message(f"{target} is not the file wanted ({fault}); downloading it.")
        return False
    remember(target, remote)
    return True


def _download(target: Path, remote: Remote, progress: Progress, options: FetchOptions) -> None:
    partial = Partial(target, remote)
    with _client(options) as client, progress.task(remote.file_name, remote.size, "B") as task:
        job = _Job(client, remote, partial, Bar(task), progress, options)
        job.bar.move_to(partial.size)
        if not job.is_complete():
            job.try_mirrors()
    partial.finish()


def _client(options: FetchOptions) -> httpx.Client:
    import httpx

    timeout = httpx.Timeout(options.read_timeout, connect=options.connect_timeout)
    headers = {"User-Agent": "segbench"}
    return httpx.Client(timeout=timeout, headers=headers, follow_redirects=True, max_redirects=10)


def _addresses(remote: Remote) -> list[str]:
    prefixes = os.environ.get("SEGBENCH_MIRRORS", "").split()
    return list(dict.fromkeys([*(remote.behind(prefix) for prefix in prefixes), *remote.urls]))


@dataclass
class _Job:
    """One download over all its mirrors."""

    client: httpx.Client
    remote: Remote
    partial: Partial
    bar: Bar
    progress: Progress
    options: FetchOptions

    def is_complete(self) -> bool:
        """Whether an earlier call got all bytes and was killed before it could say so."""
        expected = self.remote.size
        if expected is None or not self.partial.path.exists() or self.partial.size < expected:
            return False
        if fault_of(self.partial.path, self.remote) is None:
            return True
        self._drop()
        return False

    def try_mirrors(self) -> None:
        """Goes through the mirrors; one that was left for being slow is taken at any rate when no other is left."""
        waiting = deque((url, False) for url in _addresses(self.remote))
        reasons: dict[str, str] = {}
        while waiting:
            url, patient = waiting.popleft()
            options = self.options
            pace = None if patient or not waiting else Pace(options.minimum_rate, options.rate_window)
            try:
                self._try_mirror(url, pace)
            except TooSlowError as slow:
                waiting.append((url, True))
                reasons[url] = str(slow)
            except (GivenUpError, InterruptedTransferError) as failure:
                reasons[url] = str(failure)
            else:
                return
            self.progress.message(f"{self.remote.file_name}: {shown_address(url)} {reasons[url]}.")
        raise _failure(self.remote, reasons)

    def _try_mirror(self, url: str, pace: Pace | None) -> None:
        """Tries one mirror until the file is there and right, or the tries are used up."""
        failures, most = 0, self.partial.size
        while True:
            try:
                self._attempt(url, pace)
                return
            except InterruptedTransferError as failure:
                failures = 1 if self.partial.size >= most + _MIB else failures + 1
                most = max(most, self.partial.size)
                if failures >= self._allowed(failure):
                    raise InterruptedTransferError(f"{failure} ({failures} tries)") from None
                time.sleep(max(failure.wait, self.options.backoff * 2 ** (failures - 1)))

    def _allowed(self, failure: InterruptedTransferError) -> int:
        unreachable = isinstance(failure, UnreachableError)
        return self.options.connect_attempts if unreachable else self.options.attempts

    def _attempt(self, url: str, pace: Pace | None) -> None:
        transfer(self.client, url, self.remote, self.partial, self.bar, pace)
        if (fault := fault_of(self.partial.path, self.remote)) is None:
            return
        mixed = self.partial.source.mixed
        self._drop()
        # Bytes of several origins do not say who is wrong: this mirror may show it alone.
        raise InterruptedTransferError(fault) if mixed else GivenUpError(fault)

    def _drop(self) -> None:
        self.partial.drop()
        self.bar.move_to(0)


def _failure(remote: Remote, reasons: dict[str, str]) -> DownloadError:
    listed = "; ".join(f"{shown_address(url)}: {reason}" for url, reason in reasons.items())
    by_hand = f"Fetch {remote.file_name} by hand and pass --from FILE, or name a mirror in SEGBENCH_MIRRORS."
    return DownloadError(f"{remote.file_name} could not be downloaded: {listed or 'no address is known'}.", by_hand)


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        next_step = "Free some space, or set" if full else "Make the folder writable, or set"
        what = f"{target.name} cannot be written to {target.parent} ({reason})."
        raise DataError(what, f"{next_step} SEGBENCH_HOME to another folder.") from error
