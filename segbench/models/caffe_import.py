"""A trained network of caffe-segnet as one of ours: which network it is, and its weights in their places.

The chain of steps must be one of ours step by step; then the n-th convolution is our n-th convolution. What a step of
the release holds and where it goes:

- a convolution's weights and bias as they are, but for the first one of a network that reads RGB here (SegNet-Basic):
  Caffe reads BGR, so its three input channels are turned round (its normalisation is the same for all three);
- a ``BN`` layer in ``INFERENCE`` mode holds scale and shift with the statistics folded in, y = scale * x + shift: they
  become weight and bias, and mean and variance those with which the layer computes just that (0, and 1 less epsilon).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segbench.errors import CheckpointError
from segbench.models.basic import SegNetBasic
from segbench.models.bayesian import ThinningDropout
from segbench.models.blocks import LocalResponseNormalisation, describe_preprocess
from segbench.models.caffe_network import CaffeNetwork, Step, StepKind
from segbench.models.caffe_weights import Blobs
from segbench.models.encoder_decoder import EncoderDecoder

__all__ = ["Place", "check_weights", "fill", "network_of", "places"]

BASIC_POOLINGS, VGG_POOLINGS = 4, 5
VGG_CONVOLUTIONS = 26
KINDS: dict[type[nn.Module], StepKind] = {
    nn.Conv2d: "convolution",
    nn.BatchNorm2d: "bn",
    nn.ReLU: "relu",
    ThinningDropout: "dropout",
    LocalResponseNormalisation: "lrn",
}
ANOTHER = "Only SegNet-Basic, SegNet and their Bayesian forms can be imported."


class Place(NamedTuple):
    """One step of our network.

    Attributes:
        module: What computes it; ``None`` for pooling and upsampling.
    """

    kind: StepKind
    module: nn.Module | None = None

    def __str__(self) -> str:
        if isinstance(self.module, nn.Conv2d):
            return f"a convolution of {self.module.kernel_size[0]}x{self.module.kernel_size[0]} to {self.maps}"
        return self.kind

    @property
    def maps(self) -> int:
        """Outputs of a convolution, else 0."""
        return self.module.out_channels if isinstance(self.module, nn.Conv2d) else 0

    def fits(self, step: Step) -> bool:
        """Whether a step of the release does the same."""
        kernel = self.module.kernel_size[0] if isinstance(self.module, nn.Conv2d) else 0
        return (self.kind, self.maps, kernel) == (step.kind, step.outputs, step.kernel)


def network_of(network: CaffeNetwork, what: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of our network that a definition of Caffe may be; :func:`places` tells whether it is.

    Args:
        what: The definition's file, for the error.

    Raises:
        CheckpointError: None of ours has as many poolings.
    """
    kinds = [step.kind for step in network.steps]
    poolings, convolutions = kinds.count("pooling"), network.convolutions
    if poolings not in (BASIC_POOLINGS, VGG_POOLINGS):
        raise CheckpointError(f"{what} has {poolings} poolings; SegNet-Basic has 4 and SegNet 5.", ANOTHER)
    basic, bayesian = poolings == BASIC_POOLINGS, "dropout" in kinds
    width = convolutions[0].outputs
    config: dict[str, Any] = {} if width == 64 else {"width": width}
    if not basic and len(convolutions) > VGG_CONVOLUTIONS:
        config["head"] = True
    if not basic and bayesian and kinds.index("dropout") < kinds.index("pooling"):
        config["dropout"] = "everywhere"
    return f"{'bayesian-' if bayesian else ''}segnet{'-basic' if basic else ''}", config


def places(model: nn.Module) -> list[Place]:
    """The steps of one of our networks in their order.

    Raises:
        TypeError: It is no encoder-decoder.
    """
    if isinstance(model, SegNetBasic):
        return list(_places(model, model.encoder.blocks, nn.Identity()))
    if isinstance(model, EncoderDecoder):
        return list(_places(model, model.levels, model.bottleneck))
    raise TypeError(f"{type(model).__name__} is no encoder-decoder")


def _places(model: Any, levels: nn.ModuleList, bottleneck: nn.Module) -> Iterator[Place]:
    yield from _parts(model.preprocess)
    for level in levels:
        yield from _parts(level)
        yield Place("pooling")
    yield from _parts(bottleneck)
    for decoder in model.decoders:
        yield Place("upsample")
        yield from _parts(decoder)
    yield from _parts(model.classifier)


def _parts(module: nn.Module) -> Iterator[Place]:
    for part in module.modules():
        kind = next((kind for base, kind in KINDS.items() if isinstance(part, base)), None)
        if kind is not None:
            yield Place(kind, part)


def check_weights(network: CaffeNetwork, weights: Mapping[str, Blobs], what: tuple[str, str]) -> None:
    """Holds weights against their definition, before a network of the size that it states is made.

    Args:
        what: The files of definition and weights, for the errors.

    Raises:
        CheckpointError: A layer's weights are missing or left over, or a convolution's have another shape.
    """
    _check_names(network, weights, what)
    inputs = 3
    for step in network.convolutions:
        blobs, where = weights[step.name], f"{what[1]}: layer '{step.name}'"
        if len(blobs) != 1 + step.biased:
            raise CheckpointError(f"{where} holds {len(blobs)} blobs where {1 + step.biased} belong.")
        _check_shape(blobs[0], (step.outputs, inputs, step.kernel, step.kernel), where)
        inputs = step.outputs


def _check_names(network: CaffeNetwork, weights: Mapping[str, Blobs], what: tuple[str, str]) -> None:
    wanted = [step.name for step in network.steps if step.kind in ("convolution", "bn")]
    missing = [name for name in wanted if name not in weights]
    strange = [name for name in weights if name not in wanted]
    twice = len(wanted) - len(set(wanted))
    if missing or strange or twice:
        problem = f"lacks the weights of {_listed(missing)}" if missing else f"holds weights of {_listed(strange)} too"
        if twice:
            problem = f"cannot be told apart: {twice} layers of {what[0]} share their name with another"
        raise CheckpointError(f"{what[1]} {problem}.", f"Does {what[0]} define these weights?")


def fill(
    model: nn.Module, network: CaffeNetwork, weights: Mapping[str, Blobs], what: tuple[str, str], dropped: int = 0
) -> None:
    """Puts the weights of a release into ``model``.

    Args:
        model: What :func:`network_of` named, with ``dropped`` outputs fewer.
        weights: Blobs by layer, which :func:`check_weights` passed.
        what: The files of definition and weights, for the errors.
        dropped: So many of the first outputs are left out.

    Raises:
        CheckpointError: A step differs, or a bias or a batch normalisation has another length.
    """
    steps = _without_outputs(network, dropped)
    for step, place in zip_longest(steps, ours := places(model)):
        if step is None or place is None or not place.fits(step):
            found = "ends" if step is None else f"has {step}"
            wanted = "nothing more belongs" if place is None else f"{place} belongs"
            raise CheckpointError(f"{what[0]} {found} where {wanted}.", ANOTHER)
    classifier = network.convolutions[-1].name
    with torch.no_grad():
        for step, place in zip(steps, ours, strict=True):
            blobs = weights.get(step.name, ())
            where = f"{what[1]}: layer '{step.name}'"
            if isinstance(place.module, nn.Conv2d):
                cut = blobs if step.name != classifier else tuple(_cut(blob, dropped) for blob in blobs)
                _fill_convolution(place.module, step, cut, where)
            elif isinstance(place.module, nn.BatchNorm2d):
                _fill_batch_norm(place.module, blobs, where)
        if describe_preprocess(model)["channels"] == "RGB":
            first = next(part for part in model.modules() if isinstance(part, nn.Conv2d))
            first.weight.copy_(first.weight.flip(1))
    model.eval()


def _without_outputs(network: CaffeNetwork, dropped: int) -> list[Step]:
    last = network.convolutions[-1]
    return [replace(step, outputs=step.outputs - dropped) if step is last else step for step in network.steps]


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _cut(blob: NDArray[np.float32], dropped: int) -> NDArray[np.float32]:
    """A classifier's weights [K,C,k,k] or bias (K values, whatever shape) without the first outputs."""
    return blob[dropped:] if blob.ndim == 4 and blob.shape[0] > 1 else blob.reshape(-1)[dropped:]


def _fill_convolution(convolution: nn.Conv2d, step: Step, blobs: Blobs, where: str) -> None:
    assert convolution.bias is not None
    convolution.weight.copy_(torch.from_numpy(blobs[0].copy()))
    convolution.bias.zero_()
    if step.biased:
        convolution.bias.copy_(_vector(blobs[1], convolution.out_channels, where))


def _fill_batch_norm(normalisation: nn.BatchNorm2d, blobs: Blobs, where: str) -> None:
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None and variance is not None
    if len(blobs) != 2:
        raise CheckpointError(f"{where} holds {len(blobs)} blobs where scale and shift belong.")
    normalisation.weight.copy_(_vector(blobs[0], normalisation.num_features, where))
    normalisation.bias.copy_(_vector(blobs[1], normalisation.num_features, where))
    mean.zero_()
    variance.fill_(1 - normalisation.eps)


def _vector(blob: NDArray[np.float32], length: int, where: str) -> torch.Tensor:
    """One value a map, in any shape whose other dimensions are 1."""
    _check_shape(blob.reshape([side for side in blob.shape if side != 1] or [1]), (length,), where)
    return torch.from_numpy(blob.reshape(-1).copy())


def _check_shape(blob: NDArray[np.float32], wanted: tuple[int, ...], where: str) -> None:
    if blob.shape != wanted:
        found, right = ("x".join(map(str, shape)) for shape in (blob.shape, wanted))
        raise CheckpointError(f"{where} holds values of shape {found} where {right} belongs.")
