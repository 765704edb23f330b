"""ImageNet weights of VGG16 in the encoder of a network: read, checked, and put where they belong.

Whoever trained the weights decided what their input is, and the network takes that over: its own mean and deviation are
replaced by those of the weights (``mean`` and ``std`` of the factories, see :func:`input_of`). Nothing is folded into a
convolution but the order of the channels: the networks read BGR, so that the three input channels of torchvision's
first convolution, which reads RGB, are turned round. Zeros around the image then mean to the encoder what they meant
when it was trained, at every pixel.

- Tensors named as torchvision names them (``features.0.weight`` ...; timm's copies too): RGB in 0..1, less (0.485,
  0.456, 0.406), over (0.229, 0.224, 0.225). ``vgg16_bn`` brings its batch normalisation, statistics included; after
  ``vgg16`` batch normalisation starts as it always does (scale 1, shift 0), as in the SegNet paper.
- A ``.caffemodel`` with the layer names of VGG's authors (``conv1_1`` ...): BGR in 0..255 less (103.939, 116.779,
  123.68).

The fully connected layers are taken where the network has them as convolutions of the same size (FCN).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segbench.errors import CheckpointError
from segbench.models.vgg import VGG16_CHANNELS

__all__ = ["Encoder", "Naming", "fill_encoder", "find_encoder", "input_of"]

Naming = Literal["torchvision", "caffe"]

RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)
CONVOLUTIONS = sum(map(len, VGG16_CHANNELS))
STATISTICS = ("weight", "bias", "running_mean", "running_var")
FULLY_CONNECTED = {
    "torchvision": (("classifier.0", "classifier.3"), ("pre_logits.fc1", "pre_logits.fc2")),
    "caffe": (("fc6", "fc7"),),
}
PREFIX = "features."


def input_of(naming: Naming) -> dict[str, Any]:
    """Arguments of a factory that make a network read what weights of this naming were trained on, scaled to 0..255."""
    if naming == "caffe":
        return {"mean": list(CAFFE_MEAN)}
    mean, std = ([round(255 * value, 4) for value in reversed(values)] for values in (RGB_MEAN, RGB_STD))
    return {"mean": mean, "std": std}


@dataclass(frozen=True)
class Encoder:
    """The parts of a network that VGG16's weights fit into.

    Attributes:
        convolutions: Its 13 convolutions of 3x3, conv1_1 to conv5_3.
        normalisations: The batch normalisation after each; ``None`` where there is none.
        fully_connected: VGG16's first two fully connected layers as convolutions; empty where there are none.
    """

    convolutions: list[nn.Conv2d]
    normalisations: list[nn.BatchNorm2d] | None
    fully_connected: list[nn.Conv2d]


def find_encoder(model: nn.Module, name: str) -> Encoder:
    """The encoder of a network.

    Args:
        name: The network's, for the error.

    Raises:
        CheckpointError: It is not VGG16's.
    """
    levels = getattr(model, "levels", None) or getattr(model, "encoder", None)
    parts = [] if levels is None else list(levels.modules())
    convolutions = [part for part in parts if isinstance(part, nn.Conv2d)]
    if len(convolutions) != CONVOLUTIONS or any(part.kernel_size != (3, 3) for part in convolutions):
        raise CheckpointError(
            f"{name} has no VGG16 encoder that weights could go into.",
            "Leave --encoder-weights out, or take a network such as segnet, fcn-8s or deeplab-largefov.",
        )
    normalisations = [part for part in parts if isinstance(part, nn.BatchNorm2d)]
    head = getattr(model, "fully_connected", None)
    fully_connected = [] if head is None else [part for part in head.modules() if isinstance(part, nn.Conv2d)]
    return Encoder(convolutions, normalisations or None, fully_connected)


def fill_encoder(encoder: Encoder, tensors: Mapping[str, Tensor], naming: Naming, where: str) -> int:
    """Puts the weights into an encoder; on the device ``meta`` it only checks them.

    Args:
        where: The file, for the errors.

    Returns:
        How many layers with weights were filled: 13 convolutions, and up to two fully connected layers.

    Raises:
        CheckpointError: Something is missing, too much or of another shape; names what.
    """
    wanted = dict(_wanted(encoder, tensors, naming))
    _check(wanted, tensors, naming, where)
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(tensors[name].reshape(parameter.shape))
        if naming == "torchvision":
            first = encoder.convolutions[0].weight
            first.copy_(first.flip(1))
    return sum(parameter.ndim == 4 for parameter in wanted.values())


def _wanted(encoder: Encoder, tensors: Mapping[str, Tensor], naming: Naming) -> Iterator[tuple[str, Tensor]]:
    """Each tensor's name in the file and its place in the network."""
    normalised = naming == "torchvision" and any(name.endswith("running_mean") for name in tensors)
    names = _caffe_names() if naming == "caffe" else _torchvision_names(tensors, normalised)
    for number, (name, convolution) in enumerate(zip(names, encoder.convolutions, strict=True)):
        yield from _layer(name, convolution)
        if normalised and encoder.normalisations is not None:
            following = f"{name.rpartition('.')[0]}.{int(name.rpartition('.')[2]) + 1}".lstrip(".")
            for part in STATISTICS:
                yield f"{following}.{part}", getattr(encoder.normalisations[number], part)
    yield from _fully_connected(encoder, tensors, naming)


def _layer(name: str, convolution: nn.Conv2d) -> Iterator[tuple[str, Tensor]]:
    assert convolution.bias is not None
    yield f"{name}.weight", convolution.weight
    yield f"{name}.bias", convolution.bias


def _caffe_names() -> Iterator[str]:
    for level, channels in enumerate(VGG16_CHANNELS, 1):
        yield from (f"conv{level}_{number}" for number in range(1, 1 + len(channels)))


def _torchvision_names(tensors: Mapping[str, Tensor], normalised: bool) -> Iterator[str]:
    """Convolution, batch normalisation where there is one and ReLU are counted, and the pooling after each level."""
    prefix, position = PREFIX if any(name.startswith(PREFIX) for name in tensors) else "", 0
    for channels in VGG16_CHANNELS:
        for _ in channels:
            yield f"{prefix}{position}"
            position += 3 if normalised else 2
        position += 1


def _fully_connected(encoder: Encoder, tensors: Mapping[str, Tensor], naming: Naming) -> Iterator[tuple[str, Tensor]]:
    for names in FULLY_CONNECTED[naming]:
        pairs = list(zip(names, encoder.fully_connected, strict=False))
        if pairs and all(_fits(tensors.get(f"{name}.weight"), convolution) for name, convolution in pairs):
            for name, convolution in pairs:
                yield from _layer(name, convolution)
            return


def _fits(weight: Tensor | None, convolution: nn.Conv2d) -> bool:
    """A matrix [outputs, inputs x 7 x 7] is the convolution [outputs, inputs, 7, 7] flattened."""
    outputs = convolution.out_channels
    return weight is not None and weight.numel() == convolution.weight.numel() and outputs in weight.shape


def _check(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], naming: Naming, where: str) -> None:
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise CheckpointError(
            f"{where} lacks {_listed(missing)}: {CONVOLUTIONS} convolutions of VGG16 are needed, named as "
            f"{'Caffe' if naming == 'caffe' else 'torchvision'} names them."
        )
    for name, parameter in wanted.items():
        found = tuple(tensors[name].shape)
        if not _same(found, tuple(parameter.shape)):
            right = "x".join(map(str, parameter.shape))
            raise CheckpointError(f"{where}: {name} has shape {'x'.join(map(str, found))} where {right} belongs.")
        if not tensors[name].is_floating_point() or not bool(torch.isfinite(tensors[name]).all()):
            raise CheckpointError(f"{where}: {name} holds values that are no finite floats.")
    places = {name.rpartition(".")[0] for name in wanted}
    strange = [name for name in tensors if name.startswith(PREFIX) and name.rpartition(".")[0] not in places]
    if strange:
        raise CheckpointError(f"{where} holds {_listed(strange)}, for which the network's VGG16 has no place.")


def _same(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Biases of Caffe may have dimensions of 1, fully connected layers are flattened."""
    if found == wanted:
        return True
    if len(wanted) == 1:
        return [side for side in found if side != 1] == list(wanted)
    return wanted[2:] != (3, 3) and torch.Size(found).numel() == torch.Size(wanted).numel()


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
