"""Label maps as indexed PNG, small and the same bytes every time."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from segbench.specs import Colour

__all__ = ["encode_label_map", "stored_text"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3


def encode_label_map(
    label_map: NDArray[np.uint8], palette: Sequence[Colour], text: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """PNG bytes whose indices are the class ids.

    Pillow's encoder makes these files 16 % larger (its zlib-ng trades size for speed) and changes them from release to
    release. Four bits a pixel wherever they suffice, no row filter, zlib's hardest level: the smallest of the
    combinations that were tried on CamVid.

    Args:
        label_map: uint8 [H,W].
        palette: RGB colour of each id; ids beyond it are black.
        text: What the file says of itself, by keyword; Latin-1.
    """
    height, width = label_map.shape
    colours = _colours(palette, int(label_map.max(initial=0)) + 1)
    depth = 4 if len(colours) <= 16 else 8
    rows = _packed(label_map) if depth == 4 else label_map
    filtered = np.pad(rows, ((0, 0), (1, 0)))  # each row begins with its filter: 0, none
    header = struct.pack(">IIBBBBB", width, height, depth, _INDEXED, 0, 0, 0)
    data = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
    pixels = data.compress(filtered.tobytes()) + data.flush()
    said = [(b"tEXt", f"{keyword}\0{value}".encode("latin-1")) for keyword, value in text.items()]
    chunks = ((b"IHDR", header), (b"PLTE", colours.tobytes()), *said, (b"IDAT", pixels), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def stored_text(path: Path) -> dict[str, str]:
    """What a PNG file says of itself, by keyword; nothing where it is no PNG that can be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            return {str(keyword): value for keyword, value in image.info.items() if isinstance(value, str)}
    except (UnidentifiedImageError, OSError, SyntaxError):
        return {}


def _colours(palette: Sequence[Colour], needed: int) -> NDArray[np.uint8]:
    colours = np.zeros((max(len(palette), needed), 3), np.uint8)
    if palette:
        colours[: len(palette)] = palette
    return colours


def _packed(label_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two pixels a byte, the left one in the high bits."""
    even = np.pad(label_map, ((0, 0), (0, label_map.shape[1] % 2)))
    packed: NDArray[np.uint8] = np.bitwise_or(even[:, 0::2] << np.uint8(4), even[:, 1::2])
    return packed


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
