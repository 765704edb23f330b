"""What every dataset's source hands to the preparation, and what it is told.

A source is one function, named by ``DatasetSpec.source`` as ``module:function``::

    @contextmanager
    def source(variant: VariantSpec, options: SourceOptions) -> Iterator[Source]: ...

Entering it fetches and opens what is needed (and checks it as far as that is cheap), leaving it closes what was opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.manifest import SourceArchive
from segbench.progress import SILENT, Progress
from segbench.specs import VariantSpec

__all__ = ["Sample", "Source", "SourceArchive", "SourceFactory", "SourceOptions"]


@dataclass(frozen=True)
class Sample:
    """One image with its label map.

    Attributes:
        id: Unique within the dataset; letters, digits and ``_-./`` only, so that it can name a file.
        image: Encoded PNG or JPEG as the source has it; RGB once decoded.
        label: uint8 [H, W] of the image's size: class ids 0..C-1, and 255 where none is known.
    """

    id: str
    image: bytes
    label: NDArray[np.uint8]


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

    def samples(self, split: str) -> Iterator[Sample]:
        """Yields the samples of ``split`` in their official order, one at a time.

        Raises:
            DataError: An image or label is missing or wrong; names the file.
        """


class SourceFactory(Protocol):
    """The function that ``DatasetSpec.source`` names."""

    def __call__(self, variant: VariantSpec, options: SourceOptions) -> AbstractContextManager[Source]: ...
