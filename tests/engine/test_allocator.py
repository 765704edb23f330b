"""Which processes are told to keep freed memory; what it brings is in tests/bench/training_speed.py."""

from __future__ import annotations

import ctypes
import platform
from types import SimpleNamespace

import pytest
import torch

from segbench.engine.allocator import keep_freed_memory

CPU = torch.device("cpu")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_glibc_can_be_told() -> None:
    assert keep_freed_memory(CPU)


def test_glibc_is_told_not_to_trim_and_not_to_map(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    def mallopt(parameter: int, value: int) -> int:
        told.append((parameter, value))
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory(CPU)
    assert told == [(-1, -1), (-4, 0)]  # M_TRIM_THRESHOLD off, M_MMAP_MAX none (malloc.h)


def test_other_libraries_and_gpu_runs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not keep_freed_memory(torch.device("cuda"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not keep_freed_memory(CPU)
