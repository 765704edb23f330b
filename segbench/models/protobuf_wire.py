"""The wire format of Protocol Buffers, as far as a file of weights needs it: fields, whole numbers, runs of floats.

Nothing is trusted: a length is checked against what is there before anything is taken, and no memory is set aside for
what a file only claims to hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Field", "MalformedError", "fields", "floats", "whole_numbers"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SIZES = {FIXED64: 8, FIXED32: 4}
FLOAT_OF = {FIXED64: "<f8", FIXED32: "<f4"}
LONGEST_VARINT = 10
FIRST_LOOK = 64


class MalformedError(ValueError):
    """Bytes or text that are not what they should be; the message says what and where."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: By which the schema knows it.
        kind: Wire type.
        value: A whole number, or the bytes.
        start: Of its tag within the message.
        content: Where what follows the tag begins.
        end: Where the next field begins.
    """

    number: int
    kind: int
    value: int | memoryview
    start: int
    content: int
    end: int

    @property
    def message(self) -> memoryview:
        """The bytes of a field that holds a message or a text.

        Raises:
            MalformedError: It holds something else.
        """
        if self.kind != BYTES or isinstance(self.value, int):
            raise MalformedError(f"field {self.number} has wire type {self.kind}, not {BYTES}")
        return self.value

    @property
    def text(self) -> str:
        """A text; bytes that are no UTF-8 are replaced."""
        return bytes(self.message).decode("utf-8", errors="replace")

    @property
    def whole_number(self) -> int:
        """A whole number from 0.

        Raises:
            MalformedError: It holds something else.
        """
        if not isinstance(self.value, int):
            raise MalformedError(f"field {self.number} has wire type {self.kind}, not {VARINT}")
        return self.value


def fields(message: memoryview, *, but: tuple[int, ...] = ()) -> Iterator[Field]:
    """The fields of a message in their order.

    Args:
        but: Numbers of fields that hold floats and are passed over, a million of them in one step.

    Raises:
        MalformedError: A field reaches beyond the end, or has a wire type that is not used any more.
    """
    position = 0
    while position < len(message):
        field = _field(message, position)
        position = field.end
        if field.number not in but:
            yield field
        elif field.kind in SIZES:
            position = _after_run(message, field)


def floats(message: memoryview, numbers: tuple[int, ...]) -> NDArray[np.float32]:
    """All floats and doubles of fields of these numbers, packed or one by one, in their order.

    Args:
        numbers: Below 16, as those of a schema of Caffe are.

    Raises:
        MalformedError: The message is damaged, or the fields hold no floats.
    """
    parts: list[NDArray[np.float32]] = []
    position = 0
    while position < len(message):
        field = _field(message, position)
        position = field.end
        if field.number not in numbers:
            continue
        if field.kind == BYTES:
            parts.append(_packed(field, message))
        else:
            position = _after_run(message, field)
            parts.append(_run(message[field.start : position], field))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def whole_numbers(message: memoryview, number: int) -> list[int]:
    """All whole numbers of a field, packed or one by one."""
    found: list[int] = []
    for field in fields(message):
        if field.number == number and field.kind == BYTES:
            position = 0
            while position < len(field.message):
                value, position = _varint(field.message, position)
                found.append(value)
        elif field.number == number:
            found.append(field.whole_number)
    return found


def _field(message: memoryview, start: int) -> Field:
    tag, content = _varint(message, start)
    number, kind = tag >> 3, tag & 7
    if kind == VARINT:
        value, end = _varint(message, content)
        return Field(number, kind, value, start, content, end)
    begin, length = content, SIZES.get(kind, -1)
    if kind == BYTES:
        length, begin = _varint(message, content)
    if length < 0 or number == 0:
        raise MalformedError(f"byte {start} begins no field (number {number}, wire type {kind})")
    if length > len(message) - begin:
        left = len(message) - begin
        raise MalformedError(f"field {number} at byte {start} states {length} bytes where {left} are left; cut short?")
    return Field(number, kind, message[begin : begin + length], start, content, begin + length)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[position : position + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + index + 1
    raise MalformedError(f"a number that begins at byte {position} does not end; cut short?")


def _packed(field: Field, message: memoryview) -> NDArray[np.float32]:
    """Which of the two a packed field holds is told by its number alone, so Caffe's two are known here."""
    kind = FLOAT_OF[FIXED64 if field.number == DOUBLE_DATA else FIXED32]
    if len(field.message) % np.dtype(kind).itemsize:
        raise MalformedError(f"field {field.number} at byte {field.start} holds {len(field.message)} bytes of {kind}")
    return np.frombuffer(field.message, kind).astype(np.float32)


DOUBLE_DATA = 8
"""``double_data`` of a blob."""


def _after_run(message: memoryview, first: Field) -> int:
    """Where the fields of one value that follow each other with the same tag end: one look in place of millions."""
    if first.kind not in SIZES:
        raise MalformedError(f"field {first.number} at byte {first.start} holds no floats")
    size, end, look = first.end - first.start, first.end, FIRST_LOOK
    while first.content - first.start == 1 and end < len(message):
        count = min(look, (len(message) - end) // size)
        tags = np.frombuffer(message, np.uint8, count * size, end)[::size]
        others = np.flatnonzero(tags != message[first.start])
        end += size * (int(others[0]) if len(others) else count)
        # Looking ever further keeps the work in proportion to what is found.
        look *= 2
        if len(others) or count < look // 2:
            break
    return end


def _run(message: memoryview, first: Field) -> NDArray[np.float32]:
    """The values of such fields, which are all of ``message``."""
    rows = np.frombuffer(message, np.uint8).reshape(-1, first.end - first.start)
    values = np.ascontiguousarray(rows[:, first.content - first.start :])
    return values.view(FLOAT_OF[first.kind])[:, 0].astype(np.float32)
