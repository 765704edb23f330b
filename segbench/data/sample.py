"""What every dataset's source hands to the preparation, and what it is told.

A source is one function, named by ``DatasetSpec.source`` as ``module:function``::

    @contextmanager
    def source(variant: VariantSpec, options: SourceOptions) -> Iterator[Source]: ...

Entering it fetches and opens what is needed (and checks it as far as that is cheap), leaving it closes what was opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.manifest import SourceArchive
from segbench.progress import SILENT, Progress
from segbench.specs import VariantSpec

__all__ = ["AnySample", "LateSample", "Sample", "Source", "SourceArchive", "SourceFactory", "SourceOptions"]


@dataclass(frozen=True)
class Sample:
    """One image with its label map.

    Attributes:
        id: Unique within the dataset; letters, digits and ``_-./`` only, so that it can name a file.
        image: Encoded PNG or JPEG as the source has it; RGB once decoded. An EXIF orientation is taken off.
        label: uint8 [H, W], one id for each pixel of the image as it is stored: classes 0..C-1, and 255 where none is
            known; ``None`` where the labels of the split are not published (all of them or none).
        depth: 16-bit grey PNG of the image's size, where the variant has depth.
        file: Name of the image in the source, for errors; empty: they name the id.
    """

    id: str
    image: bytes
    label: NDArray[np.uint8] | None
    depth: bytes | None = None
    file: str = ""


class LateSample:
    """A sample that is made when it is first looked at: decoding is left to whichever process prepares it.

    Args:
        id: Of the sample.
        make: A function on the level of its module that returns the sample; it may be called in another process.
        arguments: What it is called with: encoded bytes, names, numbers.
    """

    def __init__(self, id: str, make: Callable[..., Sample], *arguments: Any) -> None:
        self.id = id
        self._make = make
        self._arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.id, self._make, *self._arguments)

    @cached_property
    def made(self) -> Sample:
        """The sample itself.

        Raises:
            DataError: What the function raises.
        """
        return self._make(*self._arguments)

    @property
    def image(self) -> bytes:
        """As of ``Sample``."""
        return self.made.image

    @property
    def label(self) -> NDArray[np.uint8] | None:
        """As of ``Sample``."""
        return self.made.label

    @property
    def depth(self) -> bytes | None:
        """As of ``Sample``."""
        return self.made.depth


AnySample = Sample | LateSample


@dataclass(frozen=True)
class SourceOptions:
    """What the user asked for.

    Attributes:
        sources: Archives and folders of the user, or ``hf:ORG/NAME``; empty: download.
        size: Height and width, for datasets that can be made at any size.
        partial: Take what the sources hold of the official lists instead of refusing.
        progress: Where downloads and checks are reported.
    """

    sources: tuple[Path | str, ...] = ()
    size: tuple[int, int] | None = None
    partial: bool = False
    progress: Progress = SILENT


class Source(Protocol):
    """The opened samples of one variant."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Samples that ``samples`` will yield, by split (``segbench.specs.SPLITS``, those that exist)."""

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """What was read; asked for after the last sample."""

    @property
    def partial(self) -> bool:
        """Whether something of the official dataset is missing or differs; asked for after the last sample."""

    def samples(self, split: str) -> Iterator[AnySample]:
        """Yields the samples of ``split`` in their official order, one at a time.

        One process calls it once for each split, in the order of ``SPLITS``, and takes all of them.

        Raises:
            DataError: An image or label is missing or wrong; names the file.
        """


class SourceFactory(Protocol):
    """The function that ``DatasetSpec.source`` names."""

    def __call__(self, variant: VariantSpec, options: SourceOptions) -> AbstractContextManager[Source]: ...
