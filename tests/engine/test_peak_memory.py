"""Peaks of allocations whose sizes are known."""

from __future__ import annotations

import sys

import pytest
import torch

from segbench.engine.peak_memory import MIB, allocated_peak, process_peak_mib, tensor_bytes

CPU = torch.device("cpu")


def test_the_peak_is_what_was_held_at_once() -> None:
    def work() -> None:
        first = torch.ones(3 * MIB, dtype=torch.uint8)
        second = first + 1  # 6 MiB now
        del first
        third = second.new_ones(2 * MIB)  # 5 MiB
        del second, third
        torch.ones(5 * MIB, dtype=torch.uint8)

    assert allocated_peak(work, CPU) == pytest.approx(6 * MIB, rel=0.001)


def test_nothing_allocated_nothing_held() -> None:
    assert allocated_peak(lambda: None, CPU) == 0


def test_a_shared_storage_counts_once() -> None:
    values = torch.zeros(10)
    assert tensor_bytes([values, values[2:], torch.zeros(3)]) == 40 + 12


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_process_has_a_peak_that_only_rises() -> None:
    before = process_peak_mib()
    held = torch.ones(64 * MIB, dtype=torch.uint8)
    after = process_peak_mib()
    assert before is not None and after is not None
    assert 0 < before <= after
    del held
