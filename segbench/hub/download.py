"""Weights that somebody pushed: fetched at one commit, checked, nothing in the repository run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from segbench.errors import CheckpointError
from segbench.file_sha256 import file_sha256
from segbench.hub.connection import LOG_IN, NotFoundOnHubError, explained
from segbench.hub.weights_repo import CONFIG_NAME, WEIGHTS_NAME

__all__ = ["fetch_weights", "is_hub_address", "split_address"]

_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_ADDRESS = re.compile(rf"(?:hf:)?(?P<name>{_PART}/{_PART})(?:@(?P<revision>[\w.-][\w./-]{{0,199}}))?", flags=re.ASCII)
_MODEL = re.compile(rf"[a-z0-9][a-z0-9-]*|smp:\w+/[\w.-]+|hf:{_PART}/{_PART}(@[\w./-]+)?", flags=re.ASCII)


def is_hub_address(source: str) -> bool:
    """Whether ``source`` may be ``ORG/NAME``, ``ORG/NAME@REVISION``, or one of them with ``hf:`` before it."""
    return _ADDRESS.fullmatch(source) is not None


def split_address(source: str) -> tuple[str, str | None]:
    """``ORG/NAME`` and the revision, ``None`` where none is named.

    Raises:
        CheckpointError: ``source`` is something else.
    """
    found = _ADDRESS.fullmatch(source)
    if found is None:
        raise CheckpointError(f"'{source}' is not ORG/NAME or ORG/NAME@REVISION.")
    return found["name"], found["revision"]


def fetch_weights(source: str) -> Path:
    """The weights file of a model repository, in the cache of huggingface_hub.

    Args:
        source: ``ORG/NAME`` or ``ORG/NAME@REVISION``: a branch, a tag or a commit.

    Raises:
        HubError: The Hub may not or cannot be asked, or there is no such repository or revision.
        CheckpointError: It holds no weights of segbench, or they are damaged.
    """
    from huggingface_hub import snapshot_download

    name, revision = split_address(source)
    try:
        with explained(f"load '{source}', which is no file or folder here, from the Hub"):
            folder = snapshot_download(name, revision=revision, allow_patterns=[WEIGHTS_NAME, CONFIG_NAME])
    except NotFoundOnHubError as error:
        raise CheckpointError(
            f"'{source}' is neither a file or a folder here nor a model repository of the Hub that can be read.",
            f"Check the name and the revision. For a private one: {LOG_IN}",
        ) from error
    _check(Path(folder), source)
    _check_model(Path(folder) / WEIGHTS_NAME, source)
    return Path(folder) / WEIGHTS_NAME


def _check(folder: Path, source: str) -> None:
    weights, config = folder / WEIGHTS_NAME, folder / CONFIG_NAME
    if not (weights.is_file() and config.is_file()):
        raise CheckpointError(
            f"{source} on the Hub has no {WEIGHTS_NAME} and {CONFIG_NAME}: it was not pushed by segbench."
        )
    stated = _stated(config)
    if stated is None:
        raise CheckpointError(f"{CONFIG_NAME} of {source} on the Hub was not written by segbench.")
    sha256 = file_sha256(weights)
    if sha256 != stated:
        raise CheckpointError(
            f"{WEIGHTS_NAME} of {source} has sha256 {sha256[:12]}..., its {CONFIG_NAME} states {stated[:12]}....",
            "If the download was damaged, delete its copy with 'hf cache rm'; else the two were not pushed together.",
        )


def _check_model(weights: Path, source: str) -> None:
    """A registered name, or a network of an installed library; a file or an import of this machine is not built."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("segbench", "{}"))
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{WEIGHTS_NAME} of {source} is not a readable safetensors file.") from error
    model = f"{header.get('model', '')}" if isinstance(header, dict) else ""
    if not _MODEL.fullmatch(model):
        raise CheckpointError(
            f"{source} holds weights of a network that is no registered one; no code from elsewhere is run for it.",
            "Download the weights file and give its path.",
        )


def _stated(config: Path) -> str | None:
    try:
        values = json.loads(config.read_bytes())
    except ValueError:
        return None
    stated = values.get("weights_sha256") if isinstance(values, dict) else None
    return stated if isinstance(stated, str) and values.get("library_name") == "segbench" else None
