"""Encoded images to arrays and back; every failure names the file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from segbench.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["decode_ids", "decode_rgb", "encode_ids"]


def decode_rgb(data: bytes, where: str) -> NDArray[np.uint8]:
    """The pixels of an encoded image as RGB, uint8 [H, W, 3].

    Args:
        data: PNG, JPEG or anything else that Pillow reads.
        where: Named in the error.

    Raises:
        DataError: The bytes are no image, or cut off.
    """
    import numpy as np

    return np.array(_decoded(data, where).convert("RGB"))


def decode_ids(data: bytes, where: str) -> NDArray[np.uint8]:
    """The stored values of a label map, uint8 [H, W]; of a palette image the indices, not the colours.

    Raises:
        DataError: The bytes are no image, or not one with 8 bits in one channel.
    """
    import numpy as np

    image = _decoded(data, where)
    if image.mode not in ("L", "P"):
        raise DataError(f"{where} has mode {image.mode}; a label map has one channel of 8 bits (mode L or P).")
    return np.array(image)


def encode_ids(label: NDArray[np.uint8]) -> bytes:
    """A label map uint8 [H, W] as PNG of mode L."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, format="PNG")
    return buffer.getvalue()


def _decoded(data: bytes, where: str) -> Image:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{where} is not a readable image: {error}.") from error
    return image
