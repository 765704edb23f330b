"""Models from outside: code that the user names, installed packages, and networks of other libraries.

An address stands wherever a model's name does. What it means is found without loading torch.

    ./path/to/file.py:factory     a function or class of a file, called with the number of classes
    hf:ORG/NAME[@REVISION]        a semantic segmentation model of transformers
    smp:ARCHITECTURE/ENCODER      a network of segmentation_models_pytorch, such as smp:Unet/resnet34
    onnx:FILE                     an ONNX file, which is evaluated and profiled but not trained
    NAME                          an entry point ``segbench.models`` of an installed package
"""

from __future__ import annotations

from segbench.errors import UsageError
from segbench.models.outside.hugging_face import find_repository, recorded_repository
from segbench.models.outside.onnx_file import find_onnx
from segbench.models.outside.package import find_installed, installed_models
from segbench.models.outside.python_file import find_file, is_file_address
from segbench.models.outside.smp import find_smp
from segbench.registry import MODELS, unknown_name
from segbench.specs import ModelSpec

__all__ = ["find_model", "installed_models", "is_file_address", "recorded_model"]

_LIBRARIES = {"hf": find_repository, "smp": find_smp, "onnx": find_onnx}


def find_model(address: str) -> ModelSpec:
    """What a name or an address stands for; nothing of it is run.

    Raises:
        UnknownNameError: No model goes by that name.
        UsageError: There is no such file, repository or network.
    """
    if address in MODELS:
        return MODELS[address]
    library, colon, rest = address.partition(":")
    if colon and library in _LIBRARIES:
        return _LIBRARIES[library](rest)
    if is_file_address(address):
        return find_file(address)
    found = find_installed(address)
    if found is None:
        raise unknown_name("model", address, [*MODELS, *(spec.name for spec in installed_models())])
    return found


def recorded_model(name: str) -> ModelSpec:
    """The network that weights say they are of. What a file does is not run because weights ask for it.

    Raises:
        UnknownNameError: No model goes by that name.
        UsageError: It comes from a file, which the user has to name.
    """
    if is_file_address(name):
        raise UsageError(f"The weights are of {name}, code that is not run unless it is named.", f"Add --model {name}")
    return recorded_repository(name) if name.startswith("hf:") else find_model(name)
