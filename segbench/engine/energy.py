"""The energy of a pass, where the driver tells: NVML on NVIDIA GPUs, the RAPL counters of Linux on CPUs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

__all__ = ["energy_per_pass"]

POWERCAP = Path("/sys/class/powercap")
SECONDS = 1.0
JOULES_PER_UNIT = 1e-6


def energy_per_pass(
    run_pass: Callable[[], object],
    device: torch.device,
    *,
    seconds: float = SECONDS,
    powercap: Path = POWERCAP,
) -> float | None:
    """Joules of one pass, averaged over as many as fill ``seconds``; ``None`` where no meter can be read.

    What is metered is the whole GPU, or all processors' packages, whatever else they do at the time.

    Args:
        run_pass: One pass; returns when it is finished.
        device: Where it runs.
        seconds: How long is metered.
        powercap: Folder of the RAPL counters.
    """
    if device.type == "cuda":
        return _by_power(run_pass, device, seconds)
    packages = [folder for folder in sorted(powercap.glob("intel-rapl:*")) if folder.name.count(":") == 1]
    return _by_counters(run_pass, packages, seconds) if packages and _readable(packages) else None


def _by_counters(run_pass: Callable[[], object], packages: list[Path], seconds: float) -> float:
    before = [_number(folder / "energy_uj") for folder in packages]
    passes = sum(1 for _ in _passes(run_pass, seconds))
    used = (_used(folder, start) for folder, start in zip(packages, before, strict=True))
    return sum(used) * JOULES_PER_UNIT / passes


def _used(package: Path, before: int) -> int:
    """What a counter has risen by; it begins again at 0 after its largest value."""
    risen = _number(package / "energy_uj") - before
    return risen if risen >= 0 else risen + _number(package / "max_energy_range_uj")


def _by_power(run_pass: Callable[[], object], device: torch.device, seconds: float) -> float | None:
    watts = []
    started = time.perf_counter()
    try:
        for _ in _passes(run_pass, seconds):
            watts.append(torch.cuda.power_draw(device) / 1000)
    except (ImportError, RuntimeError):
        return None
    return sum(watts) / len(watts) * (time.perf_counter() - started) / len(watts)


def _passes(run_pass: Callable[[], object], seconds: float) -> Iterator[None]:
    """Runs at least one pass, and more until the time is over."""
    started = time.perf_counter()
    while True:
        run_pass()
        yield
        if time.perf_counter() - started >= seconds:
            return


def _readable(packages: list[Path]) -> bool:
    try:
        return all(_number(folder / "energy_uj") >= 0 for folder in packages)
    except (OSError, ValueError):
        return False


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
