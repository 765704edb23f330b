"""What a run runs on: device, precision, instruction sets, versions, commit."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from segbench.engine.compilation import require_compiler
from segbench.engine.distributed import ALONE, Team
from segbench.errors import UsageError
from segbench.record import Environment

__all__ = ["Compute", "choose_compute", "cpu_features", "describe"]

PACKAGES = ("segbench", "torch", "numpy", "scipy", "datasets", "huggingface_hub", "safetensors")
FEATURES = ("amx_bf16", "amx_tile", "avx512_bf16", "avx512f", "avx2", "asimd", "bf16")


@dataclass(frozen=True)
class Compute:
    """How tensors are computed.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``bf16`` is autocast; parameters and losses stay float32.
        convolution: ``dft`` computes large kernels through :mod:`segbench.models.dft_convolution`.
        compiled: Networks are compiled by ``torch.compile``.
    """

    device: torch.device
    precision: Literal["bf16", "fp32"]
    convolution: Literal["direct", "dft"]
    compiled: bool = False

    def autocast(self) -> torch.autocast:
        """The context every forward pass runs in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")


def cpu_features() -> list[str]:
    """The instruction sets of this CPU that decide the speed of training, best first."""
    flags = set(_cpu_line("flags", "Features").split())
    return [name for name in FEATURES if name in flags]


def _cpu_gains_from_bf16() -> bool:
    features = cpu_features()
    amd = _cpu_line("vendor_id").endswith("AuthenticAMD")
    return "amx_bf16" in features or (amd and "avx512_bf16" in features)


def _cpu_line(*beginnings: str) -> str:
    """The first line of /proc/cpuinfo that begins so; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return next((line for line in text.splitlines() if line.startswith(beginnings)), "")


def choose_compute(
    device: str = "auto",
    precision: Literal["auto", "bf16", "fp32"] = "auto",
    convolution: Literal["auto", "direct", "dft"] = "auto",
    compiled: bool = False,
) -> Compute:
    """Decides what ``auto`` means on this machine.

    bf16 where it is faster (CUDA with bf16, AMX, AMD's AVX-512 BF16), elsewhere the Fourier route for large kernels.
    (Convolutions in channels_last, measured: AVX-512 BF16 halves their time on AMD's Zen 5, and is slower than float32
    on an Intel Xeon without AMX.)

    Raises:
        UsageError: The device does not exist here, or what was asked for does not work on it.
    """
    chosen = _device(device)
    if compiled:
        require_compiler(chosen)
    faster = torch.cuda.is_bf16_supported() if chosen.type == "cuda" else _cpu_gains_from_bf16()
    bf16 = faster if precision == "auto" else precision == "bf16"
    fits = chosen.type == "cpu" and not bf16
    if convolution == "dft" and not fits:
        raise UsageError(
            f"train.convolution = dft works on cpu in fp32, not on {chosen} in {'bf16' if bf16 else 'fp32'}.",
            "Use auto, or --device cpu --set train.precision=fp32.",
        )
    dft = fits if convolution == "auto" else convolution == "dft"
    return Compute(chosen, "bf16" if bf16 else "fp32", "dft" if dft else "direct", compiled)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"Unknown device '{name}'.", "Use cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"Device '{name}' is not supported.", "Use cpu, cuda or cuda:N.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"Device {name} is not available: torch {torch.__version__} sees no GPU.", "Use --device cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise UsageError(f"Device {name} is not available: there is cuda:0 to cuda:{last}.", "Use --device cuda.")
    return device


def describe(compute: Compute, team: Team = ALONE) -> Environment:
    """The environment part of a record; no host name, user or path."""
    several = team.size > 1
    commit, dirty = _git()
    name = torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else "cpu"
    return Environment(
        versions={"python": platform.python_version(), **_versions()},
        device=name,
        cpu=_cpu_name(),
        features=cpu_features(),
        threads=torch.get_num_threads(),
        precision=compute.precision,
        convolution=compute.convolution,
        git_commit=commit,
        git_dirty=dirty,
        processes=team.size,
        backend=team.backend if several else None,
        sync_batch_norm=several and team.sync_batch_norm,
        compiled=compute.compiled,
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu_name() -> str:
    return _cpu_line("model name").partition(":")[2].strip() or platform.processor() or platform.machine()


def _git() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout this package runs from; nothing when it is installed elsewhere."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git_output(root, "rev-parse", "HEAD")
        return commit, bool(_git_output(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git_output(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
