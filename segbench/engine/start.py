"""What the weights of a run start from: He initialisation, an encoder of VGG16, or the weights of an earlier run.

What was found is known before training, and decides a cell's id by its sha256:

- ``--encoder-weights`` names a file or a Hub repository, which must be there and fit;
- a recipe may name a Hub repository: where that cannot be had, one line says so and the run starts from He
  initialisation, as its record does (``random``);
- ``--init-from`` names the weights of an earlier run. All of them must have a place in the network; what a later stage
  of FCN has beyond them are scores of skips, which start at zero, and learnt upsampling, which starts bilinear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segbench.engine.checkpoint import load_weights, weights_path
from segbench.errors import CheckpointError, HubError, UsageError
from segbench.file_sha256 import file_sha256
from segbench.hub.download import is_hub_address
from segbench.hub.encoder_repo import fetch_encoder
from segbench.models import create_model
from segbench.models.caffe_weights import read_caffemodel
from segbench.models.vgg_weights import Naming, fill_encoder, find_encoder, input_of
from segbench.progress import SILENT, Progress
from segbench.recipe import Recipe

__all__ = ["HE", "RANDOM", "Start", "build_start", "find_starts"]

RANDOM = "random"
SKIPS, UPSAMPLINGS = "scores.", "upsamplings."


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    Attributes:
        encoder: The file with the encoder's weights, ``None`` for He initialisation.
        encoder_weights: Its sha256, or ``random``.
        initial: The weights file of an earlier run, ``None`` where there is none.
        initial_weights: Its sha256.
        repository: The Hub repository that the encoder came from, ``None`` for a file of this machine.
    """

    encoder: Path | None = None
    encoder_weights: str = RANDOM
    initial: Path | None = None
    initial_weights: str | None = None
    repository: str | None = None

    @property
    def source(self) -> str:
        """What people call the encoder's weights."""
        return self.repository or f"{self.encoder}"


HE = Start()


def find_starts(
    recipes: Sequence[Recipe],
    encoder: str | None = None,
    init_from: str | None = None,
    *,
    cached: bool = False,
    progress: Progress = SILENT,
) -> list[Start]:
    """What the run of each recipe starts from, checked against its network.

    Args:
        recipes: Of the runs.
        encoder: A file, a Hub repository, or ``random``, in place of what recipes name.
        init_from: Weights of an earlier run: a file, a folder, a run's name or a Hub repository.
        cached: Ask the Hub for nothing that was not fetched before.
        progress: Where is said what cannot be had.

    Raises:
        UsageError: Both are given, or ``encoder`` is neither a file nor a repository.
        CheckpointError: Weights are damaged, incomplete, of another shape, or the network has no place for them.
        HubError: What was asked for cannot be fetched.
    """
    if init_from is not None and encoder is not None:
        raise UsageError(
            "--init-from and --encoder-weights both say what the encoder starts from.", "Give one of them."
        )
    if init_from is not None:
        path = weights_path(init_from)
        return [_of_earlier(path, recipe) for recipe in recipes]
    if encoder is not None:
        named = HE if encoder == RANDOM else _of_source(encoder, cached)
        return [_checked(named, recipe) for recipe in recipes]
    wished = cache(lambda source: _of_wish(source, cached, progress))
    return [_checked(wished(recipe.encoder), recipe) for recipe in recipes]


def build_start(
    start: Start, model: str, num_classes: int, options: Mapping[str, Any] | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a run before its first step, and the arguments it was made with.

    Args:
        model: Registered name.
        options: Arguments of its factory that the recipe sets.

    Raises:
        CheckpointError: As :func:`find_starts`.
    """
    chosen = dict(options or {})
    if start.initial is not None:
        tensors, header, _ = load_weights(start.initial)
        config = {**header.config, **chosen}
        network = _created(model, num_classes, config, start.initial)
        network.load_state_dict(_continued(network, tensors, model, start.initial), strict=True)
        return network, config
    if start.encoder is None:
        return create_model(model, num_classes, **chosen), chosen
    naming = _naming(start.encoder)
    config = {**input_of(naming), **chosen}
    network = _created(model, num_classes, config, start.encoder)
    fill_encoder(find_encoder(network, model), _tensors(start.encoder, start.source), naming, start.source)
    return network, config


# --- an encoder -------------------------------------------------------------------------------------------------------


def _of_source(source: str, cached: bool) -> Start:
    path = Path(source)
    if path.is_file():
        return Start(encoder=path, encoder_weights=file_sha256(path))
    if path.exists() or not is_hub_address(source):
        raise UsageError(
            f"--encoder-weights '{source}' is neither a file nor a Hub repository.",
            "Give a .pth, .safetensors or .caffemodel file, ORG/NAME, or random.",
        )
    address = source.removeprefix("hf:")
    fetched = fetch_encoder(address, cached=cached)
    return Start(encoder=fetched, encoder_weights=file_sha256(fetched), repository=address)


def _of_wish(source: str | None, cached: bool, progress: Progress) -> Start:
    if source is None:
        return HE
    try:
        return _of_source(f"hf:{source}", cached)
    except HubError as error:
        progress.message(f"{error.message} The encoder starts from He initialisation (encoder: {RANDOM}).")
        return HE


def _checked(start: Start, recipe: Recipe) -> Start:
    """Tries the weights on a network without memory."""
    if start.encoder is not None:
        encoder = find_encoder(_described(recipe.model, 2, {}, start.encoder), recipe.model)
        fill_encoder(encoder, _tensors(start.encoder, start.source), _naming(start.encoder), start.source)
    return start


def _naming(path: Path) -> Naming:
    return "caffe" if path.suffix == ".caffemodel" else "torchvision"


def _tensors(path: Path, where: str) -> Mapping[str, Tensor]:
    """The tensors of a file by name; nothing in it is run."""
    if path.suffix == ".caffemodel":
        parts = ("weight", "bias")
        return {
            f"{name}.{part}": torch.from_numpy(blob.copy())
            for name, blobs in read_caffemodel(path).items()
            for part, blob in zip(parts, blobs, strict=False)
        }
    read = _read_safetensors if path.suffix == ".safetensors" else _read_pickle
    try:
        found = read(path)
    except Exception as error:
        # What torch says would have people run whatever the file holds.
        raise CheckpointError(
            f"{where} holds no tensors that can be read ({type(error).__name__}); nothing in a file is run.",
            "Give a state dict as .safetensors or .pth, or a .caffemodel.",
        ) from error
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _read_pickle(path: Path) -> Mapping[str, Any]:
    """A state dict, or one inside a checkpoint; nothing but tensors and plain containers is made of it."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise TypeError(f"a {type(found).__name__} instead of a state dict")
    return found


# --- an earlier run ---------------------------------------------------------------------------------------------------


def _of_earlier(path: Path, recipe: Recipe) -> Start:
    tensors, header, sha256 = load_weights(path)
    if (header.dataset, header.dataset_variant) != (recipe.dataset, recipe.dataset_variant):
        raise CheckpointError(
            f"{path} was trained on {header.dataset} {header.dataset_variant}, {recipe.label} trains on "
            f"{recipe.dataset} {recipe.dataset_variant}.",
            "Give weights of the same dataset to --init-from.",
        )
    network = _described(recipe.model, header.num_classes, header.config, path)
    _continued(network, tensors, recipe.model, path)
    return Start(initial=path, initial_weights=sha256)


def _continued(network: nn.Module, tensors: Mapping[str, Tensor], model: str, path: Path) -> dict[str, Tensor]:
    """All weights of an earlier run and what is new in ``network``; scores of new skips start at zero."""
    places = network.state_dict()
    strange = [name for name in tensors if name not in places]
    new = [name for name in places if name not in tensors]
    wrong = [name for name in tensors if name in places and tensors[name].shape != places[name].shape]
    unexplained = [name for name in new if not name.startswith((SKIPS, UPSAMPLINGS))]
    for names, problem in (
        (strange, "has no place for its"),
        (unexplained, "needs more than it holds:"),
        (wrong, "has another shape of"),
    ):
        if names:
            raise CheckpointError(
                f"{path} cannot start {model}, which {problem} {names[0]}"
                f"{f' and {len(names) - 1} more' if len(names) > 1 else ''}.",
                "Stages are fcn-32s, fcn-16s, fcn-8s and fcn; other networks continue their own weights.",
            )
    skips = {name: torch.zeros_like(places[name]) for name in new if name.startswith(SKIPS)}
    return {**places, **tensors, **skips}


def _created(model: str, num_classes: int, config: Mapping[str, Any], path: Path) -> nn.Module:
    try:
        return create_model(model, num_classes, **config)
    except (TypeError, UsageError) as error:
        raise CheckpointError(f"{path} belongs to a network with {dict(config)}, which {model} cannot have.") from error


def _described(model: str, num_classes: int, config: Mapping[str, Any], path: Path) -> nn.Module:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return _created(model, num_classes, config, path)
