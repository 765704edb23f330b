"""Which release SUN RGB-D is made from: the authors' archives, or the repackaged ones; the content is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from segbench.data.download import Remote, fetch
from segbench.data.sample import AnySample, Source, SourceArchive, SourceOptions
from segbench.data.sunrgbd_official import OFFICIAL_REMOTES, is_official, open_official
from segbench.data.sunrgbd_repackaged import (
    REPACKAGED_DEPTH_REMOTES,
    REPACKAGED_REMOTES,
    RepackagedSource,
    is_repackaged,
)
from segbench.data.trees import NamedTree, open_trees
from segbench.errors import DataError, DownloadError, UsageError
from segbench.specs import VariantSpec

__all__ = ["NUMBERING_NOTE", "source"]

NUMBERING_NOTE = (
    "The ids are the numbers of the repackaged label maps, taken for those of SUNRGBDMeta.mat; "
    "that the two orders are one is not confirmed."
)


@contextmanager
def source(variant: VariantSpec, options: SourceOptions) -> Iterator[Source]:
    """Opens the samples of ``variant`` from what the user gave; or else downloads the official archives, and the
    repackaged ones where those cannot be had.

    Raises:
        UsageError: A size was asked for; SUN RGB-D has its own.
        DataError: A source is missing, incomplete or of both releases.
        DownloadError: No mirror delivered a file.
    """
    if options.size is not None:
        raise UsageError(
            f"sunrgbd {variant.name} cannot be made at {'x'.join(map(str, options.size))}: "
            "--size is for datasets without a size of their own; a recipe's input_size resizes inputs."
        )
    remotes = () if options.sources else _downloaded(variant, options)
    with open_trees(options, remotes) as trees, _release(trees, variant, options) as opened:
        yield _Marked(opened, {remote.urls[0] for remote in remotes if not (remote.md5 or remote.sha256)})


class _Marked:
    """A source whose archives say what is not known of them, so that the manifest does.

    Args:
        opened: The source.
        unverified: Addresses of downloads for which nothing is published to check them against.
    """

    def __init__(self, opened: Source, unverified: set[str]) -> None:
        self._opened = opened
        self._unverified = unverified
        self.counts = opened.counts

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        return tuple(map(self._marked, self._opened.archives))

    @property
    def partial(self) -> bool:
        return self._opened.partial

    def samples(self, split: str) -> Iterator[AnySample]:
        return self._opened.samples(split)

    def _marked(self, archive: SourceArchive) -> SourceArchive:
        marks = ["unverified"] if archive.origin in self._unverified else []
        marks += ["numbering unconfirmed"] if isinstance(self._opened, RepackagedSource) else []
        return replace(archive, origin=f"{archive.origin} ({', '.join(marks)})") if marks else archive


def _downloaded(variant: VariantSpec, options: SourceOptions) -> Sequence[Remote]:
    """The archives of the first release that can be had, fetched."""
    repackaged = (*REPACKAGED_REMOTES, *(REPACKAGED_DEPTH_REMOTES if variant.depth else ()))
    try:
        return _fetched(OFFICIAL_REMOTES, options)
    except DownloadError as error:
        options.progress.message(f"{error.message} Trying the repackaged archives.")
        try:
            return _fetched(repackaged, options)
        except DownloadError as second:
            raise DownloadError(f"{error.message} {second.message}", second.hint) from error


def _fetched(remotes: Sequence[Remote], options: SourceOptions) -> Sequence[Remote]:
    for remote in remotes:
        fetch(remote, progress=options.progress)
    return remotes


def _release(trees: list[NamedTree], variant: VariantSpec, options: SourceOptions) -> AbstractContextManager[Source]:
    official, repackaged = (any(map(test, trees)) for test in (is_official, is_repackaged))
    given = ", ".join(tree.name for tree in trees)
    if official and repackaged:
        raise DataError(f"{given}: that is something of the official and of the repackaged SUN RGB-D; give one.")
    if official:
        return open_official(trees, variant, options)
    if repackaged:
        options.progress.message(NUMBERING_NOTE)
        return nullcontext(RepackagedSource(trees, variant, partial=options.partial))
    raise DataError(
        f"{given} is no SUN RGB-D.",
        "Give SUNRGBD.zip and SUNRGBDtoolbox.zip, or SUNRGBD-train_images.tgz, SUNRGBD-test_images.tgz and "
        "sunrgbd_train_test_labels.tar.gz.",
    )
