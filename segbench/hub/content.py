"""What a push puts on the Hub, as values: made without a network, shown by ``--dry-run``, uploaded as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Published", "RepoContent", "RepoFile", "RepoType"]

RepoType = Literal["model", "dataset", "space"]


@dataclass(frozen=True)
class RepoFile:
    """One file of a repository.

    Attributes:
        path_in_repo: With forward slashes, such as ``data/train-00000-of-00001.parquet``.
        content: The bytes, or the file that holds them.
    """

    path_in_repo: str
    content: bytes | Path

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


@dataclass(frozen=True)
class RepoContent:
    """All that one push puts into a repository.

    Attributes:
        repo_type: ``model``, ``dataset`` or ``space``.
        files: All files but README.md, each path once.
        card: README.md: YAML front matter between two lines ``---``, then Markdown. What somebody wrote around it on
            the Hub is kept.
        licence_allows_redistribution: Whether anybody may pass these files on to everybody.
        what: Names the content in messages, such as ``camvid 360x480-11``.
        terms: One sentence: what the licence asks, shown where it does not allow redistribution.
        owns: Patterns of paths, as of ``fnmatch``, that belong to this content alone, such as ``360x480-11/*.parquet``:
            what is there and not among ``files`` is deleted.
        merge_card: Where given, README.md is what it makes of the one on the Hub (``None``: there is none) in place of
            ``merge_cards``, and ``card`` is what it makes of ``None``. For cards that depend on what is there.
    """

    repo_type: RepoType
    files: tuple[RepoFile, ...]
    card: str
    licence_allows_redistribution: bool
    what: str
    terms: str = ""
    owns: tuple[str, ...] = ()
    merge_card: Callable[[str | None], str] | None = None


@dataclass(frozen=True)
class Published:
    """What became of a push.

    Attributes:
        url: Where the repository is, or would be.
        commit: The head after the push; empty for a dry run of a repository that does not exist.
        files: Every file with its size in bytes, README.md as merged.
        private: Whether the repository is private; read back from the Hub unless it was a dry run.
        changed: Paths that the push changed (a dry run: would change); empty where all was there already.
        dry_run: Nothing was touched.
    """

    url: str
    commit: str
    files: tuple[tuple[str, int], ...]
    private: bool
    changed: tuple[str, ...] = ()
    dry_run: bool = False
