"""Photographs whose file says how the camera was held, in datasets whose label maps know nothing of that.

Label maps are drawn on the pixels as they are stored: what VOC's and SUN RGB-D's MATLAB tools read, and Pillow and
OpenCV with IMREAD_IGNORE_ORIENTATION. Viewers and `datasets` turn the photograph as its EXIF tag (or XMP) asks, and
then it no longer fits. So a dataset is prepared without that note: every reader sees the stored pixels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

__all__ = ["as_stored"]

_TURNED = range(2, 9)
_JPEG = b"\xff\xd8"
_EXIF_OR_XMP, _SCAN = 0xE1, 0xDA


def as_stored(data: bytes) -> bytes:
    """An encoded image that every reader shows as its pixels are stored.

    Args:
        data: An encoded image; what is none is returned as it is.

    Returns:
        The same bytes, unless they ask to be turned or hold notes that nobody can read: then a JPEG without its EXIF
        and XMP segments (its pixels are not touched), anything else as PNG.
    """
    from PIL import ExifTags, Image

    try:
        image = Image.open(io.BytesIO(data))
    except Exception:  # whoever decodes it says what is wrong
        return data
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
    except Exception:  # mangled notes make Pillow raise almost anything, and `datasets` with it
        turned = True
    if not turned:
        return data
    return b"".join(_without_notes(data)) if data.startswith(_JPEG) else _png(data)


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


def _png(data: bytes) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    try:
        pixels = Image.open(io.BytesIO(data)).convert("RGB")
    except Exception:  # as above
        return data
    Image.frombytes("RGB", pixels.size, pixels.tobytes()).save(buffer, format="PNG")
    return buffer.getvalue()
