"""Encoded images to arrays and back; every failure names the file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from segbench.data.label_png import encode_grey
from segbench.errors import CorruptImageError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from segbench.specs import Colour

__all__ = [
    "decode_ids",
    "decode_rgb",
    "decode_stored",
    "decode_uint16",
    "encode_ids",
    "encode_uint16",
    "header_size",
    "image_size",
    "is_corrupt",
]


def decode_rgb(data: bytes, where: str) -> NDArray[np.uint8]:
    """The pixels of an encoded image as RGB, uint8 [H, W, 3], turned as its EXIF orientation says.

    Args:
        data: PNG, JPEG or anything else that Pillow reads.
        where: Named in the error.

    Raises:
        CorruptImageError: The bytes are no image, or cut off.
    """
    import numpy as np

    return np.array(_rgb(_upright(_decoded(data, where), where)))


def decode_stored(data: bytes, where: str) -> tuple[NDArray[np.uint8], bool]:
    """The pixels as they are stored, and whether a note in the file makes viewers and `datasets` show others.

    Args:
        data: As of ``decode_rgb``.
        where: Named in the error.

    Returns:
        Read-only uint8 [H, W, 3]; whether the image asks to be turned, or holds notes that nobody can read.

    Raises:
        CorruptImageError: The bytes are no image, or cut off.
    """
    import numpy as np
    from PIL import ExifTags

    image = _decoded(data, where)
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    except Exception:  # mangled notes make Pillow raise almost anything, and `datasets` with it
        turned = True
    return np.asarray(_rgb(image)), turned


def _rgb(image: Image) -> Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def decode_ids(data: bytes, where: str, palette: Sequence[Colour] = ()) -> NDArray[np.uint8]:
    """The stored values of a label map, uint8 [H, W]; of a palette image the indices, not the colours.

    Args:
        data: An image of mode L or P.
        where: Named in the error.
        palette: What the indices of a palette image have to look like; empty where any colour will do.

    Raises:
        CorruptImageError: The bytes are no image, or cut off.
        DataError: The image is not one with 8 bits in one channel, or an index that occurs has another colour.
    """
    import numpy as np

    image = _decoded(data, where)
    if image.mode not in ("L", "P"):
        raise DataError(f"{where} has mode {image.mode}; a label map has one channel of 8 bits (mode L or P).")
    ids = np.array(image)
    if palette and image.mode == "P":
        _check_colours(ids, _colours(image), palette, where)
    return ids


def _colours(image: Image) -> tuple[Colour, ...]:
    stored = iter(image.getpalette("RGB") or ())
    return tuple(zip(stored, stored, stored, strict=False))


def _check_colours(ids: NDArray[np.uint8], stored: Sequence[Colour], wanted: Sequence[Colour], where: str) -> None:
    import numpy as np

    if stored == wanted:
        return
    for label in np.unique(ids).tolist():
        found = stored[label] if label < len(stored) else "no colour"
        if found != wanted[label]:
            raise DataError(
                f"{where}: its palette gives index {label} {found} instead of {wanted[label]}: "
                "the indices are not the class ids."
            )


def decode_uint16(data: bytes, where: str) -> NDArray[np.uint16]:
    """The stored values of a depth map, uint16 [H, W].

    Raises:
        CorruptImageError: The bytes are no image, or cut off.
        DataError: The image is not one with 16 bits in one channel.
    """
    import numpy as np

    image = _decoded(data, where)
    if not image.mode.startswith("I"):
        raise DataError(f"{where} has mode {image.mode}; a depth map has one channel of 16 bits.")
    values = np.array(image)
    if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:  # mode I has 32 bits
        raise DataError(f"{where} holds a value beyond 16 bits.")
    return values.astype(np.uint16)


def encode_uint16(values: NDArray[np.uint16]) -> bytes:
    """A map uint16 [H, W] as grey PNG of 16 bits."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG")
    return buffer.getvalue()


def encode_ids(label: NDArray[np.uint8]) -> bytes:
    """A label map uint8 [H, W] as PNG of mode L."""
    return encode_grey(label)


def _upright(image: Image, where: str) -> Image:
    """The image as `datasets` and every viewer show it: cameras note down how they were held."""
    from PIL import ExifTags, ImageOps

    try:
        turned = image.getexif().get(ExifTags.Base.Orientation) is not None
        return ImageOps.exif_transpose(image) if turned else image
    except Exception as error:  # as `_decoded`
        raise CorruptImageError(f"{where} is not a readable image: {_reason(error)}.") from error


def _decoded(data: bytes, where: str) -> Image:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # mangled bytes make the decoders raise almost anything
        raise CorruptImageError(f"{where} is not a readable image: {_reason(error)}.") from error
    return image


def _reason(error: Exception) -> str:
    """One line that is the same on every run: Pillow names unknown formats by an address in memory."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "its bytes are of no known format"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def header_size(data: bytes, where: str) -> tuple[int, int]:
    """Height and width of the stored pixels, as the head of an encoded image says.

    The pixels are not decoded, so faults there are not seen.

    Raises:
        CorruptImageError: The bytes are no image.
    """
    from PIL import Image

    try:
        width, height = Image.open(io.BytesIO(data)).size
    except MemoryError:
        raise
    except Exception as error:
        raise CorruptImageError(f"{where} is not a readable image: {_reason(error)}.") from error
    return height, width


def is_corrupt(data: bytes) -> bool:
    """Whether an encoded image cannot be decoded."""
    try:
        _decoded(data, "")
    except CorruptImageError:
        return True
    return False


def image_size(data: bytes, where: str) -> tuple[int, int]:
    """Height and width of an encoded image that decodes without fault.

    Raises:
        CorruptImageError: The bytes are no image, or cut off.
    """
    width, height = _decoded(data, where).size
    return height, width
