"""One attempt to get (the rest of) a file from one address over HTTP."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from segbench.data.partial import Partial, Source
from segbench.data.remote import Remote
from segbench.progress import Task

if TYPE_CHECKING:
    import httpx

__all__ = ["Bar", "GivenUpError", "InterruptedTransferError", "Pace", "TooSlowError", "UnreachableError", "transfer"]

_RETRIED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_LONGEST_RETRY_AFTER = 30.0


class GivenUpError(Exception):
    """This address will not deliver the file."""


class TooSlowError(Exception):
    """The address delivers below the least rate."""


class InterruptedTransferError(Exception):
    """Worth another attempt.

    Args:
        reason: What happened.
        wait: Seconds the server asks to wait.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class UnreachableError(InterruptedTransferError):
    """No connection came about."""


@dataclass
class Pace:
    """Judges the rate of a transfer over windows of time.

    Attributes:
        least: Bytes a second.
        window: Seconds.
    """

    least: float
    window: float

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begins a window now: waiting for an answer or between tries is no slow transfer."""
        self._started = time.monotonic()
        self._received = 0

    def judge(self, received: int) -> None:
        """Counts bytes that came in.

        Raises:
            TooSlowError: The window that ends now stayed below the least rate.
        """
        self._received += received
        elapsed = time.monotonic() - self._started
        if elapsed < self.window:
            return
        rate = self._received / elapsed
        if rate < self.least:
            raise TooSlowError(f"slow: {rate / 1024:.1f} KiB/s, less than {self.least / 1024:.1f} KiB/s")
        self.restart()


class Bar:
    """Keeps a progress task at the number of bytes that are there, also when a transfer starts over."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._shown = 0

    def move_to(self, size: int) -> None:
        """Advances by the difference, which is negative after a fresh start."""
        if size != self._shown:
            self.task.advance(size - self._shown)
            self._shown = size


def transfer(client: httpx.Client, url: str, remote: Remote, partial: Partial, bar: Bar, pace: Pace | None) -> None:
    """Asks for what is missing and appends it to ``partial``; returns when the server has sent all.

    Args:
        client: Timeouts and redirects are its business.
        url: May hold a user and password; they are sent as basic authentication to this host only.
        remote: What the bytes must be; only its size is checked here.
        partial: Where the bytes go; emptied when the server cannot continue it.
        bar: Follows the size of ``partial``.
        pace: Judges the rate; ``None`` to take any.

    Raises:
        GivenUpError, TooSlowError, InterruptedTransferError, UnreachableError: See there.
        DataError: The disk cannot hold the file.
        OSError: The disk refused.
    """
    address, auth = _without_credentials(url)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    with _reasons(), client.stream("GET", address, auth=auth, headers=_headers(partial, remote, key)) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            _settle_unsatisfiable(response, partial)
            return
        _check_status(response)
        total = _place(response, partial, remote, _source(response, key))
        bar.move_to(partial.size)
        _receive(response, partial, total if remote.size is None else remote.size, bar, pace)


def _headers(partial: Partial, remote: Remote, key: str) -> dict[str, str]:
    # identity: a transfer encoding would make offsets and checksums those of other bytes
    headers = {"Accept-Encoding": "identity"}
    same, validator = partial.source.key == key, partial.source.validator
    if partial.size and ((same and validator) or remote.content):
        headers["Range"] = f"bytes={partial.size}-"
        if same and validator:
            headers["If-Range"] = validator
    return headers


def _source(response: httpx.Response, key: str) -> Source:
    return Source(key, response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _check_status(response: httpx.Response) -> None:
    code = response.status_code
    if code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    reason = f"answers {_status(code)}"
    if code in _RETRIED or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        asked = response.headers.get("Retry-After", "")
        raise InterruptedTransferError(reason, min(float(asked), _LONGEST_RETRY_AFTER) if asked.isdecimal() else 0.0)
    raise GivenUpError(reason)


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _place(response: httpx.Response, partial: Partial, remote: Remote, source: Source) -> int | None:
    """Makes ``partial`` ready for the body and returns the size of the whole file where the server says it."""
    continued = response.status_code == HTTPStatus.PARTIAL_CONTENT
    total = _total_of_range(response, partial, source) if continued else _total_of_body(response, remote)
    if total is not None and remote.size is not None and total != remote.size:
        raise GivenUpError(f"wrong size: {total} bytes, expected {remote.size}")
    if continued:
        partial.go_on(source)
    else:
        partial.start_over(source)
    known = total if remote.size is None else remote.size
    if known is not None:
        partial.require_room(known)
    return total


def _total_of_body(response: httpx.Response, remote: Remote) -> int | None:
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html") and not remote.file_name.endswith((".html", ".htm")):
        raise GivenUpError("answers with a web page in place of the file")
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _total_of_range(response: httpx.Response, partial: Partial, source: Source) -> int | None:
    """Checks that a 206 continues exactly the bytes that are there."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != partial.size or _has_changed(partial.source, source):
        partial.drop()
        raise InterruptedTransferError("continues another file than the one begun")
    return None if found[2] == "*" else int(found[2])


def _has_changed(before: Source, now: Source) -> bool:
    """Some servers ignore If-Range."""
    pairs = ((before.etag, now.etag), (before.last_modified, now.last_modified))
    return before.key == now.key and any(old != new for old, new in pairs if old is not None and new is not None)


def _settle_unsatisfiable(response: httpx.Response, partial: Partial) -> None:
    """A 416 says that nothing lies beyond our bytes: either they are the whole file, or they are worth nothing."""
    if response.headers.get("Content-Range", "").strip() != f"bytes */{partial.size}":
        partial.drop()
        raise InterruptedTransferError("has fewer bytes than were begun with")


def _receive(response: httpx.Response, partial: Partial, total: int | None, bar: Bar, pace: Pace | None) -> None:
    size = partial.size
    if pace is not None:
        pace.restart()
    with partial.append() as handle:
        for chunk in response.iter_raw():
            handle.write(chunk)
            size += len(chunk)
            bar.move_to(size)
            if total is not None and size > total:
                break
            if pace is not None:
                pace.judge(len(chunk))
    if total is not None and size > total:
        partial.drop()
        raise GivenUpError(f"wrong size: more than the {total} bytes expected")
    if total is not None and size < total:
        raise InterruptedTransferError(f"ended at {size} of {total} bytes")


def _without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    try:
        parts = urlsplit(url)
        username, password = parts.username, parts.password
    except ValueError:
        raise GivenUpError("is not a valid address") from None
    if parts.scheme not in ("http", "https"):
        raise GivenUpError("is not an http or https address")
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return address, (unquote(username), unquote(password or "")) if username is not None else None


@contextmanager
def _reasons() -> Iterator[None]:
    """Turns httpx's errors into reasons of our own words, because its texts may hold addresses with secrets."""
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise UnreachableError(f"no connection ({_system_reason(error)})") from None
    except httpx.TimeoutException:
        raise InterruptedTransferError("stopped sending") from None
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL):
        raise GivenUpError("redirects without end or to an address that cannot be used") from None
    except httpx.HTTPError:
        raise InterruptedTransferError("dropped the connection") from None


def _system_reason(error: BaseException | None) -> str:
    """The operating system's words for the failure at the end of the chain of causes."""
    while error is not None:
        words = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
        if words:
            return str(words)
        if type(error).__name__.endswith("Timeout"):
            return "timeout"
        error = error.__cause__ or error.__context__
    return "refused"
