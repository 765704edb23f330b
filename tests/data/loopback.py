"""An HTTP server on 127.0.0.1 that misbehaves as told: the network that the tests of downloads need."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Loopback", "Reply", "Request", "loopback"]

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """One answer of the server.

    Attributes:
        content: The whole file.
        status: Anything but 200 is sent with an empty body.
        etag: ETag of the file.
        last_modified: Date of the file.
        ranges: Whether Range is understood.
        if_range: Whether If-Range is understood; without, every range is granted.
        drop_after: Bytes of the body after which the connection is cut.
        declared: Content-Length in place of the true one; -1 for none.
        location: Address of a redirect.
        content_type: Kind of the file.
        rate: Bytes a second, 0 for as fast as it goes.
        gate: Waited for after ``drop_after`` bytes in place of cutting the connection.
        retry_after: Seconds in Retry-After.
        password: ``user:password`` in base64 without which the answer is 401.
        shift: How far the range begins after the byte asked for.
    """

    content: bytes = b""
    status: int = 200
    etag: str | None = None
    last_modified: str | None = None
    ranges: bool = True
    if_range: bool = True
    drop_after: int | None = None
    declared: int | None = None
    location: str | None = None
    content_type: str = "application/octet-stream"
    rate: float = 0.0
    gate: threading.Event | None = None
    retry_after: str | None = None
    password: str | None = None
    shift: int = 0


@dataclass(frozen=True)
class Request:
    """What the client asked."""

    path: str
    headers: dict[str, str]

    @property
    def start(self) -> int | None:
        """First byte asked for, ``None`` for the whole file."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else None


@dataclass
class Loopback:
    """The server's address, its script and its log.

    Attributes:
        url: Address without a slash at its end.
        script: Answers by path, taken in turn; the last one stays.
        requests: What was asked, in order.
    """

    url: str
    script: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, path: str, *replies: Reply) -> str:
        """Sets the answers for a path and returns its address."""
        self.script[path] = list(replies)
        return self.url + path

    def starts(self, path: str | None = None) -> list[int | None]:
        """First bytes asked for, in the order of requests."""
        return [request.start for request in self.requests if path is None or request.path == path]

    def answer(self, request: Request) -> Reply:
        """Logs a request and takes its answer off the script."""
        with self.lock:
            self.requests.append(request)
            replies = self.script.get(request.path, [Reply(status=404)])
            return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def loopback() -> Iterator[Loopback]:
    """Runs a server on a free port until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    site = Loopback(f"http://127.0.0.1:{server.server_address[1]}")
    _SITES[server.server_address[1]] = site
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        del _SITES[server.server_address[1]]


_SITES: dict[int, Loopback] = {}


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: one connection for each request, so that cutting it is all a fault takes."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        site = _SITES[self.connection.getsockname()[1]]
        reply = site.answer(Request(self.path, headers))
        try:
            self._send(reply, Request(self.path, headers))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the terminal clean."""

    def _send(self, reply: Reply, request: Request) -> None:
        if reply.password is not None and request.headers.get("authorization") != f"Basic {reply.password}":
            self._head(401, reply, {})
        elif reply.status != 200:
            self._head(reply.status, reply, {"Content-Length": "0"})
        elif (start := _granted(reply, request)) is None:
            self._head(200, reply, _length(reply, len(reply.content)))
            self._body(reply, reply.content)
        elif start >= len(reply.content):
            self._head(416, reply, {"Content-Range": f"bytes */{len(reply.content)}"})
        else:
            self._partial(reply, start + reply.shift)

    def _partial(self, reply: Reply, start: int) -> None:
        total, body = len(reply.content), reply.content[start:]
        said = f"bytes {start}-{total - 1}/{total}"
        self._head(206, reply, {"Content-Range": said, **_length(reply, len(body))})
        self._body(reply, body)

    def _head(self, status: int, reply: Reply, extra: dict[str, str]) -> None:
        self.send_response(status)
        optional = {
            "ETag": reply.etag,
            "Last-Modified": reply.last_modified,
            "Location": reply.location,
            "Retry-After": reply.retry_after,
        }
        told = {name: value for name, value in optional.items() if value is not None}
        for name, value in {"Content-Type": reply.content_type, **told, **extra}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, reply: Reply, body: bytes) -> None:
        end = len(body) if reply.drop_after is None else min(reply.drop_after, len(body))
        self._write(body[:end], reply.rate)
        if end < len(body) and reply.gate is not None:
            self.wfile.flush()
            reply.gate.wait(20)
            self._write(body[end:], reply.rate)

    def _write(self, body: bytes, rate: float) -> None:
        piece = max(1, int(rate / 50)) if rate else _PIECE
        for start in range(0, len(body), piece):
            self.wfile.write(body[start : start + piece])
            if rate:
                self.wfile.flush()
                time.sleep(piece / rate)


def _length(reply: Reply, true: int) -> dict[str, str]:
    if reply.declared == -1:
        return {}
    return {"Content-Length": str(true if reply.declared is None else reply.declared)}


def _granted(reply: Reply, request: Request) -> int | None:
    """First byte of the range that is granted, ``None`` for the whole file."""
    condition = request.headers.get("if-range")
    changed = condition is not None and condition not in (reply.etag, reply.last_modified)
    return None if not reply.ranges or (reply.if_range and changed) else request.start
