"""The folders and archives that a dataset is read from, opened together, with a digest of what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from segbench.data.archive import Tree, open_tree
from segbench.data.download import Remote, fetch
from segbench.data.sample import SourceOptions
from segbench.errors import DataError
from segbench.manifest import SourceArchive

__all__ = ["NamedTree", "open_trees"]


class NamedTree:
    """An opened folder or archive.

    Attributes:
        name: File or folder name, without the path.
        origin: The address it is published at, or ``local`` where the user gave it.
        tree: Its files.
    """

    def __init__(self, name: str, origin: str, tree: Tree) -> None:
        self.name = name
        self.origin = origin
        self.tree = tree
        self._digests: dict[str, str] = {}

    def names(self) -> list[str]:
        """Its files, without what macOS adds to archives."""
        return [name for name in self.tree.names() if not name.startswith("__MACOSX/")]

    def record(self, name: str, content: bytes) -> str:
        """Takes ``content`` into the digest as the file ``name`` and returns its own sha256 in hex."""
        digest = hashlib.sha256(content).hexdigest()
        self.record_digest(name, digest)
        return digest

    def record_digest(self, name: str, digest: str) -> None:
        """Takes the file ``name`` into the digest by its own sha256, where its content is too large to hold."""
        self._digests[name] = digest

    def content_digest(self) -> str:
        """sha256 over the lines ``<name> <sha256>`` of the recorded files, sorted by name."""
        lines = "".join(f"{name} {digest}\n" for name, digest in sorted(self._digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def source_archive(self) -> SourceArchive:
        """What the manifest says about it."""
        return SourceArchive(self.name, self.origin, self.tree.digest(), self.content_digest())


@contextmanager
def open_trees(options: SourceOptions, remotes: Sequence[Remote]) -> Iterator[list[NamedTree]]:
    """Opens what the user gave, or else downloads and opens ``remotes``; closes all of it at the end.

    Raises:
        DataError: A source does not exist, or is of a kind that is not understood.
        DownloadError: No mirror delivered a file.
    """
    with ExitStack() as stack:
        if options.sources:
            paths = [_existing(source) for source in options.sources]
            yield [NamedTree(path.resolve().name, "local", stack.enter_context(open_tree(path))) for path in paths]
        else:
            fetched = [(remote, fetch(remote, progress=options.progress)) for remote in remotes]
            yield [
                NamedTree(remote.file_name, remote.urls[0], stack.enter_context(open_tree(path)))
                for remote, path in fetched
            ]


def _existing(source: Path | str) -> Path:
    if str(source).startswith("hf:"):
        raise DataError(f"{source} is a Hub repository; this dataset is made from folders and archives (--from PATH).")
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"{path} does not exist (given with --from).")
    return path
