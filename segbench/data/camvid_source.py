"""Which release each CamVid variant is made from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from segbench.data import camvid_official, camvid_tutorial
from segbench.data.camvid import TUTORIAL_VARIANT
from segbench.data.sample import Source, SourceOptions
from segbench.errors import UsageError
from segbench.specs import VariantSpec

__all__ = ["source"]


@contextmanager
def source(variant: VariantSpec, options: SourceOptions) -> Iterator[Source]:
    """Opens the samples of ``variant``; downloads what the user did not give.

    Raises:
        UsageError: A size was asked for; CamVid has its own.
        DataError: A source is missing, incomplete or differs from the release.
    """
    if options.size not in (None, variant.size):
        raise UsageError(
            f"camvid {variant.name} cannot be made at {'x'.join(map(str, options.size))}: "
            "--size is for datasets without a size of their own; a recipe's input_size resizes inputs."
        )
    release = camvid_tutorial if variant.name == TUTORIAL_VARIANT else camvid_official
    with release.open_source(variant, options) as opened:
        yield opened
