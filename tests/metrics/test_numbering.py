from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.metrics.numbering import Numbering, class_ids

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@given(
    st.sampled_from(TYPES),
    st.sampled_from(TYPES),
    st.sampled_from([1, 3, 254, 255, 256, 300, 4096]),
    st.sampled_from([-100, -1, 0, 2, 11, 254, 255, 256, 300, 4096, 65535]),
    st.data(),
)
def test_numbers_mean_what_class_ids_say(
    kind: str, other: str, num_classes: int, ignore_index: int, data: st.DataObject
) -> None:
    edges = [0, 1, 2, 127, 254, 255, num_classes - 1, num_classes, num_classes + 1, ignore_index, -1, -128, 2**31]
    maps = []
    for name in (kind, other):
        allowed = [value for value in edges if np.iinfo(name).min <= value <= np.iinfo(name).max]
        maps.append(np.array(data.draw(st.lists(st.sampled_from(allowed), min_size=1, max_size=6)), name))
    numbering = Numbering.of(maps, num_classes, ignore_index)
    for values in maps:
        expected = class_ids(values, num_classes, ignore_index).tolist()
        numbers = numbering.numbers(numbering.narrow(values)).tolist()
        assert [meaning(number, numbering) for number in numbers] == expected
        assert max(numbers) <= num_classes + 1


def meaning(number: int, numbering: Numbering) -> int:
    if number == numbering.void:
        return numbering.num_classes
    neither = number >= numbering.beyond
    return numbering.num_classes + 1 if neither else number - numbering.first


@pytest.mark.parametrize("ignore_index", [255, 3, 1, -1, 254])
def test_neither_begins_behind_the_classes_and_void(ignore_index: int) -> None:
    values = np.array([0, 1, 2, ignore_index], np.int16)
    numbering = Numbering.of([values], 3, ignore_index)
    assert numbering.numbers(numbering.narrow(values)).max() < numbering.beyond
    assert numbering.numbers(numbering.narrow(np.array([7], np.int16))).tolist() >= [numbering.beyond]
