"""Photographs whose file says how the camera was held, in datasets whose label maps know nothing of that.

Label maps are drawn on the pixels as they are stored: those are what VOC's and SUN RGB-D's MATLAB tools read. Viewers
and `datasets` turn a photograph as its EXIF (or XMP) asks, and then it no longer fits. So a dataset is prepared without
that note, and every reader sees the stored pixels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["without_orientation"]

_JPEG = b"\xff\xd8"
_EXIF_OR_XMP, _SCAN = 0xE1, 0xDA


def without_orientation(data: bytes, pixels: NDArray[np.uint8]) -> bytes:
    """An image that every reader shows as its pixels are stored.

    Args:
        data: An encoded image that asks to be turned (``segbench.data.codec.decode_stored``).
        pixels: Its stored pixels, uint8 [H, W, 3].

    Returns:
        A JPEG without its EXIF and XMP segments, its pixels untouched; anything else as PNG.
    """
    return b"".join(_without_notes(data)) if data.startswith(_JPEG) else _png(pixels)


def _without_notes(jpeg: bytes) -> Iterator[bytes]:
    """The segments of a JPEG up to its first scan but those of EXIF and XMP, and then all the rest."""
    yield _JPEG
    at = len(_JPEG)
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != _SCAN:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[at + 1] != _EXIF_OR_XMP:
            yield jpeg[at:end]
        at = end
    yield jpeg[at:]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
