"""Colour jitter against the four changes made one after the other, pixel by pixel."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.engine.colour_jitter import jitter_colours, jitters
from segbench.recipe import Augmentation

ALL = Augmentation(brightness=0.2, contrast=0.3, saturation=0.4, hue=0.1)


def pictures(count: int = 3, low: float = 90, high: float = 150) -> Tensor:
    """Noise far from 0 and 255, so that nothing is cut off."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, 5, 7, generator=generator) * (high - low) + low
    return images.contiguous(memory_format=torch.channels_last)


def one_by_one(image: NDArray[np.float64], augment: Augmentation, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """[3, H, W], changed step by step; hue by a rotation in the plane of two axes across grey."""
    brightness, contrast, saturation = (
        1 + strength * (2 * draw - 1)
        for strength, draw in zip((augment.brightness, augment.contrast, augment.saturation), draws, strict=False)
    )
    luma = np.array([0.299, 0.587, 0.114])
    image = image * brightness
    middle = np.einsum("c,chw->hw", luma, image).mean()
    image = middle + contrast * (image - middle)
    grey = np.einsum("c,chw->hw", luma, image)
    image = grey + saturation * (image - grey)
    angle = 2 * math.pi * augment.hue * (2 * draws[3] - 1)
    along, first, second = (np.array(axis) / np.linalg.norm(axis) for axis in ((1, 1, 1), (1, -1, 0), (1, 1, -2)))
    parts = [np.einsum("c,chw->hw", axis, image) for axis in (along, first, second)]
    turned = (
        parts[0],
        math.cos(angle) * parts[1] - math.sin(angle) * parts[2],
        math.sin(angle) * parts[1] + math.cos(angle) * parts[2],
    )
    changed: NDArray[np.float64] = np.einsum("pc,phw->chw", np.stack([along, first, second]), np.stack(turned))
    return changed


def test_is_the_four_changes_in_turn() -> None:
    images, draws = pictures(), np.random.default_rng(0).random((3, 4))
    changed = jitter_colours(images, ALL, draws)
    for image, row, found in zip(images.double().numpy(), draws, changed.numpy(), strict=True):
        np.testing.assert_allclose(found, one_by_one(image, ALL, row), rtol=1e-4)


def test_without_strength_nothing_changes() -> None:
    images = pictures()
    assert not jitters(Augmentation(flip=True))
    torch.testing.assert_close(jitter_colours(images, Augmentation(), np.full((3, 4), 0.9)), images)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_one_strength_is_enough(name: str) -> None:
    augment = Augmentation.model_validate({name: 0.3})
    assert jitters(augment)
    images = pictures()
    assert not torch.allclose(jitter_colours(images, augment, np.full((3, 4), 0.9)), images, atol=1)


def test_values_stay_in_0_to_255_and_the_layout_stays() -> None:
    images = pictures(low=0, high=255)
    strong = Augmentation(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5)
    changed = jitter_colours(images, strong, np.random.default_rng(1).random((3, 4)))
    assert changed.min() == 0
    assert changed.max() == 255
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert changed.dtype == torch.float32


def test_a_third_of_a_turn_makes_red_green() -> None:
    images = torch.full((1, 3, 2, 2), 100.0)
    images[:, 0] += 60
    changed = jitter_colours(images, Augmentation(hue=0.5), np.array([[0.5, 0.5, 0.5, 0.5 + 1 / 3]]))
    hue = colorsys.rgb_to_hsv(*(changed[0, :, 0, 0] / 255).tolist())[0]
    assert hue == pytest.approx(1 / 3, abs=1e-4)
    assert changed[0, :, 0, 0].tolist() == pytest.approx([100, 160, 100], abs=1e-2)


def test_grey_keeps_its_hue_and_its_saturation() -> None:
    images = (torch.rand(2, 1, 4, 4) * 100 + 50).expand(2, 3, 4, 4)
    changed = jitter_colours(images, ALL, np.random.default_rng(2).random((2, 4)))
    torch.testing.assert_close(changed[:, 0], changed[:, 1])
    torch.testing.assert_close(changed[:, 0], changed[:, 2])
