"""``smp:Unet/resnet34``: a network of segmentation_models_pytorch with random weights."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from segbench.errors import UnknownNameError, UsageError
from segbench.models.outside.library import library
from segbench.models.outside.trying import tried
from segbench.registry import closest
from segbench.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["find_smp", "from_smp"]

# What most encoders of the library shrink maps by, and demand sizes to be a multiple of.
DOWNSAMPLING = 32
PACKAGE = "segmentation_models_pytorch"
INSTALL = "Install it: pip install 'segbench[smp]'"


def find_smp(address: str) -> ModelSpec:
    """The network ``ARCHITECTURE/ENCODER``; the library is not loaded.

    Raises:
        UsageError: The address is something else, or the library is not installed.
    """
    found = re.fullmatch(r"(\w+)/([\w.-]+)", address, flags=re.ASCII)
    if found is None:
        raise UsageError(f"'smp:{address}' is not smp:ARCHITECTURE/ENCODER.", "Example: smp:Unet/resnet34")
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError as error:
        raise UsageError(f"smp:{address} needs {PACKAGE}, which is not installed.", INSTALL) from error
    architecture, encoder = found.groups()
    return ModelSpec(
        name=f"smp:{address}",
        paper_name=f"{architecture} ({encoder})",
        factory="segbench.models.outside.smp:from_smp",
        summary="a network of segmentation_models_pytorch",
        source=f"{PACKAGE} {installed}",
        kind="smp",
        arguments={"architecture": architecture, "encoder": encoder},
        identity=f"{PACKAGE} {installed}",
    )


def from_smp(num_classes: int, *, architecture: str, encoder: str, **config: Any) -> nn.Module:
    """Creates the network with random weights; its input is normalised as the encoder's library wants it.

    Raises:
        UnknownNameError: There is no such architecture or encoder.
        UsageError: The library cannot be imported (it needs torchvision), or refuses the combination.
    """
    from segbench.models.outside.adapter import Adapted
    from segbench.models.outside.normalisation import IMAGENET_DEVIATION, IMAGENET_MEAN, Normalisation
    from segbench.models.outside.padding import PaddedToMultiple

    name = f"smp:{architecture}/{encoder}"
    smp = library(PACKAGE, "smp", name)
    known = [candidate.__name__ for candidate in smp.MODEL_ARCHITECTURES_MAPPING.values()]
    if architecture not in known:
        raise UnknownNameError(f"{PACKAGE} has no architecture '{architecture}'. {closest(architecture, known)}")
    encoders = smp.encoders.get_encoder_names()
    if encoder not in encoders and not encoder.startswith("tu-"):
        raise UnknownNameError(f"{PACKAGE} has no encoder '{encoder}'. {closest(encoder, encoders)}")
    made = {"encoder_name": encoder, "encoder_weights": None, "in_channels": 3, "classes": num_classes}
    network = tried(lambda: getattr(smp, architecture)(**made, **config), name)
    padded = PaddedToMultiple(network, DOWNSAMPLING)
    return Adapted(padded, num_classes, name, Normalisation(IMAGENET_MEAN, IMAGENET_DEVIATION))
