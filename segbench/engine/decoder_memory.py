"""What a decoder reads of its encoder beside the deepest maps: found by watching one forward pass.

A pass is a sequence of operations on storages. The encoder ends where the first of the smallest maps is read for the
first time; what was made before that from the image, and is read later, has to be kept for the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from segbench.record import DecoderMemory

__all__ = ["decoder_memory"]

MAP_BITS = 32
POSITION_BITS = 2


@dataclass
class _Stored:
    """One storage: what it holds, and which operations touch it.

    Attributes:
        born: Number of the operation that made it, or first put something of the image there; -1: before the pass.
        pixels: Height x width of its maps [N, C, H, W]; 0 where it holds none.
        from_image: It depends on the input.
    """

    born: int
    num_bytes: int
    values: int
    pixels: int
    positions: bool
    from_image: bool
    reads: list[int] = field(default_factory=list)

    def fill(self, number: int, from_image: bool) -> None:
        """An operation wrote to it: memory that was only set aside before begins to hold something."""
        if from_image and not self.from_image:
            self.born, self.from_image = number, True

    @property
    def least_bits(self) -> int:
        """What its values take with positions in 2 bits and maps in float32."""
        return self.values * (POSITION_BITS if self.positions else MAP_BITS)


@dataclass(frozen=True)
class _Operation:
    inputs: tuple[_Stored, ...]
    outputs: tuple[_Stored, ...]


def decoder_memory(model: nn.Module, images: Tensor) -> DecoderMemory | None:
    """What the decoder reads of the encoder beside the deepest maps.

    Convolutions have to be computed directly, since a Fourier transform makes small maps of its own.

    Args:
        model: In evaluation mode.
        images: [N, 3, H, W]; the result is that of the whole batch.

    Returns:
        Bytes as they are kept and the least they could be; ``None`` where no maps become smaller.
    """
    watch = _Watch(images)
    with torch.no_grad(), watch:
        model(images)
    end = _end_of_encoder(watch.operations)
    if end is None:
        return None
    kept = [
        stored for stored in watch.stored if stored.from_image and 0 <= stored.born < end and _read_after(stored, end)
    ]
    deepest = watch.operations[end].inputs
    return _summary([stored for stored in kept if not any(stored is one for one in deepest)], watch.operations, end)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down the operations of a pass.

    Storages are told apart by weak references: an address is not given away again while one is held, memory is.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: dict[int, _Stored] = {}
        self._references: list[StorageWeakRef] = []
        self.operations: list[_Operation] = []
        self._find(images, born=-1, from_image=True)

    @property
    def stored(self) -> Iterable[_Stored]:
        return self._known.values()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        number = len(self.operations)
        inputs = tuple(self._find(tensor, born=-1, from_image=False) for tensor in _tensors((args, kwargs)))
        result = func(*args, **(kwargs or {}))
        from_image = any(stored.from_image for stored in inputs)
        outputs = tuple(self._find(tensor, born=number, from_image=from_image) for tensor in _tensors(result))
        for stored in inputs:
            stored.reads.append(number)
        for stored in outputs:
            stored.fill(number, from_image)
        self.operations.append(_Operation(inputs, outputs))
        return result

    def _find(self, tensor: Tensor, *, born: int, from_image: bool) -> _Stored:
        reference = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        if reference.cdata not in self._known:
            self._references.append(reference)
            self._known[reference.cdata] = _stored(tensor, born, from_image)
        return self._known[reference.cdata]


def _tensors(values: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))


def _stored(tensor: Tensor, born: int, from_image: bool) -> _Stored:
    return _Stored(
        born=born,
        num_bytes=tensor.untyped_storage().nbytes(),
        values=tensor.untyped_storage().nbytes() // tensor.element_size(),
        pixels=math.prod(tensor.shape[2:]) if tensor.ndim == 4 else 0,
        positions=not tensor.is_floating_point(),
        from_image=from_image,
    )


def _read_after(stored: _Stored, number: int) -> bool:
    return any(read >= number for read in stored.reads)


def _end_of_encoder(operations: list[_Operation]) -> int | None:
    """The operation that first reads the first of the smallest maps."""
    maps = [
        stored
        for operation in operations
        for stored in operation.outputs
        if stored.pixels and stored.from_image and not stored.positions
    ]
    if not maps:
        return None
    smallest = min(maps, key=lambda stored: stored.pixels)
    if smallest.pixels == max(stored.pixels for stored in maps):
        return None
    later = [read for read in smallest.reads if read > smallest.born]
    return min(later, default=None)


def _summary(kept: list[_Stored], operations: list[_Operation], end: int) -> DecoderMemory:
    largest = max((stored.pixels for stored in kept), default=0)
    first = [stored for stored in kept if stored.pixels == largest]
    return DecoderMemory(
        kept_bytes=sum(stored.num_bytes for stored in kept),
        first_level_bytes=sum(stored.num_bytes for stored in first),
        least_bytes=_whole_bytes(_least(stored, operations, end) for stored in kept),
        first_level_least_bytes=_whole_bytes(_least(stored, operations, end) for stored in first),
    )


def _whole_bytes(bits: Iterable[int]) -> int:
    return -(-sum(bits) // 8)


def _least(stored: _Stored, operations: list[_Operation], end: int) -> int:
    """Bits of a kept storage, or of what is made of it alone where that is less."""
    readers = [operations[read] for read in stored.reads if read >= end]
    alone = [one for one in readers if not any(part.from_image and part is not stored for part in one.inputs)]
    if len(readers) != 1 or not alone or not alone[0].outputs:
        return stored.least_bits
    return min(stored.least_bits, sum(made.least_bits for made in alone[0].outputs))
