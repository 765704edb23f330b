"""The Hub's addresses and what is answered at each."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote

from segbench.testing.hub_state import Fault, HubState, Request
from segbench.testing.repositories import HubFile, HubRepository, entries_below, entry_of, is_large

__all__ = ["HubHandler"]

NAME = r"(?P<name>[^/]+/[^/]+)"
REPO = re.compile(rf"/api/(?P<kind>model|dataset|space)s/{NAME}(?:/(?P<verb>[a-z-]+)(?:/(?P<rest>.*))?)?")
BATCH = re.compile(rf"/(?:(?P<kind>dataset|space)s/)?{NAME}\.git/info/lfs/objects/batch")
RESOLVE = re.compile(rf"/(?:(?P<kind>dataset|space)s/)?{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
LARGE = re.compile(r"/_lfs/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?")
SAYS = {404: "Repository not found", 401: "Invalid username or password.", 403: "Forbidden", 409: "It exists already"}


class RefusalError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, code: str = "", headers: Mapping[str, str] | None = None, **body: Any) -> None:
        super().__init__(status)
        said = SAYS.get(status, "It cannot be done")
        named = {"X-Error-Code": code, "X-Error-Message": said} if code else {}
        self.status, self.headers, self.body = status, {**named, **(headers or {})}, {"error": said, **body}


class HubHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body leave together; sent one by one, each answer waits 40 ms for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    hub: HubState

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """Answers."""
        self._body = self._read()
        path = unquote(self.path.partition("?")[0])
        verb = _verb(path)
        fault = self.hub.next_fault(verb)
        if fault is not None and fault.action is None:
            self._break(fault, path)
            return
        if fault is not None and fault.action is not None:
            fault.action()
        self._answer(path)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (the names that the server looks for)

    def _answer(self, path: str, *, silent: bool = False) -> None:
        try:
            with self.hub.lock:
                status, body, headers = self._route(path)
        except RefusalError as error:
            status, body, headers = error.status, error.body, dict(error.headers)
        if not silent:
            self._send(status, body, headers)

    def _break(self, fault: Fault, path: str) -> None:
        if fault.after:
            self._answer(path, silent=True)
        if fault.status:
            self._send(fault.status, {"error": "Something went wrong on purpose"}, dict(fault.headers))
            return
        self._note(0)
        self.close_connection = True
        self.connection.close()

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    @property
    def _json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._body or b"{}")
        return value

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _note(self, status: int) -> None:
        self.hub.requests.append(Request(self.command, self.path, status, self._known))

    def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        self._note(status)
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": f"{len(content)}", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _route(self, path: str) -> tuple[int, Any, dict[str, str]]:
        if path == "/api/whoami-v2":
            return 200, self._who(), {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if path == "/api/repos/create":
            return 200, self._create(), {}
        if path == "/api/repos/delete":
            self.hub.repositories.pop((self._json.get("type") or "model", self._namespaced()), None)
            return 200, {}, {}
        if path == "/_lfs/verify":
            known = len(self.hub.blobs.get(self._json["oid"], b"")) == self._json["size"]
            return (200 if known else 404), {}, {}
        if found := LARGE.fullmatch(path):
            return 200, {}, self._large(found["oid"], found["part"])
        if found := BATCH.fullmatch(path):
            self._writable(self._repository(found["kind"] or "model", found["name"]))
            return 200, self._batch(), {"Content-Type": "application/vnd.git-lfs+json"}
        if found := REPO.fullmatch(path):
            repository = self._repository(found["kind"], found["name"])
            return 200, self._of_repository(repository, found["verb"] or "", found["rest"] or ""), {}
        if found := RESOLVE.fullmatch(path):
            repository = self._repository(found["kind"] or "model", found["name"])
            return self._download(repository, found["revision"], found["path"])
        raise RefusalError(404)

    # Who is asking

    def _who(self) -> dict[str, Any]:
        if not self._known:
            raise RefusalError(401)
        token = {"type": "access_token", "accessToken": {"role": "write", "displayName": "test"}}
        organisations = [{"name": name, "type": "org"} for name in self.hub.organisations]
        return {
            "type": "user",
            "id": "1",
            "name": self.hub.user,
            "fullname": "Me",
            "orgs": organisations,
            "auth": token,
        }

    def _repository(self, kind: str, name: str) -> HubRepository:
        repository = self.hub.repositories.get((kind, name))
        if repository is None or repository.closed or (repository.private and not self._known):
            # The Hub does not tell a stranger whether a private repository exists.
            raise RefusalError(404 if self._known else 401, "RepoNotFound")
        if repository.status:
            raise RefusalError(repository.status)
        return repository

    def _writable(self, repository: HubRepository) -> HubRepository:
        if not self._known:
            raise RefusalError(401)
        if repository.name.split("/")[0] not in (self.hub.user, *self.hub.organisations):
            raise RefusalError(403)
        return repository

    def _namespaced(self) -> str:
        return f"{self._json.get('organization') or self.hub.user}/{self._json['name']}"

    def _create(self) -> dict[str, Any]:
        kind, name = self._json.get("type") or "model", self._namespaced()
        self._writable(HubRepository(kind, name))
        url = f"{self.hub.endpoint}/{'' if kind == 'model' else f'{kind}s/'}{name}"
        if (kind, name) in self.hub.repositories:
            raise RefusalError(409, url=url, name=name)
        private = self._json.get("visibility") == "private" or self._json.get("private") is True
        self.hub.repositories[kind, name] = HubRepository(kind, name, private and not self.hub.create_as_public)
        return {"url": url, "name": name, "id": "1"}

    # Large files

    def _batch(self) -> dict[str, Any]:
        objects = [self._upload_of(item["oid"], item["size"]) for item in self._json["objects"]]
        return {"transfer": "basic", "objects": objects}

    def _upload_of(self, oid: str, size: int) -> dict[str, Any]:
        if oid in self.hub.blobs:
            return {"oid": oid, "size": size}
        href, chunk = f"{self.hub.endpoint}/_lfs/{oid}", self.hub.chunk
        upload: dict[str, Any] = {"href": href}
        if chunk and size > chunk:
            parts = {f"{number:05d}": f"{href}/{number}" for number in range(1, -(-size // chunk) + 1)}
            upload["header"] = {"chunk_size": f"{chunk}", **parts}
        return {
            "oid": oid,
            "size": size,
            "actions": {"upload": upload, "verify": {"href": f"{self.hub.endpoint}/_lfs/verify"}},
        }

    def _large(self, oid: str, part: str | None) -> dict[str, str]:
        if part is not None:
            self.hub.parts[oid, int(part)] = self._body
            return {"ETag": f'"{hashlib.md5(self._body, usedforsecurity=False).hexdigest()}"'}
        content = self._body
        if self.command == "POST":
            numbers = sorted(item["partNumber"] for item in self._json["parts"])
            content = b"".join(self.hub.parts.pop((oid, number)) for number in numbers)
        if hashlib.sha256(content).hexdigest() != oid:
            raise RefusalError(422)
        self.hub.blobs[oid] = content
        return {}

    # Repositories

    def _of_repository(self, repository: HubRepository, verb: str, rest: str) -> Any:
        if verb in ("", "revision"):
            return repository.info(self._commit_of(repository, rest or "main"))
        if verb == "refs":
            return _refs(repository)
        if verb == "branch":
            return self._branch(self._writable(repository), rest)
        if verb == "commit":
            return self._commit(self._writable(repository), rest)
        if verb == "preupload":
            tree = self._tree(repository, rest)
            return {"files": [_mode(item["path"], tree) for item in self._json["files"]]}
        revision, _, folder = rest.partition("/")
        tree = self._tree(repository, revision)
        if verb == "tree":
            return self._listed(tree, folder)
        if verb == "paths-info":
            return [entry for path in self._paths() if (entry := entry_of(tree, path))]
        raise RefusalError(404)

    def _commit_of(self, repository: HubRepository, revision: str) -> str:
        sha = repository.resolve(revision)
        if sha is None:
            raise RefusalError(404, "RevisionNotFound")
        return sha

    def _tree(self, repository: HubRepository, revision: str) -> Mapping[str, HubFile]:
        return repository.commits[self._commit_of(repository, revision)]

    def _listed(self, tree: Mapping[str, HubFile], folder: str) -> list[dict[str, Any]]:
        query = parse_qs(self.path.partition("?")[2])
        listed = entries_below(tree, folder, deep=query.get("recursive", [""])[0].lower() == "true")
        if folder and not listed:
            raise RefusalError(404, "EntryNotFound")
        return listed

    def _paths(self) -> list[str]:
        if "json" in self.headers.get("Content-Type", ""):
            return list(self._json["paths"])
        return parse_qs(self._body.decode()).get("paths", [])

    def _branch(self, repository: HubRepository, name: str) -> dict[str, Any]:
        if name in repository.branches:
            raise RefusalError(409)
        repository.branches[name] = self._commit_of(repository, self._json.get("startingPoint") or "main")
        return {}

    def _commit(self, repository: HubRepository, branch: str) -> dict[str, Any]:
        if branch not in repository.branches:
            raise RefusalError(404, "RevisionNotFound")
        tree = dict(repository.commits[repository.branches[branch]])
        for line in self._body.splitlines():
            action = json.loads(line)
            self._apply(tree, repository.branches[branch], action["key"], action["value"])
        sha = repository.commit(branch, tree)
        prefix = "" if repository.kind == "model" else f"{repository.kind}s/"
        url = f"{self.hub.endpoint}/{prefix}{repository.name}/commit/{sha}"
        return {"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""}

    def _apply(self, tree: dict[str, HubFile], head: str, key: str, value: dict[str, Any]) -> None:
        if key == "header" and value.get("parentCommit") not in (None, head):
            raise RefusalError(412)
        if key == "file":
            tree[value["path"]] = HubFile(base64.b64decode(value["content"]), large=False)
        elif key == "lfsFile":
            if value["oid"] not in self.hub.blobs:
                raise RefusalError(400)
            tree[value["path"]] = HubFile(self.hub.blobs[value["oid"]], large=True)
        elif key == "deletedFile" and tree.pop(value["path"], None) is None:
            raise RefusalError(404, "EntryNotFound")
        elif key == "deletedFolder":
            folder = value["path"].rstrip("/") + "/"
            for path in [path for path in tree if path.startswith(folder)]:
                del tree[path]

    def _download(self, repository: HubRepository, revision: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        sha = self._commit_of(repository, revision)
        file = repository.commits[sha].get(path)
        if file is None:
            raise RefusalError(404, "EntryNotFound", {"X-Repo-Commit": sha})
        content = bytes(len(file.content)) if file.damaged else file.content
        headers = {"X-Repo-Commit": sha, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.large:
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": f"{len(content)}"}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or self.command == "HEAD":
            return 200, content, headers
        first, last = _range(wanted[1], wanted[2], len(content))
        return 206, content[first:last], headers | {"Content-Range": f"bytes {first}-{last - 1}/{len(content)}"}


def _verb(path: str) -> str:
    """What a request is for, as ``LoopbackHub.fail`` names it."""
    if found := REPO.fullmatch(path):
        verb = found["verb"] or "info"
        return "info" if verb == "revision" else verb
    for pattern, verb in ((BATCH, "batch"), (LARGE, "lfs"), (RESOLVE, "resolve")):
        if pattern.fullmatch(path):
            return verb
    return path.rpartition("/")[2].removesuffix("-v2")


def _refs(repository: HubRepository) -> dict[str, Any]:
    branches = repository.branches.items()
    listed = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha} for name, sha in branches]
    return {"branches": listed, "tags": [], "converts": []}


def _mode(path: str, tree: Mapping[str, HubFile]) -> dict[str, Any]:
    mode = {"path": path, "uploadMode": "lfs" if is_large(path) else "regular", "shouldIgnore": False}
    return mode | ({"oid": tree[path].etag} if path in tree else {})


def _range(first: str, last: str, size: int) -> tuple[int, int]:
    """Start and end of the bytes that a range asks for; ``bytes=-N`` means the last N."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size
