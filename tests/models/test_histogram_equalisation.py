"""Histogram equalisation against OpenCV's rule written out value by value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from segbench.models.histogram_equalisation import HistogramEqualisation, equalise


def opencv(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``equalizeHist``: running sums of the histogram above its first value, in float32, rounded half to even."""
    histogram = [int((channel == value).sum()) for value in range(256)]
    first = next(value for value in range(256) if histogram[value])
    if histogram[first] == channel.size:
        return channel
    scale = np.float32(255) / np.float32(channel.size - histogram[first])
    table, total = np.zeros(256, np.uint8), 0
    for value in range(first + 1, 256):
        total += histogram[value]
        table[value] = np.rint(np.float32(total) * scale)
    equalised: NDArray[np.uint8] = table[channel]
    return equalised


def pictures(name: str) -> NDArray[np.uint8]:
    dice = np.random.default_rng(0)
    made: dict[str, NDArray[Any]] = {
        "dark": dice.normal(40, 15, (2, 3, 23, 31)),
        "uniform": dice.uniform(0, 256, (2, 3, 17, 19)),
        "few values": dice.choice([3, 200, 255], (1, 3, 8, 9)),
        "one value": np.full((1, 3, 5, 6), 77),
        "all": np.arange(768).reshape(1, 3, 16, 16) % 256,
    }
    clipped: NDArray[np.uint8] = np.clip(made[name], 0, 255).astype(np.uint8)
    return clipped


@pytest.mark.parametrize("name", ["dark", "uniform", "few values", "one value", "all"])
def test_is_that_of_opencv(name: str) -> None:
    images = pictures(name)
    expected = np.stack([[opencv(channel) for channel in image] for image in images])
    found = equalise(torch.from_numpy(images))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.float32))


def test_worked_by_hand() -> None:
    # Six pixels: 10 twice, 20 three times, 90 once; above the first value 3 and 4 of 4 pixels.
    channel = torch.tensor([10, 20, 20, 90, 10, 20]).view(1, 1, 2, 3)
    assert equalise(channel).flatten().tolist() == [0, 191, 191, 255, 0, 191]


def test_values_between_whole_numbers_are_rounded_first() -> None:
    channel = torch.tensor([9.6, 20.4, 19.5, 90.2]).view(1, 1, 2, 2)
    assert torch.equal(equalise(channel), equalise(torch.tensor([10, 20, 20, 90]).view(1, 1, 2, 2)))


def test_channels_are_equalised_alone_and_turned_about() -> None:
    images = torch.from_numpy(pictures("dark"))
    found = HistogramEqualisation()(images)
    assert torch.equal(found[:, 2], equalise(images[:, :1])[:, 0])
    assert torch.equal(found[:, 0], equalise(images[:, 2:])[:, 0])
