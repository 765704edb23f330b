"""``hf:ORG/NAME``: a semantic segmentation model of transformers, such as SegFormer, at one commit of the Hub.

Its weights are read from safetensors files alone, and no code of a repository is ever run.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.errors import HubError, UsageError
from segbench.file_sha256 import file_sha256
from segbench.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["find_repository", "from_repository", "is_transformers_model", "recorded_repository", "snapshot"]

_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_ADDRESS = re.compile(rf"(?P<name>{_PART}/{_PART})(?:@(?P<revision>[\w.-][\w./-]{{0,199}}))?", flags=re.ASCII)
CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
EXAMPLE = "Example: hf:nvidia/segformer-b0-finetuned-ade-512-512"
LOG_IN = "Check the name; a private or gated one needs 'hf auth login' or HF_TOKEN."


def find_repository(address: str) -> ModelSpec:
    """The model of ``ORG/NAME``, ``ORG/NAME@REVISION`` or of a folder (``./folder``, ``/folder``).

    Of a repository the commit that is meant now is looked up; what its branch becomes later changes nothing.

    Raises:
        UsageError: The address is something else, or there is no such folder.
        HubError: There is no such repository or revision, or the Hub cannot be asked.
    """
    if address.startswith((".", "/", "~")):
        return _local(address)
    found = _ADDRESS.fullmatch(address)
    if found is None:
        # What was written may hold a token; it is not repeated.
        raise UsageError(
            "A model that begins with hf: is hf:ORG/NAME or hf:ORG/NAME@REVISION; this one is not.", EXAMPLE
        )
    commit = snapshot(found["name"], found["revision"], (CONFIG,)).name
    return _spec(f"hf:{address}", f"commit:{commit}", {"repository": found["name"], "commit": commit})


def _local(address: str) -> ModelSpec:
    folder = Path(address).expanduser().resolve()
    files = sorted(path for pattern in (CONFIG, PROCESSOR, *WEIGHTS) for path in folder.glob(pattern))
    if not any(path.name == CONFIG for path in files):
        raise UsageError(f"hf:{address}: there is no {CONFIG} in that folder.", EXAMPLE)
    digest = hashlib.sha256("".join(f"{path.name} {file_sha256(path)}\n" for path in files).encode()).hexdigest()
    here = Path.cwd()
    inside = folder.relative_to(here) if folder.is_relative_to(here) else Path(folder.name)
    return _spec(f"hf:./{inside.as_posix()}", f"sha256:{digest}", {"folder": str(folder)})


def _spec(name: str, identity: str, place: dict[str, str]) -> ModelSpec:
    return ModelSpec(
        name=name,
        paper_name=name.removeprefix("hf:").removeprefix("./"),
        factory="segbench.models.outside.hugging_face:from_repository",
        summary="a semantic segmentation model of transformers",
        source=name,
        min_size=1,
        kind="hf",
        arguments=place,
        identity=identity,
    )


def snapshot(repository: str, revision: str | None, files: tuple[str, ...]) -> Path:
    """Local copies of files of a model repository, in a folder named after their commit.

    Raises:
        HubError: There is no such repository or revision, or the Hub cannot be asked. Never holds what the server said.
    """
    from huggingface_hub import constants, errors, snapshot_download

    where = f"hf:{repository}" + (f"@{revision}" if revision else "")
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except errors.RevisionNotFoundError:
        found = HubError(f"{where}: the repository has no revision '{revision}'.")
    except (errors.RepositoryNotFoundError, errors.GatedRepoError):
        found = HubError(f"{where} is no model repository of the Hub that can be read.", LOG_IN)
    except errors.LocalEntryNotFoundError as error:
        hint = "HF_HUB_OFFLINE is set; unset it once." if constants.HF_HUB_OFFLINE else "Try again later."
        found = HubError(f"{where} was not fetched before, and the Hub cannot be asked ({type(error).__name__}).", hint)
    except Exception as error:  # whatever it is may hold the token
        found = HubError(f"{where} cannot be fetched from the Hub ({type(error).__name__}).", "Try again later.")
    raise found from None


def is_transformers_model(spec: ModelSpec) -> bool:
    """Whether the files are of transformers at all; segbench's own weights name no type of model."""
    place = dict(spec.arguments)
    folder = Path(place["folder"]) if "folder" in place else snapshot(place["repository"], place["commit"], (CONFIG,))
    try:
        return "model_type" in json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return False


def recorded_repository(name: str) -> ModelSpec:
    """The model whose configuration weights of ours hold: nothing is looked up."""
    return _spec(name, "", {})


def from_repository(
    num_classes: int | None,
    *,
    repository: str = "",
    commit: str = "",
    folder: str = "",
    network: dict[str, Any] | None = None,
    processor: dict[str, Any] | None = None,
) -> nn.Module:
    """The network with its pretrained weights; where ``num_classes`` differs its last layer is made anew.

    Args:
        num_classes: K; ``None`` keeps the classes that it was trained for, which are then at ``.class_names``.
        repository: ``ORG/NAME`` at ``commit``, or else
        folder: Where its files are, or else
        network: Its configuration, for weights that are loaded later.
        processor: Configuration of its image processor, with ``network``.

    Raises:
        UsageError: transformers is not installed, or the files are no semantic segmentation model in safetensors.
    """
    from segbench.models.outside.transformers_network import create, load

    if network is not None:
        assert num_classes is not None
        return create(num_classes, network, processor or {})
    if not repository and not folder:
        raise UsageError("These weights of a transformers model lack its configuration.")
    where = f"hf:{repository}" if repository else f"hf:{Path(folder).name}"
    place = snapshot(repository, commit, (CONFIG, PROCESSOR, *WEIGHTS)) if repository else Path(folder)
    return load(place, num_classes, where)
