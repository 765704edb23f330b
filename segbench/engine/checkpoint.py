"""Weights and training states as safetensors files: atomic, self-describing, never pickled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from segbench.atomic import write_bytes
from segbench.errors import CheckpointError
from segbench.hub.download import fetch_weights, is_hub_address
from segbench.models import create_model, find_model
from segbench.models.outside import recorded_model
from segbench.record import WeightsHeader
from segbench.specs import ModelSpec

__all__ = [
    "STATE_FILE",
    "WEIGHTS_FILE",
    "build_model",
    "load_model",
    "load_state",
    "load_weights",
    "save_state",
    "save_weights",
    "weights_path",
]

WEIGHTS_FILE = "weights.safetensors"
STATE_FILE = "state.safetensors"


def save_state(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> bytes:
    """Writes tensors with JSON ``values`` as their header, atomically; returns the bytes written."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(plain, metadata={"segbench": json.dumps(values, sort_keys=True)})
    write_bytes(path, data)
    return data


def load_state(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what :func:`save_state` wrote.

    Raises:
        CheckpointError: The file is missing, damaged or not segbench's.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            header = (file.metadata() or {}).get("segbench")
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no weights file {path}.") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}.") from error
    if header is None:
        raise CheckpointError(f"{path} holds tensors but no segbench header: it was not written by segbench.")
    values: dict[str, Any] = json.loads(header)
    return tensors, values


def save_weights(path: Path, model: nn.Module, header: WeightsHeader) -> str:
    """Writes a model's weights and header; returns the file's sha256."""
    return hashlib.sha256(save_state(path, model.state_dict(), header.model_dump(mode="json"))).hexdigest()


def load_weights(path: Path) -> tuple[dict[str, Tensor], WeightsHeader, str]:
    """Weights, header and sha256 of a weights file.

    Raises:
        CheckpointError: Missing, damaged, or a training state instead of weights.
    """
    tensors, values = load_state(path)
    try:
        header = WeightsHeader.model_validate(values)
    except ValidationError as error:
        raise CheckpointError(
            f"{path} has no weights header (a training state?): {error.error_count()} wrong keys."
        ) from error
    return tensors, header, hashlib.sha256(path.read_bytes()).hexdigest()


def weights_path(source: str | Path) -> Path:
    """The weights file meant by a file, a run's folder, a run's id prefix under ``runs/``, or a repository of the Hub.

    What is here comes first: ``ORG/NAME`` is looked for on the Hub only where there is no such file or folder.

    Raises:
        CheckpointError: There is none, the prefix fits several, or the repository holds no weights that can be used.
        HubError: The Hub may not or cannot be asked.
    """
    path = Path(source)
    if path.is_dir():
        path = path / WEIGHTS_FILE
    if path.is_file():
        return path
    found = sorted(Path("runs").glob(f"*/*{source}*/{WEIGHTS_FILE}")) if not path.parent.name else []
    if len(found) == 1:
        return found[0]
    if not Path(source).exists() and is_hub_address(str(source)):
        return fetch_weights(str(source))
    problem = (
        f"fits {len(found)} runs: {', '.join(item.parent.name for item in found[:4])}"
        if found
        else "is neither a file, a run's folder nor part of a run's name"
    )
    raise CheckpointError(f"Weights '{source}': {problem}.", "Give the folder that 'segbench run' printed.")


def load_model(source: str | Path, model: str | None = None) -> nn.Module:
    """A trained network in evaluation mode, strict: every tensor must be there and fit.

    Args:
        source: A weights file, a run's folder or part of its name; or ``ORG/NAME`` or ``ORG/NAME@REVISION`` of the
            Hugging Face Hub. The header is at ``model.header``.
        model: The network from a file, ``./file.py:factory``, whose weights they are; such code is run only if it is
            named here.

    Raises:
        CheckpointError: Missing, damaged, or not fitting the model.
        HubError: The Hub may not or cannot be asked.
    """
    path = weights_path(source)
    tensors, header, _ = load_weights(path)
    return build_model(tensors, header, path, find_model(model) if model else None)


def build_model(
    tensors: dict[str, Tensor], header: WeightsHeader, path: Path, network: ModelSpec | None = None
) -> nn.Module:
    """The network of weights that were read from ``path``, in evaluation mode, strict.

    Args:
        network: What they are weights of; what their header says where nothing is given.

    Raises:
        CheckpointError: The weights do not fit the model, or were trained with another version of its code.
        UsageError: The header names code of a file, which is not run unless it is given as ``network``.
    """
    spec = network or recorded_model(header.model)
    if spec.kind == "file" and spec.identity != header.model_identity:
        trained = header.model_identity or header.model
        raise CheckpointError(f"{path} was trained with {trained}; {spec.name} is {spec.identity} now.")
    model = create_model(spec, header.num_classes, **header.config)
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path} does not fit {header.model}: {first}") from error
    model.eval()
    model.header = header  # type: ignore[assignment]
    return model
