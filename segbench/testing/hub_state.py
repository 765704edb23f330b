"""All that a loopback Hub knows: repositories, large files, what was asked, and what is to go wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from segbench.testing.repositories import HubFile, HubRepository, is_large

__all__ = ["Fault", "HubState", "Request"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answered in place of the real answer; 0 drops the connection.
        after: The request is carried out first.
        headers: Of the answer, such as ``Retry-After``.
        action: Done before the request is answered as usual; nothing goes wrong then.
    """

    status: int = 0
    after: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    action: Callable[[], object] | None = None


@dataclass(frozen=True)
class Request:
    """One request as it was answered.

    Attributes:
        status: 0 where the connection was dropped.
        authorised: Whether it bore the right token.
    """

    method: str
    path: str
    status: int
    authorised: bool


class HubState:
    """A Hub without its server.

    Its user is ``me``, a member of ``lab``; only these two namespaces may be written to, and only with ``token``.
    Private repositories are not shown without it. The verbs that can break are those of the Hub's addresses:
    ``create``, ``info``, ``preupload``, ``commit``, ``tree``, ``refs``, ``branch``, ``batch`` (LFS), ``lfs`` (the bytes
    of a large file), ``resolve`` (a download), ``validate-yaml`` and ``whoami``.

    Args:
        chunk: Bytes of one part of a large file; 0 has them sent whole.

    Attributes:
        endpoint: What ``HF_ENDPOINT`` is set to.
        user: Whose token it is.
        organisations: Those that the user is a member of.
        token: What ``HF_TOKEN`` is set to.
        repositories: By kind (``model``, ``dataset``, ``space``) and ``ORG/NAME``.
        blobs: Large files that were uploaded, by sha256.
        requests: All that was asked, in order.
        create_as_public: Whether repositories are made public whatever is asked, as an organisation's policy may.
    """

    user = "me"
    organisations = ("lab",)
    token = "hf_" + "LoopbackSecret" * 2

    def __init__(self, chunk: int = 0) -> None:
        self.endpoint = ""
        self.chunk = chunk
        self.repositories: dict[tuple[str, str], HubRepository] = {}
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.requests: list[Request] = []
        self.create_as_public = False
        self.lock = threading.RLock()
        self._faults: dict[str, deque[Fault]] = {}

    def reset(self) -> None:
        """Forgets everything but its address and its token."""
        with self.lock:
            for kept in (self.repositories, self.blobs, self.parts, self.requests, self._faults):
                kept.clear()
            self.create_as_public = False

    def create(
        self, name: str, files: Mapping[str, bytes] | None = None, *, kind: str = "model", private: bool = False
    ) -> HubRepository:
        """Makes a repository, with a commit that adds ``files``."""
        repository = HubRepository(kind, name, private)
        if files:
            repository.put(files)
        with self.lock:
            self.repositories[kind, name] = repository
        return repository

    def repository(self, name: str, kind: str = "model") -> HubRepository:
        """A repository that exists.

        Raises:
            KeyError: There is none.
        """
        return self.repositories[kind, name]

    def files(self, name: str, kind: str = "model", revision: str = "main") -> dict[str, bytes]:
        """Contents by path, without ``.gitattributes``."""
        repository = self.repository(name, kind)
        tree = repository.commits[repository.resolve(revision) or ""]
        return {path: file.content for path, file in tree.items() if path != ".gitattributes"}

    def damage(self, name: str, path: str, kind: str = "model") -> None:
        """Sends zeroes for a file from now on, while its digest is stated as before."""
        repository = self.repository(name, kind)
        tree = dict(repository.commits[repository.head])
        tree[path] = HubFile(tree[path].content, is_large(path), damaged=True)
        repository.commits[repository.head] = tree

    def fail(self, verb: str, status: int, times: int = 1, headers: Mapping[str, str] | None = None) -> None:
        """Answers the next ``times`` requests of a verb with a status, such as 429 or 500."""
        self._add(verb, Fault(status=status, headers=dict(headers or {})), times)

    def drop(self, verb: str, times: int = 1, *, after: bool = False) -> None:
        """Drops the connection of the next ``times`` requests of a verb, ``after`` they were carried out or before."""
        self._add(verb, Fault(after=after), times)

    def meanwhile(self, verb: str, action: Callable[[], object]) -> None:
        """Has somebody else do something just before the next request of a verb is answered as usual."""
        self._add(verb, Fault(action=action), 1)

    def _add(self, verb: str, fault: Fault, times: int) -> None:
        with self.lock:
            self._faults.setdefault(verb, deque()).extend([fault] * times)

    def waiting_faults(self) -> dict[str, int]:
        """Faults that no request has met yet, by verb."""
        return {verb: len(waiting) for verb, waiting in self._faults.items() if waiting}

    def next_fault(self, verb: str) -> Fault | None:
        """What is to go wrong with a request of a verb."""
        with self.lock:
            waiting = self._faults.get(verb)
            return waiting.popleft() if waiting else None

    def asked(self, verb: str) -> list[Request]:
        """The requests whose address holds ``/VERB``, such as ``commit``."""
        return [request for request in self.requests if f"/{verb}" in request.path]
