"""The processes that train one network together: who is who, what they add up, and what one tells the others.

A :class:`Team` is a value that is handed down; ``ALONE`` is a process by itself, for which everything here is the
identity. The order of the images, and which of them make a step, are those of a process by itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from segbench.errors import UsageError

__all__ = ["ALONE", "Team", "gradients_kept", "joined"]

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """Processes that hold the same weights and share the images of every step.

    Attributes:
        rank: This process, 0..size-1; 0 leads: it alone reports and writes.
        size: Number of processes.
        backend: ``nccl`` or ``gloo``, what gradients are added up with; ``None`` for a process by itself.
        sync_batch_norm: Whether batch normalisation in training sees the images of all processes.
    """

    rank: int = 0
    size: int = 1
    backend: Literal["nccl", "gloo"] | None = None
    sync_batch_norm: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The items of this process, dealt out one by one: each item to one process."""
        return items[self.rank :: self.size]

    def parts(self, num_images: int, at_most: int | None = None) -> list[slice]:
        """The images of a batch that this process computes, one slice after the other.

        Every process has as many slices, and every slice at least one image, so that all meet in every one of them.

        Args:
            num_images: Of the whole batch.
            at_most: Images that a process computes at once; ``None``: all of its share.

        Raises:
            UsageError: There are not enough images for every process.
        """
        rounds = 1 if at_most is None else -(-num_images // (at_most * self.size))
        if num_images // rounds < self.size:
            images = f"{num_images} image{'s' if num_images > 1 else ''}"
            together = "" if at_most is None else f", at most {at_most} at once"
            raise UsageError(
                f"A batch of {images} cannot be divided among {self.size} processes{together}.",
                "Give a smaller --nproc." if at_most is None else "Give a smaller --nproc, or raise train.micro_batch.",
            )
        return [self._own(part) for part in _divided(range(num_images), rounds)]

    def _own(self, part: range) -> slice:
        own = _divided(part, self.size)[self.rank]
        return slice(own.start, own.stop)

    def total(self, value: float) -> float:
        """The sum of what all processes give."""
        if self.size == 1:
            return value
        summed = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(summed)
        return summed.item()

    def add_up(self, tensor: Tensor) -> None:
        """Puts the sum over all processes into ``tensor``."""
        if self.size > 1:
            distributed.all_reduce(tensor)

    def told(self, value: T) -> T:
        """What the leader gives; what the others give does not matter."""
        if self.size == 1:
            return value
        held: list[Any] = [value]
        distributed.broadcast_object_list(held)
        told: T = held[0]
        return told

    def gathered(self, value: T) -> list[T]:
        """What all processes give, by rank, at the leader; nothing elsewhere."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.leads else None
        distributed.gather_object(value, found)
        return found or []

    def wait(self) -> None:
        """Returns when all processes have come here."""
        self.total(0.0)

    def wrapped(self, model: nn.Module, device: torch.device) -> nn.Module:
        """What a training step calls: ``backward`` then leaves the mean of all processes' gradients everywhere.

        The weights of the leader become those of all.
        """
        if self.size == 1:
            return model
        places = [device] if device.type == "cuda" else None
        with warnings.catch_warnings():
            # Its successor does not exist in all versions of torch that are supported.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            return DistributedDataParallel(
                model, device_ids=places, broadcast_buffers=False, gradient_as_bucket_view=True
            )

    def take_buffers(self, model: nn.Module) -> None:
        """Gives all processes the leader's running averages of batch normalisation."""
        if self.size > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)


ALONE = Team()


def _divided(items: range, parts: int) -> list[range]:
    """Neighbouring parts whose sizes differ by one at most, the larger ones first."""
    size, larger = divmod(len(items), parts)
    ends = [0]
    for number in range(parts):
        ends.append(ends[-1] + size + (number < larger))
    return [items[start:end] for start, end in pairwise(ends)]


def gradients_kept(network: nn.Module) -> AbstractContextManager[None]:
    """Gradients made in this block wait for those of the next: they are not sent to other processes yet."""
    return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()


@contextmanager
def joined(device: torch.device, *, sync_batch_norm: bool = False) -> Iterator[Team]:
    """Meets the processes that torchrun started beside this one: NCCL on GPUs, gloo on CPUs.

    What is no gradient goes by gloo always: it is small, and on the CPU. Numbers and tallies travel as pickles, between
    these processes only.

    Args:
        device: What this process computes on.
        sync_batch_norm: See :class:`Team`.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    yield Team(distributed.get_rank(), distributed.get_world_size(), "nccl" if on_gpu else "gloo", sync_batch_norm)
    # Not after an error: the others may be gone, and would be waited for.
    distributed.barrier()
    distributed.destroy_process_group()
