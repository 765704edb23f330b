"""Which classes of a network are which classes of a dataset."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from segbench.errors import UsageError
from segbench.registry import closest

__all__ = ["ClassMapped", "load_class_map", "match_classes"]

# Below any logit, and within what half precision and interpolation can hold.
NEVER = -1e4
Groups = tuple[tuple[int, ...], ...]


class ClassMapped(nn.Module):
    """A network whose logits become those of other classes.

    The logit of a class is the largest of those that stand for it, so that the winner is where the network's own winner
    among the mapped classes goes. A class that nothing stands for is never predicted.

    Args:
        network: Images to logits [N, k, H, W].
        groups: For each of the K classes the indices of those that stand for it.
    """

    def __init__(self, network: nn.Module, groups: Groups) -> None:
        super().__init__()
        self.network, self.groups = network, groups
        self.preprocess = getattr(network, "preprocess", None)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images [N, 3, H, W] in 0..255 to logits [N, K, H, W]."""
        logits: Tensor = self.network(images)
        never = torch.full_like(logits[:, 0], NEVER)
        mapped = [logits[:, list(group)].amax(1) if group else never for group in self.groups]
        return torch.stack(mapped, dim=1)


def load_class_map(path: Path) -> dict[str, str]:
    """Reads a map from a network's classes (names, or ids as text) to names of a dataset's classes.

    Raises:
        UsageError: The file is missing, no flat TOML or JSON of texts, or empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"Cannot read class map {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(
            f"Class map {path} is no valid {'JSON' if path.suffix == '.json' else 'TOML'}: {error}."
        ) from error
    flat = isinstance(values, dict) and all(isinstance(value, str) for value in values.values())
    if not flat or not values:
        raise UsageError(f'Class map {path} has to hold lines such as "car" = "Car": the network\'s, the dataset\'s.')
    return dict(values)


def match_classes(
    own: Sequence[str], count: int, wanted: Sequence[str], chosen: Mapping[str, str] | None
) -> Groups | None:
    """For each wanted class the indices of the network's classes that stand for it.

    Args:
        own: Names of the network's classes, empty where it has none.
        count: How many it tells apart.
        wanted: Names of the dataset's classes.
        chosen: What :func:`load_class_map` read. Without it names have to be equal but for case and order; where the
            network has no names, there have to be as many.

    Returns:
        ``None`` where nothing says which is which.

    Raises:
        UsageError: ``chosen`` names a class that is not there.
    """
    names = [] if all(re.fullmatch(r"LABEL_\d+", name) for name in own) else list(own)
    if chosen is not None:
        return _chosen(names, count, wanted, chosen)
    if not names:
        return tuple((index,) for index in range(count)) if count == len(wanted) else None
    by_name = {name.casefold(): index for index, name in enumerate(names)}
    if sorted(by_name) != sorted(name.casefold() for name in wanted):
        return None
    return tuple((by_name[name.casefold()],) for name in wanted)


def _chosen(own: Sequence[str], count: int, wanted: Sequence[str], chosen: Mapping[str, str]) -> Groups:
    known = {str(index): index for index in range(count)} | {name: index for index, name in enumerate(own)}
    groups: dict[str, list[int]] = {name: [] for name in wanted}
    for name, target in chosen.items():
        if name not in known:
            raise UsageError(
                f"The class map names '{name}', which is no class of the network. {closest(name, list(known))}"
            )
        if target not in groups:
            raise UsageError(
                f"The class map names '{target}', which is no class of the dataset. {closest(target, list(wanted))}"
            )
        groups[target].append(known[name])
    return tuple(tuple(groups[name]) for name in wanted)
