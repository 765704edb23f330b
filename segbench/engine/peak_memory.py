"""The most memory that a piece of work held at once: what torch's allocator gave out, and what the process had."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

__all__ = ["MIB", "allocated_peak", "process_peak_mib", "tensor_bytes"]

MIB = 2**20
STATUS = Path("/proc/self/status")


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages of ``tensors``, a shared one once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def allocated_peak(work: Callable[[], object], device: torch.device) -> int:
    """Bytes by which ``work`` raised what was allocated on ``device``, at the worst moment.

    On CUDA this is what the caching allocator says; on a CPU the allocations that torch's profiler saw are summed up
    in their order. Libraries' own scratch memory is in neither.
    """
    return _cuda_peak(work, device) if device.type == "cuda" else _cpu_peak(work)


def _cuda_peak(work: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _cpu_peak(work: Callable[[], object]) -> int:
    # The profiler's library writes to stderr when it starts and stops; it reads this when it is first used.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    # The averaged events of the public interface give sums alone; the order of allocations is in the raw ones.
    results = profiled.profiler.kineto_results
    changes = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    held = peak = 0
    for _, num_bytes in sorted(changes, key=lambda change: change[0]):
        held += num_bytes
        peak = max(peak, held)
    return peak


def process_peak_mib() -> float | None:
    """Most resident memory this process ever had, in MiB; ``None`` where the system does not tell.

    Read from ``/proc``: ``getrusage`` of a new process begins with the peak of the one that started it.
    """
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)
