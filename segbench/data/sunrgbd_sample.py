"""One sample of SUN RGB-D from its files, whichever release they are of; made where it is prepared."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segbench.data.codec import decode_ids, header_size
from segbench.data.sample import LateSample, Sample
from segbench.data.sunrgbd import GROUP_OF_CLASS
from segbench.data.sunrgbd_depth import DepthFile
from segbench.errors import DataError
from segbench.specs import IGNORE_INDEX

__all__ = ["LabelFile", "RawSample"]

LARGEST = len(GROUP_OF_CLASS)


class LabelFile(NamedTuple):
    """A label map as its release has it.

    Attributes:
        stored: PNG, or uint8 [H, W]: 1..37, 0 where nothing is known.
        where: Named in errors.
    """

    stored: bytes | NDArray[np.uint8]
    where: str


class RawSample(NamedTuple):
    """The files of one sample.

    Attributes:
        id: Its number with six digits.
        image: The JPEG.
        image_name: Named in errors.
        label: Its label map.
        depth: Its depth map, where the variant has depth.
    """

    id: str
    image: bytes
    image_name: str
    label: LabelFile
    depth: DepthFile | None = None

    def late(self, num_classes: int) -> LateSample:
        """The sample with 37 or 13 classes."""
        return LateSample(self.id, _made, self, num_classes)


def _made(raw: RawSample, num_classes: int) -> Sample:
    stored, where = raw.label
    values = decode_ids(stored, where) if isinstance(stored, bytes) else stored
    if values.shape != (size := header_size(raw.image, raw.image_name)):
        raise DataError(f"{raw.image_name} is {_shown(size)} but {where} is {_shown(values.shape)} (sample {raw.id}).")
    if values.max(initial=0) > LARGEST:
        raise _beyond(values, raw)
    depth = raw.depth.millimetres(size) if raw.depth else None
    return Sample(raw.id, raw.image, _table(num_classes)[values], depth)


@cache
def _table(num_classes: int) -> NDArray[np.uint8]:
    """The id of each stored value 0..37."""
    grouped = num_classes != LARGEST
    labels = [group if grouped else label for label, group in enumerate(GROUP_OF_CLASS, start=1)]
    return np.array([IGNORE_INDEX, *(label - 1 for label in labels)], dtype=np.uint8)


def _beyond(values: NDArray[np.uint8], raw: RawSample) -> DataError:
    row, column = (int(place) for place in np.argwhere(values > LARGEST)[0])
    return DataError(
        f"{raw.label.where}: the pixel in row {row}, column {column} has the label {values[row, column]}; "
        f"SUN RGB-D has 0..{LARGEST} (sample {raw.id})."
    )


def _shown(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
