"""``onnx:FILE``: a network as an ONNX file, which is evaluated and profiled but not trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segbench.errors import UsageError
from segbench.file_sha256 import file_sha256
from segbench.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["find_onnx", "from_onnx"]


def find_onnx(address: str) -> ModelSpec:
    """The network of a file; it is hashed, not loaded.

    Raises:
        UsageError: There is no such file.
    """
    path = Path(address).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"There is no file {address} for the model 'onnx:{address}'.", "Example: onnx:network.onnx")
    sha256 = file_sha256(path)
    here = Path.cwd()
    inside = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return ModelSpec(
        name=f"onnx:{inside.as_posix()}",
        paper_name=path.name,
        factory="segbench.models.outside.onnx_file:from_onnx",
        summary="a network as an ONNX file",
        source=path.name,
        min_size=1,
        kind="onnx",
        arguments={"path": str(path)},
        identity=f"sha256:{sha256}",
    )


def from_onnx(num_classes: int | None, *, path: str) -> nn.Module:
    """The network, run by onnxruntime on the CPU.

    Args:
        num_classes: K of its logits, or ``None`` for whatever it has.
        path: The file.

    Raises:
        UsageError: onnxruntime is not installed, or the file is no network from RGB images to logits of K classes.
    """
    from segbench.models.outside.onnx_network import OnnxNetwork

    network = OnnxNetwork(Path(path))
    if num_classes not in (None, network.num_classes):
        raise UsageError(f"{Path(path).name} tells {network.num_classes} classes apart, not {num_classes}.")
    return network
