"""A Hugging Face Hub on 127.0.0.1 that only serves: dataset repositories held in memory, private or broken as told."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

__all__ = ["Hub", "Repository", "serving"]

API = re.compile(r"/api/datasets/(?P<name>[^/]+/[^/]+)(?:/(?P<verb>revision|tree|paths-info)/(?P<rest>.+))?")
RESOLVE = re.compile(r"/datasets/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass
class Repository:
    """A dataset repository with one commit.

    Attributes:
        files: Content by path.
        token: Asked for where it is not empty.
        status: Answered in place of everything else.
        damaged: Paths whose bytes are not those that are stated.
    """

    files: dict[str, bytes]
    token: str = ""
    status: int = 0
    damaged: set[str] = field(default_factory=set)

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()

    def entry(self, path: str) -> dict[str, object]:
        """What the tree says of a file or folder; parquet is kept as large files are."""
        if path not in self.files:
            inside = any(file.startswith(f"{path}/") for file in self.files)
            return {"type": "directory", "path": path, "size": 0, "oid": "0" * 40} if inside else {}
        content = self.files[path]
        listed: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
        if path.endswith(".parquet"):
            listed["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return listed

    def below(self, folder: str, *, deep: bool) -> list[dict[str, object]]:
        """What is in a folder, and with ``deep`` in the folders in it."""
        start = f"{folder}/" if folder else ""
        files = [path for path in sorted(self.files) if path.startswith(start)]
        folders = {start + path.removeprefix(start).split("/")[0] for path in files} - set(files)
        listed = [*folders, *(path for path in files if deep or "/" not in path.removeprefix(start))]
        return [self.entry(path) for path in sorted(listed)]

    def etag(self, path: str) -> str:
        return hashlib.sha256(self.files[path]).hexdigest()


@dataclass
class Hub:
    """The server.

    Attributes:
        address: What HF_ENDPOINT is set to.
        repositories: By ``ORG/NAME``.
    """

    address: str
    repositories: dict[str, Repository]


@contextmanager
def serving(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """Serves until the block ends."""

    class Handler(_Handler):
        known = repositories

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_address[1]}", repositories)
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: dict[str, Repository]

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        path = unquote(self.path.partition("?")[0])
        found = API.fullmatch(path) or RESOLVE.fullmatch(path)
        repository = self.known.get(found["name"]) if found else None
        if found is None or repository is None:
            self._refuse(404, "RepoNotFound")
        elif repository.status:
            self._refuse(repository.status, "")
        elif repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self._refuse(401, "RepoNotFound")
        elif found.re is RESOLVE:
            self._file(repository, found["revision"], found["path"])
        else:
            self._api(repository, found, body)

    def _api(self, repository: Repository, found: re.Match[str], body: bytes) -> None:
        revision, _, folder = (found["rest"] or "main").partition("/")
        if revision not in ("main", "refs", repository.commit):
            self._refuse(404, "RevisionNotFound")
        elif found["verb"] == "tree":
            self._json(repository.below(folder, deep="recursive=true" in self.path.lower()))
        elif found["verb"] == "paths-info":
            wanted = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
            self._json([entry for path in wanted if (entry := repository.entry(path))])
        else:
            self._json(self._info(found["name"], repository))

    def _info(self, name: str, repository: Repository) -> dict[str, object]:
        return {
            "_id": "0" * 24,
            "id": name,
            "sha": repository.commit,
            "private": bool(repository.token),
            "disabled": False,
            "gated": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in sorted(repository.files)],
        }

    def _file(self, repository: Repository, revision: str, path: str) -> None:
        if revision not in ("main", repository.commit):
            self._refuse(404, "RevisionNotFound")
        elif path not in repository.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": repository.commit})
        else:
            content = repository.files[path]
            sent = bytes(len(content)) if path in repository.damaged else content
            headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{repository.etag(path)}"'}
            self._send(200, sent, headers, "application/octet-stream")

    def _refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, b'{"error": "no"}', {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str], kind: str = "application/json") -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": f"{len(body)}", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
