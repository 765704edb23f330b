"""A network from outside held to what networks promise: logits [N, K, H, W] for RGB images [N, 3, H, W] in 0..255."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from segbench.errors import UsageError
from segbench.models.blocks import SegmentationModel, resize_logits
from segbench.models.outside.trying import tried

__all__ = ["Adapted", "AsGiven", "adapted", "called"]

PROMISE = "It takes RGB images [N, 3, H, W] in 0..255 and returns logits [N, {classes}, H, W]."


class AsGiven(nn.Module):
    """No change of the input; what the network itself says of its preparation is passed on."""

    def __init__(self, described: Mapping[str, object] = MappingProxyType({})) -> None:
        super().__init__()
        self._described = {"channels": "RGB", "range": [0, 255], **described}

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..255 as float32."""
        return images.float()

    def describe(self) -> dict[str, object]:
        """What is done to the input, as JSON values."""
        return dict(self._described)


class Adapted(SegmentationModel):
    """A network from outside behind the door that all networks have.

    Args:
        network: Called with images [N, 3, H, W] in the plain memory format.
        num_classes: K.
        name: What messages call it.
        preprocess: What is done to RGB in 0..255 before ``network`` sees it.
        any_size: Logits of another height and width are brought to those of the images, bilinearly.
        config: Arguments that make the same network again without its origin.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        name: str,
        preprocess: nn.Module,
        *,
        any_size: bool = False,
        config: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(num_classes, 1, preprocess)
        self.network, self.name, self.any_size, self.config = network, name, any_size, dict(config)
        self.train()

    def logits(self, images: Tensor) -> Tensor:
        """Prepared images [N, 3, H, W] to logits [N, K, H, W].

        Raises:
            UsageError: The network returns something else; says what.
        """
        found = self.network(images.contiguous())
        found = getattr(found, "logits", found)
        if not isinstance(found, Tensor):
            raise UsageError(f"{self.name} returned {_kind(found)} for images.", self._promise())
        size = (images.shape[2], images.shape[3])
        if found.ndim != 4 or found.shape[:2] != (images.shape[0], self.num_classes):
            raise self._wrong(found, images)
        if not self.any_size and tuple(found.shape[2:]) != size:
            raise self._wrong(found, images)
        return resize_logits(found, size)

    def _wrong(self, found: Tensor, images: Tensor) -> UsageError:
        shapes = f"{tuple(found.shape)} for images {tuple(images.shape)}"
        return UsageError(f"{self.name} returned logits of shape {shapes}.", self._promise())

    def _promise(self) -> str:
        return PROMISE.format(classes=self.num_classes)


def adapted(network: object, num_classes: int, name: str) -> Adapted:
    """What a factory returned, behind the common door.

    Raises:
        UsageError: It is no module.
    """
    if not isinstance(network, nn.Module):
        raise UsageError(f"{name} returned {_kind(network)}, not a torch.nn.Module.", PROMISE.format(classes="K"))
    describe = getattr(getattr(network, "preprocess", None), "describe", dict)
    return Adapted(network, num_classes, name, AsGiven(describe()))


def called(function: object, name: str, num_classes: int, **config: Any) -> object:
    """What a factory from outside returns.

    Raises:
        UsageError: It cannot be called, or raises; says what and where.
    """
    if not callable(function):
        raise UsageError(f"{name} is {_kind(function)}, not a function or class that is called with num_classes.")
    return tried(lambda: function(num_classes, **config), f"{name}({num_classes})")


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" if value is not None else "nothing"
