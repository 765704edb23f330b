"""Repositories as a Hub keeps them: branches that point at commits, commits that map paths to contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["HubFile", "HubRepository", "entries_below", "entry_of", "is_large"]

# Kept as text in git; everything else is a large file (LFS), as the Hub's own .gitattributes has it.
TEXT = (".md", ".json", ".yaml", ".yml", ".txt", ".csv", ".html", ".svg", ".py", ".gitattributes")


def is_large(path: str) -> bool:
    """Whether the Hub wants a file uploaded as a large one."""
    return not path.endswith(TEXT)


@dataclass(frozen=True)
class HubFile:
    """One file of a commit.

    Attributes:
        content: Its bytes.
        large: Whether it is kept as a large file (LFS).
        damaged: Zeroes are sent in place of the bytes that are stated.
    """

    content: bytes
    large: bool
    damaged: bool = False

    @property
    def sha256(self) -> str:
        """Hex digest of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob(self) -> str:
        """The git id: of the content, or of the pointer that stands for a large file."""
        return hashlib.sha1(b"blob %d\0%s" % (len(self._in_git), self._in_git)).hexdigest()

    @property
    def _in_git(self) -> bytes:
        if not self.large:
            return self.content
        lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}", f"size {len(self.content)}")
        return "".join(f"{line}\n" for line in lines).encode()

    @property
    def etag(self) -> str:
        """What a download is cached by."""
        return self.sha256 if self.large else self.blob

    def entry(self, path: str) -> dict[str, Any]:
        """What the tree says of it."""
        listed: dict[str, Any] = {"type": "file", "path": path, "size": len(self.content), "oid": self.blob}
        if self.large:
            listed["lfs"] = {"oid": self.sha256, "size": len(self.content), "pointerSize": 134}
        return listed


Tree = Mapping[str, HubFile]


@dataclass
class HubRepository:
    """A repository.

    Attributes:
        kind: ``model``, ``dataset`` or ``space``.
        name: ``ORG/NAME``.
        private: Whether it is shown with the token only.
        closed: Whether it belongs to others and is not shown at all.
        status: Answered in place of everything else, such as 503; 0 for none.
        branches: Head commit by name.
        commits: Every commit's files, oldest first.
    """

    kind: str
    name: str
    private: bool = False
    closed: bool = False
    status: int = 0
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Tree] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": HubFile(b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n", False)})

    def commit(self, branch: str, files: Tree) -> str:
        """Makes ``files`` the whole content of a branch; returns the commit's id."""
        parts = [self.kind, self.name, branch, str(len(self.commits))]
        parts += [f"{path} {file.blob}" for path, file in sorted(files.items())]
        sha = hashlib.sha1("\n".join(parts).encode()).hexdigest()
        self.commits[sha] = dict(files)
        self.branches[branch] = sha
        return sha

    def put(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Adds or replaces files in a commit of its own, as somebody else would."""
        added = {path: HubFile(content, is_large(path)) for path, content in files.items()}
        return self.commit(branch, {**self.commits[self.branches[branch]], **added})

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch or commit id names, ``None`` where there is none."""
        return self.branches.get(revision) or (revision if revision in self.commits else None)

    @property
    def head(self) -> str:
        """The commit of ``main``."""
        return self.branches["main"]

    def info(self, sha: str) -> dict[str, Any]:
        """What the Hub says of the repository at a commit."""
        said = {
            "_id": "0" * 24,
            "id": self.name,
            "author": self.name.split("/")[0],
            "sha": sha,
            "private": self.private,
            "disabled": False,
            "gated": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in sorted(self.commits[sha])],
        }
        return said | ({"modelId": self.name} if self.kind == "model" else {})


def entry_of(files: Tree, path: str) -> dict[str, Any] | None:
    """What a commit says of a file or folder, ``None`` where there is neither."""
    if path in files:
        return files[path].entry(path)
    if any(file.startswith(f"{path}/") for file in files):
        return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}
    return None


def entries_below(files: Tree, folder: str, *, deep: bool) -> list[dict[str, Any]]:
    """What is in a folder, and with ``deep`` in the folders in it."""
    start = f"{folder}/" if folder else ""
    inside = [path.removeprefix(start) for path in sorted(files) if path.startswith(start)]
    listed = sorted({step for path in inside for step in _steps(path, deep=deep)})
    found = [entry_of(files, start + path) for path in listed]
    return [entry for entry in found if entry is not None]


def _steps(path: str, *, deep: bool) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts) if deep else 1))
