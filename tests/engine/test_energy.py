"""The meters of the processor, played by files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from segbench.engine.energy import energy_per_pass

CPU = torch.device("cpu")


def package(folder: Path, number: int, start: int, limit: int = 10_000_000) -> Path:
    counter = folder / f"intel-rapl:{number}"
    counter.mkdir(parents=True)
    (counter / "energy_uj").write_text(f"{start}\n")
    (counter / "max_energy_range_uj").write_text(f"{limit}\n")
    return counter


def test_no_meter_is_unknown(tmp_path: Path) -> None:
    assert energy_per_pass(lambda: None, CPU, seconds=0, powercap=tmp_path / "missing") is None


def test_an_unreadable_meter_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    assert energy_per_pass(lambda: None, CPU, seconds=0, powercap=tmp_path) is None


@pytest.mark.parametrize(("start", "end"), [(1_000_000, 3_500_000), (9_000_000, 1_500_000)])
def test_packages_are_added_and_counters_begin_again(tmp_path: Path, start: int, end: int) -> None:
    first, second = package(tmp_path, 0, start), package(tmp_path, 1, 0)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of package 0, which holds it already

    def run() -> None:
        (first / "energy_uj").write_text(f"{end}")
        (second / "energy_uj").write_text("500000")

    assert energy_per_pass(run, CPU, seconds=0, powercap=tmp_path) == pytest.approx(2.5 + 0.5)


def test_passes_share_the_energy(tmp_path: Path) -> None:
    counter, passes = package(tmp_path, 0, 0), []

    def run() -> None:
        passes.append(1)
        (counter / "energy_uj").write_text(f"{2_000 * len(passes)}")

    assert energy_per_pass(run, CPU, seconds=0.02, powercap=tmp_path) == pytest.approx(0.002)
    assert len(passes) > 1
