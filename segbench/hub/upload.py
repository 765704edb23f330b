"""One push: the repository is made private and that is read back, then all files come in one commit or none.

Every attempt begins with what is on the Hub: who may see it, its head, its files. What is there already is not sent
again, so an attempt after a lost answer finds out whether the commit was made after all, an interrupted push goes on
where it stopped, and the same push twice makes one commit.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from segbench.errors import HubError, PushError
from segbench.hub.card import merge_cards
from segbench.hub.connection import (
    ConflictError,
    NotFoundOnHubError,
    UnavailableError,
    api,
    check_name,
    explained,
    repo_url,
)
from segbench.hub.content import Published, RepoContent, RepoFile
from segbench.hub.file_digest import Digest, digest_of
from segbench.progress import SILENT, Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Published", "RepoContent", "RepoFile", "publish"]

T = TypeVar("T")

README = "README.md"
ATTEMPTS = 6
# Pauses double from the first; what the Hub itself asks for is honoured up to the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0


@dataclass(frozen=True)
class Target:
    """Where a push goes.

    Attributes:
        branch: Which of its branches; ``None`` is the main one.
        public: Whether everybody is to see it.
    """

    api: HfApi
    repo_id: str
    repo_type: str
    branch: str | None
    public: bool

    @property
    def purpose(self) -> str:
        """For messages."""
        return f"push to {self.repo_id}"


@dataclass(frozen=True)
class Remote:
    """What is on the Hub.

    Attributes:
        head: Commit of the branch, empty where the branch is to be made.
        files: Digest by path.
    """

    private: bool
    head: str
    files: dict[str, Digest]


@dataclass(frozen=True)
class Changes:
    """What a commit has to do.

    Attributes:
        files: All files, README.md as merged.
        added: Those that are not there, or are different.
        deleted: Paths.
    """

    files: tuple[RepoFile, ...]
    added: tuple[RepoFile, ...]
    deleted: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that changes."""
        return tuple(sorted([*(file.path_in_repo for file in self.added), *self.deleted]))


def publish(
    content: RepoContent,
    repo_id: str,
    *,
    public: bool = False,
    acknowledge: bool = False,
    dry_run: bool = False,
    revision: str | None = None,
    progress: Progress = SILENT,
) -> Published:
    """Puts ``content`` into the repository ``ORG/NAME`` in one commit.

    Args:
        content: What is pushed.
        repo_id: ``ORG/NAME``.
        public: Whether everybody may see it. A repository that exists and is private stays so.
        acknowledge: The user states to be allowed to redistribute what the licence does not let everybody.
        dry_run: Touches nothing; asks the Hub only where that is possible.
        revision: The branch; it is made where it does not exist.
        progress: Told about attempts.

    Raises:
        HubError: Offline, no token, not allowed, an existing public repository without ``public``, or a licence that
            does not allow what was asked.
        PushError: The Hub kept failing.
    """
    check_name(repo_id)
    _check_licence(content, public=public, acknowledge=acknowledge)
    if dry_run:
        return _plan(content, repo_id, revision, public=public, progress=progress)
    target = Target(api(f"push to {repo_id}"), repo_id, content.repo_type, revision, public)
    remote = _with_patience(target.purpose, lambda: _opened(target, progress), progress)
    return _pushed(target, content, remote, progress)


def _check_licence(content: RepoContent, *, public: bool, acknowledge: bool) -> None:
    if public and not (content.licence_allows_redistribution or acknowledge):
        terms = f" {content.terms}" if content.terms else ""
        raise HubError(
            f"Everybody could download {content.what}, and its terms do not allow that to be passed on.{terms}",
            "Push without --public; or add --acknowledge-redistribution if you have the permission.",
        )


# --- what is there ----------------------------------------------------------------------------------------------------


def _opened(target: Target, progress: Progress) -> Remote:
    """The repository as it is; made where there is none, and its branch, too."""
    try:
        remote = _read(target)
    except NotFoundOnHubError:
        _create(target)
        remote = _read(target)
        _check_created(target, remote)
    if target.public and remote.private:
        progress.message(f"{target.repo_id} is private and stays so; its settings on the Hub change that.")
    return remote


def _create(target: Target) -> None:
    with explained(f"create {target.repo_id}"):
        target.api.create_repo(
            target.repo_id,
            repo_type=target.repo_type,
            private=not target.public,
            exist_ok=True,
            space_sdk="static" if target.repo_type == "space" else None,
        )


def _check_created(target: Target, remote: Remote) -> None:
    if not target.public and not remote.private:
        raise HubError(
            f"{target.repo_id} is public although a private repository was asked for; nothing was uploaded.",
            "Make it private in its settings on the Hub, or push with --public.",
        )


def _read(target: Target) -> Remote:
    """Visibility, head and files.

    Raises:
        NotFoundOnHubError: There is no such repository.
        HubError: It is public, and that was not asked for.
    """
    with explained(target.purpose):
        private = bool(target.api.repo_info(target.repo_id, repo_type=target.repo_type).private)
    if not private and not target.public:
        raise HubError(
            f"{target.repo_id} is public: everybody could see what is pushed to it.",
            "Add --public if that is meant, or name another repository.",
        )
    head = _head(target)
    return Remote(private, head, _files(target, head) if head else {})


def _head(target: Target) -> str:
    with explained(target.purpose):
        refs = target.api.list_repo_refs(target.repo_id, repo_type=target.repo_type)
    branch = target.branch or "main"
    return next((ref.target_commit for ref in refs.branches if ref.name == branch), "")


def _files(target: Target, head: str) -> dict[str, Digest]:
    from huggingface_hub import RepoFile as Listed

    with explained(target.purpose):
        tree = target.api.list_repo_tree(target.repo_id, recursive=True, revision=head, repo_type=target.repo_type)
        files = [entry for entry in tree if isinstance(entry, Listed)]
    return {file.path: Digest(file.blob_id, file.lfs.sha256 if file.lfs else "") for file in files}


def _readme(target: Target, remote: Remote) -> str | None:
    if README not in remote.files:
        return None
    with explained(target.purpose):
        path = target.api.hf_hub_download(target.repo_id, README, repo_type=target.repo_type, revision=remote.head)
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


# --- what has to change -----------------------------------------------------------------------------------------------


def _changes(content: RepoContent, remote: Remote, readme: str | None) -> Changes:
    merge = content.merge_card or (lambda theirs: merge_cards(content.card, theirs))
    card = RepoFile(README, merge(readme).encode())
    files = (*sorted(content.files, key=lambda file: file.path_in_repo), card)
    added = tuple(file for file in files if not _is_there(file, remote.files.get(file.path_in_repo)))
    return Changes(files, added, tuple(_stale(content.owns, files, remote.files)))


def _is_there(file: RepoFile, known: Digest | None) -> bool:
    return known is not None and digest_of(file.content, known) == known


def _stale(patterns: Iterable[str], files: Iterable[RepoFile], known: Iterable[str]) -> list[str]:
    kept = {file.path_in_repo for file in files}
    replaced = {path for path in known if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)}
    return sorted(replaced - kept)


# --- the push ---------------------------------------------------------------------------------------------------------


def _pushed(target: Target, content: RepoContent, opened: Remote, progress: Progress) -> Published:
    """Compares and commits until there is nothing left to change."""
    changed: set[str] = set()
    waiting = [opened]

    def attempt() -> Published:
        # The first attempt uses what was just read; later ones read again what may have been changed since.
        remote = waiting.pop() if waiting else _read(target)
        if not remote.head:
            _branch(target)
            remote = _read(target)
        changes = _changes(content, remote, _readme(target, remote))
        changed.update(changes.paths)
        if changes.added:
            progress.message(_told(target, changes))
        head = _commit(target, content, changes, remote.head) if changes.paths else remote.head
        sizes = tuple((file.path_in_repo, file.size) for file in changes.files)
        url = repo_url(target.repo_id, target.repo_type)
        return Published(url, head, sizes, remote.private, tuple(sorted(changed)))

    return _with_patience(target.purpose, attempt, progress)


def _told(target: Target, changes: Changes) -> str:
    megabytes = sum(file.size for file in changes.added) / 1e6
    return f"{len(changes.added)} files, {megabytes:.1f} MB, go to {target.repo_id}."


def _branch(target: Target) -> None:
    with explained(target.purpose):
        target.api.create_branch(
            target.repo_id, branch=target.branch or "main", repo_type=target.repo_type, exist_ok=True
        )


def _commit(target: Target, content: RepoContent, changes: Changes, head: str) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with explained(target.purpose):
        additions = [CommitOperationAdd(file.path_in_repo, file.content) for file in changes.added]
        deletions = [CommitOperationDelete(path) for path in changes.deleted]
        return target.api.create_commit(
            target.repo_id,
            [*additions, *deletions],
            commit_message=f"segbench: {content.what}",
            repo_type=target.repo_type,
            revision=target.branch,
            parent_commit=head,
        ).oid


def _with_patience(purpose: str, attempt: Callable[[], T], progress: Progress) -> T:
    """Tries again what may succeed later, a bounded number of times."""
    for number in range(ATTEMPTS):
        try:
            return attempt()
        except (UnavailableError, ConflictError) as error:
            if number == ATTEMPTS - 1:
                raise PushError(
                    f"{error.message} That was attempt {ATTEMPTS}.", "The same command goes on where it stopped."
                ) from None
            pause = _pause(number, error)
            progress.message(f"{error.message} Attempt {number + 2} of {ATTEMPTS} in {pause:.0f} s.")
        time.sleep(pause)
    raise AssertionError(purpose)


def _pause(number: int, error: HubError) -> float:
    asked = getattr(error, "wait_s", None)
    return min(FIRST_PAUSE_S * 2**number if asked is None else float(asked), LONGEST_PAUSE_S)


# --- a dry run --------------------------------------------------------------------------------------------------------


def _plan(content: RepoContent, repo_id: str, revision: str | None, *, public: bool, progress: Progress) -> Published:
    """What a push would do, as far as the Hub can be asked."""
    remote, readme = Remote(not public, "", {}), None
    try:
        target = Target(api(f"push to {repo_id}"), repo_id, content.repo_type, revision, public)
    except HubError as error:
        progress.message(f"The Hub was not asked. {error}")
    else:
        try:
            remote = _with_patience(target.purpose, lambda: _read(target), progress)
            readme = _readme(target, remote)
        except NotFoundOnHubError:
            progress.message(f"{repo_id} does not exist, or the token may not see it; a push would make it.")
    changes = _changes(content, remote, readme)
    sizes = tuple((file.path_in_repo, file.size) for file in changes.files)
    url = repo_url(repo_id, content.repo_type)
    return Published(url, remote.head, sizes, remote.private, changes.paths, dry_run=True)
