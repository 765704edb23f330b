"""VGG16 state dicts with random weights, and what such an encoder computes, with functions of torch alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

CONFIGURATION = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


def state_dict(width: int = 64, *, batch_norm: bool = False, head: int = 0, seed: int = 0) -> dict[str, Tensor]:
    """Tensors as torchvision names those of ``vgg16`` and ``vgg16_bn``.

    Args:
        width: Maps of the first level.
        head: Maps of the fully connected layers, 0 for none.
    """
    dice, tensors, inputs, position = torch.Generator().manual_seed(seed), dict[str, Tensor](), 3, 0
    for entry in CONFIGURATION:
        if isinstance(entry, str):
            position += 1
            continue
        outputs = entry * width // 64
        weight = torch.randn(outputs, inputs, 3, 3, generator=dice) * (2 / (9 * inputs)) ** 0.5
        tensors[f"features.{position}.weight"] = weight
        tensors[f"features.{position}.bias"] = torch.randn(outputs, generator=dice) * 0.1
        if batch_norm:
            tensors |= _norm(f"features.{position + 1}", outputs, dice)
        inputs, position = outputs, position + (3 if batch_norm else 2)
    if head:
        tensors["classifier.0.weight"] = torch.randn(head, inputs * 49, generator=dice) * 0.01
        tensors["classifier.0.bias"] = torch.randn(head, generator=dice)
        tensors["classifier.3.weight"] = torch.randn(head, head, generator=dice) * 0.1
        tensors["classifier.3.bias"] = torch.randn(head, generator=dice)
        tensors["classifier.6.weight"] = torch.randn(10, head, generator=dice)
        tensors["classifier.6.bias"] = torch.randn(10, generator=dice)
    return tensors


def _norm(name: str, maps: int, dice: torch.Generator) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.rand(maps, generator=dice) + 0.5,
        f"{name}.bias": torch.randn(maps, generator=dice) * 0.1,
        f"{name}.running_mean": torch.randn(maps, generator=dice) * 0.1,
        f"{name}.running_var": torch.rand(maps, generator=dice) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(1000),
    }


def levels(tensors: Mapping[str, Tensor], images: Tensor) -> list[Tensor]:
    """Maps before each pooling for RGB images [N, 3, H, W] in 0..255, which torchvision normalises."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    maps, found, position = (images / 255 - mean) / deviation, list[Tensor](), 0
    batch_norm = "features.1.weight" in tensors
    for entry in CONFIGURATION:
        if isinstance(entry, str):
            found.append(maps)
            maps = functional.max_pool2d(maps, 2, 2, ceil_mode=True)
            position += 1
            continue
        name = f"features.{position}"
        maps = functional.conv2d(maps, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1)
        if batch_norm:
            names = ("running_mean", "running_var", "weight", "bias")
            mean, variance, scale, shift = (tensors[f"features.{position + 1}.{part}"] for part in names)
            maps = functional.batch_norm(maps, mean, variance, scale, shift)
        maps, position = maps.relu(), position + (3 if batch_norm else 2)
    return found
