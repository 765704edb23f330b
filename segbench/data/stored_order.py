"""Files in the order a dataset has them, out of archives that store them in another, in one pass and little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from segbench.data.spool import Spool, new_spool
from segbench.data.trees import NamedTree

__all__ = ["Place", "Reader", "reading"]


class Place(NamedTuple):
    """A file in an opened tree."""

    tree: NamedTree
    name: str

    def __str__(self) -> str:
        return f"{self.name} in {self.tree.name}"


@contextmanager
def reading(places: Iterable[Place]) -> Iterator[Reader]:
    """What reads ``places``, each once and best in this order.

    Folders, zips and plain tars are read file by file. A compressed tar is read once from its beginning: what comes
    before it is asked for waits in a spool on the disk, and where the orders agree there is no spool.
    """
    with ExitStack() as stack:
        yield Reader(places, stack)


class Reader:
    """The contents of files; see ``reading``."""

    def __init__(self, places: Iterable[Place], stack: ExitStack) -> None:
        wanted: dict[NamedTree, list[str]] = {}
        for place in places:
            if place.tree.tree.sequential:
                wanted.setdefault(place.tree, []).append(place.name)
        self._passes = {tree: _Pass(tree, names, stack) for tree, names in wanted.items()}

    def read(self, place: Place) -> bytes:
        """The content of one of the places, taken into the digest of its tree.

        Raises:
            DataError: The file is damaged, or there is no room for a spool.
        """
        content = self.content(place)
        place.tree.record(place.name, content)
        return content

    def content(self, place: Place) -> bytes:
        """The same without the digest."""
        stored = self._passes.get(place.tree)
        return stored.take(place.name) if stored else place.tree.tree.read(place.name)


class _Extent(NamedTuple):
    start: int
    size: int


class _Pass:
    """One pass through a compressed archive."""

    def __init__(self, tree: NamedTree, names: list[str], stack: ExitStack) -> None:
        self._tree = tree
        self._names = names
        self._stack = stack
        self._stream = tree.tree.stream(names)
        self._spool: Spool | None = None
        self._spooled: dict[str, _Extent] = {}

    def take(self, name: str) -> bytes:
        if extent := self._spooled.pop(name, None):
            return self._opened_spool().read(*extent)
        for stored, content in self._stream:
            if stored == name:
                return content
            self._keep(stored, content)
        raise KeyError(name)

    def _keep(self, name: str, content: bytes) -> None:
        self._spooled[name] = _Extent(self._opened_spool().append(content), len(content))

    def _opened_spool(self) -> Spool:
        if self._spool is None:
            room = sum(map(self._tree.tree.size, self._names))
            self._spool = self._stack.enter_context(new_spool(room, f"{self._tree.name}, stored in another order,"))
        return self._spool
