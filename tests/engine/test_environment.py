"""What ``auto`` means on which machine, and that a record says nothing of whose machine it was."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from segbench.engine import environment as module
from segbench.engine.environment import Compute, choose_compute, cpu_features, describe
from segbench.errors import UsageError
from segbench.record import Environment

Precision = Literal["auto", "bf16", "fp32"]
Convolution = Literal["auto", "direct", "dft"]
AMX = ["amx_bf16", "amx_tile", "avx512_bf16", "avx512f", "avx2"]
AVX512 = ["avx512_bf16", "avx512f", "avx2"]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, bf16: bool = True) -> None:
    """A machine with ``count`` CUDA devices."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)


def kernel_says(monkeypatch: pytest.MonkeyPatch, features: list[str], vendor: str) -> None:
    """A machine whose /proc/cpuinfo names these."""
    text = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {' '.join(features)}\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)


CPU_CASES: list[tuple[list[str], Precision, Convolution, tuple[str, str]]] = [
    (AMX, "auto", "auto", ("bf16", "direct")),
    (AVX512, "auto", "auto", ("fp32", "dft")),
    (["avx2"], "auto", "auto", ("fp32", "dft")),
    ([], "auto", "auto", ("fp32", "dft")),
    (["asimd", "bf16"], "auto", "auto", ("fp32", "dft")),
    (AMX, "fp32", "auto", ("fp32", "dft")),
    (AVX512, "bf16", "auto", ("bf16", "direct")),
    (AVX512, "fp32", "dft", ("fp32", "dft")),
    (AVX512, "auto", "direct", ("fp32", "direct")),
]


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("features", "precision", "convolution", "expected"), CPU_CASES)
def test_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
    features: list[str],
    precision: Precision,
    convolution: Convolution,
    expected: tuple[str, str],
) -> None:
    kernel_says(monkeypatch, features, "GenuineIntel")
    chosen = choose_compute("auto", precision, convolution)
    assert chosen.device == torch.device("cpu")
    assert (chosen.precision, chosen.convolution) == expected


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("features", "precision", "expected"),
    [
        (AVX512, "auto", ("bf16", "direct")),
        (AVX512, "fp32", ("fp32", "dft")),
        (["avx512f", "avx2"], "auto", ("fp32", "dft")),
    ],
)
def test_on_a_cpu_of_amd(
    monkeypatch: pytest.MonkeyPatch, features: list[str], precision: Precision, expected: tuple[str, str]
) -> None:
    kernel_says(monkeypatch, features, "AuthenticAMD")
    chosen = choose_compute("auto", precision)
    assert (chosen.precision, chosen.convolution) == expected


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "fp32")])
def test_on_a_gpu(monkeypatch: pytest.MonkeyPatch, bf16: bool, precision: str) -> None:
    gpus(monkeypatch, 2, bf16)
    monkeypatch.setattr(module, "cpu_features", lambda: [])
    chosen = choose_compute()
    assert (chosen.device.type, chosen.precision, chosen.convolution) == ("cuda", precision, "direct")
    assert choose_compute("cuda:1").device == torch.device("cuda:1")
    assert choose_compute("cpu").device == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "tpu:0", "mps", "meta", "xpu"])
def test_other_devices_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"evice '{name}'.* Use cpu, cuda or cuda:N\."):
        choose_compute(name)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_where_there_is_none(name: str) -> None:
    with pytest.raises(UsageError, match=rf"Device {name} is not available: torch .* sees no GPU\. Use --device cpu\."):
        choose_compute(name)


def test_the_fourier_route_is_refused_where_it_would_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.engine.environment.cpu_features", lambda: AMX)
    with pytest.raises(UsageError, match="dft works on cpu in fp32, not on cpu in bf16"):
        choose_compute("cpu", "auto", "dft")


def test_a_gpu_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    with pytest.raises(UsageError, match="Device cuda:2 is not available: there is cuda:0 to cuda:1"):
        choose_compute("cuda:2")


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_autocast_is_on_for_bf16_alone(precision: Literal["bf16", "fp32"], dtype: torch.dtype) -> None:
    with Compute(torch.device("cpu"), precision, "direct").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "processor : 0\nflags : fpu avx2 avx512f amx_tile amx_bf16\nbugs : avx512_bf16\n",
            ["amx_bf16", "amx_tile", "avx512f", "avx2"],
        ),
        ("processor : 0\nFeatures : fp asimd bf16 sve\n", ["asimd", "bf16"]),
        ("processor : 0\n", []),
    ],
)
def test_features_are_read_from_the_kernel(monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert cpu_features() == expected


def test_features_where_the_kernel_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def missing(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if str(self) == "/proc/cpuinfo":
            raise FileNotFoundError
        return read(self, encoding, errors)

    monkeypatch.setattr(Path, "read_text", missing)
    assert cpu_features() == []
    assert describe(choose_compute("cpu")).cpu


def strings(value: Any) -> list[str]:
    """All strings inside a JSON value, keys too."""
    if isinstance(value, dict):
        return [*value, *(text for part in value.values() for text in strings(part))]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def test_a_description_names_no_host_user_or_path() -> None:
    compute = choose_compute("cpu")
    described = describe(compute)
    assert (described.device, described.precision, described.convolution) == (
        "cpu",
        compute.precision,
        compute.convolution,
    )
    assert {"python", "torch", "numpy"} <= set(described.versions)
    assert described.threads == torch.get_num_threads()
    found = strings(json.loads(described.model_dump_json()))
    assert not {socket.gethostname(), getpass.getuser()} & set(found)
    assert not [text for text in found if text.startswith(("/", "~", "file:"))]
    assert not [text for text in found if str(Path.home()) in text or str(Path.cwd()) in text]
    assert Environment.model_validate_json(described.model_dump_json()) == described


def fake_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any) -> None:
    """A checkout whose git answers with ``answer(arguments)``."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "segbench" / "engine").mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "segbench" / "engine" / "environment.py"))
    monkeypatch.setattr(subprocess, "run", answer)


@pytest.mark.parametrize(("status", "dirty"), [("", False), (" M a.py\n", True)])
def test_commit_and_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str, dirty: bool) -> None:
    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, "abc123\n" if "rev-parse" in command else status)

    fake_git(monkeypatch, tmp_path, answer)
    described = describe(choose_compute("cpu"))
    assert (described.git_commit, described.git_dirty) == ("abc123", dirty)


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 20)]
)
def test_a_git_that_fails_costs_the_commit_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    def answer(command: list[str], **_: object) -> None:
        raise error

    fake_git(monkeypatch, tmp_path, answer)
    described = describe(choose_compute("cpu"))
    assert (described.git_commit, described.git_dirty) == (None, None)


def test_outside_a_checkout_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert module._git() == (None, None)
