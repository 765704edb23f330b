"""Depth maps of SUN RGB-D in millimetres.

The official ``depth_bfx`` (holes filled) holds millimetres rotated left by three bits; the repackaged archives hold
tenths of a millimetre. Both become 16-bit grey PNG in millimetres, 0 where nothing was measured. Whether the two
releases agree in every pixel is not known, so depth is no part of a dataset's fingerprint.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np

from segbench.data.codec import decode_uint16, encode_uint16
from segbench.errors import DataError

__all__ = ["DepthFile", "DepthUnit"]


class DepthUnit(Enum):
    """What a stored value means."""

    ROTATED_MILLIMETRES = "rotated millimetres"
    TENTHS = "tenths of a millimetre"


class DepthFile(NamedTuple):
    """A depth map as its release has it.

    Attributes:
        stored: 16-bit grey PNG.
        unit: Of its values.
        where: Named in errors.
    """

    stored: bytes
    unit: DepthUnit
    where: str

    def millimetres(self, size: tuple[int, int]) -> bytes:
        """The map as 16-bit grey PNG in millimetres.

        Args:
            size: Height and width of the image it belongs to.

        Raises:
            CorruptImageError: The bytes are no image.
            DataError: It has not 16 bits, or another size.
        """
        values = decode_uint16(self.stored, self.where)
        if values.shape != size:
            found, wanted = ("x".join(map(str, shape)) for shape in (values.shape, size))
            raise DataError(f"{self.where} is {found}; its image is {wanted}.")
        if self.unit is DepthUnit.ROTATED_MILLIMETRES:
            return encode_uint16(((values >> 3) | (values << 13)).astype(np.uint16))
        # In integers, halves upwards, so that the result is the same everywhere; + 5 would overflow above 65,530.
        return encode_uint16(values // 10 + (values % 10 >= 5))
