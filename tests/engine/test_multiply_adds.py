"""Counts against those worked out by hand."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from segbench.engine.multiply_adds import multiply_adds
from segbench.models import create_model


@pytest.fixture(autouse=True)
def no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """That device has no precision to choose."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def counted(name: str, size: tuple[int, int], batch: int = 1) -> int:
    """At full width on torch's device without values: shapes alone decide."""
    with torch.device("meta"):
        model = create_model(name, 11).eval()
        return multiply_adds(model, torch.empty(batch, 3, *size))


def test_a_convolution_is_output_pixels_times_weights() -> None:
    images = torch.zeros(2, 4, 9, 7)
    assert multiply_adds(nn.Conv2d(4, 6, 3, stride=2, padding=1), images) == 2 * (5 * 4) * (6 * 4 * 3 * 3)
    assert multiply_adds(nn.Conv2d(4, 8, 7, padding=3, groups=4), images) == 2 * (9 * 7) * (8 * 1 * 7 * 7)


def test_a_transposed_convolution_is_input_pixels_times_weights() -> None:
    # Each of 3 x 5 pixels of 4 maps is multiplied with a kernel of 8 x 8 for each of 6 maps.
    doubling = nn.ConvTranspose2d(4, 6, 8, stride=2, padding=3)
    assert multiply_adds(doubling, torch.zeros(2, 4, 3, 5)) == 2 * (3 * 5) * 4 * 6 * (8 * 8)


def test_segnet_basic_by_hand() -> None:
    full, half, quarter, eighth = 360 * 480, 180 * 240, 90 * 120, 45 * 60
    kernel = 7 * 7 * 64 * 64
    encoders = full * 7 * 7 * 3 * 64 + (half + quarter + eighth) * kernel
    # Each decoder convolves at the size that its level had before pooling.
    decoders = (eighth + quarter + half + full) * kernel
    classifier = full * 64 * 11
    assert encoders + decoders + classifier == 59_188_838_400
    assert counted("segnet-basic", (360, 480)) == 59_188_838_400


def test_fcn_32s_by_hand() -> None:
    # 100 zeros on each side and no more: 360 + 200 - 2 by 480 + 200 - 2; pooling rounds up.
    sizes = [558 * 678, 279 * 339, 140 * 170, 70 * 85, 35 * 43]
    weights = [
        9 * (3 * 64 + 64 * 64),
        9 * (64 * 128 + 128 * 128),
        9 * (128 * 256 + 2 * 256 * 256),
        9 * (256 * 512 + 2 * 512 * 512),
        9 * (3 * 512 * 512),
    ]
    encoder = sum(pixels * kernel for pixels, kernel in zip(sizes, weights, strict=True))
    # The last pooling leaves 18 x 22; seven by seven without padding 12 x 16.
    fully_connected = 12 * 16 * (7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 11)
    # Upsampling is a product with a 360 x 12 matrix, then one with a 16 x 480 matrix, for each class.
    upsampling = 11 * (360 * 12 * 16 + 360 * 16 * 480)
    assert counted("fcn-32s", (360, 480)) == encoder + fully_connected + upsampling


@pytest.mark.parametrize("name", ["segnet", "fcn", "deeplab-largefov"])
def test_a_batch_takes_as_many_times_more(name: str) -> None:
    assert counted(name, (64, 96), batch=3) == 3 * counted(name, (64, 96))
