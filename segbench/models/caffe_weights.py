"""A ``.caffemodel``: the weights of each layer by its name, read without Caffe.

The numbers of the fields are those of BVLC/caffe and alexgkendall/caffe-segnet ``src/caffe/proto/caffe.proto``: layers
of version 2 (``layer``) and version 1 (``layers``), blobs with a ``shape`` or with the four dimensions that came before
it, floats or doubles, packed or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segbench.errors import CheckpointError
from segbench.models.protobuf_wire import MalformedError, fields, floats, whole_numbers

__all__ = ["Blobs", "read_caffemodel"]

Blobs = tuple[NDArray[np.float32], ...]


class _Layout(NamedTuple):
    """Field numbers of one version of a layer."""

    name: int
    blobs: int


LAYOUTS = {100: _Layout(name=1, blobs=7), 2: _Layout(name=4, blobs=6)}
"""By the field of the network that holds such layers: ``layer`` and ``layers``."""
VERSION_0 = 1
"""The field of a version 1 layer in which one of version 0 is wrapped."""
SHAPE, DIMENSION = 7, 1
OLD_DIMENSIONS = (1, 2, 3, 4)
DATA, DOUBLE_DATA = 5, 8


def read_caffemodel(path: Path) -> Mapping[str, Blobs]:
    """The blobs of every layer that has some, float32 in the order of the file; layers without weights are left out.

    Raises:
        CheckpointError: The file is missing or is no ``.caffemodel``; says where it is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror}.", "Give the .caffemodel file.") from error
    try:
        return _layers(memoryview(content))
    except MalformedError as error:
        raise CheckpointError(
            f"{path} ({len(content)} bytes) is no readable .caffemodel: {error}.", "Download it again, whole."
        ) from error


def _layers(network: memoryview) -> dict[str, Blobs]:
    found: dict[str, Blobs] = {}
    for field in fields(network):
        layout = LAYOUTS.get(field.number)
        if layout is None:
            continue
        name, blobs = _layer(field.message, layout)
        if blobs and name in found:
            raise MalformedError(f"layer '{name}' is there twice")
        if blobs:
            found[name] = blobs
    if not found:
        raise MalformedError("no layer in it holds weights")
    return found


def _layer(message: memoryview, layout: _Layout) -> tuple[str, Blobs]:
    name, parts = "", list[memoryview]()
    for field in fields(message):
        if field.number == layout.name:
            name = field.text
        elif field.number == layout.blobs:
            parts.append(field.message)
        elif field.number == VERSION_0 and layout is LAYOUTS[2]:
            raise MalformedError("its layers are of version 0, older than what can be read")
    return name, tuple(_blob(part, f"blob {number} of layer '{name}'") for number, part in enumerate(parts))


def _blob(message: memoryview, what: str) -> NDArray[np.float32]:
    shape, values = tuple(_shape(message)), floats(message, (DATA, DOUBLE_DATA))
    if math.prod(shape) != len(values):
        stated = "x".join(map(str, shape)) or "one value"
        raise MalformedError(f"{what} states {stated} and holds {len(values)} values")
    if not np.isfinite(values).all():
        raise MalformedError(f"{what} holds values that are no numbers")
    return values.reshape(shape)


def _shape(message: memoryview) -> Iterator[int]:
    old = dict.fromkeys(OLD_DIMENSIONS, 0)
    for field in fields(message, but=(DATA, DOUBLE_DATA)):
        if field.number == SHAPE:
            yield from whole_numbers(field.message, DIMENSION)
            return
        if field.number in old:
            old[field.number] = field.whole_number
    yield from old.values()
