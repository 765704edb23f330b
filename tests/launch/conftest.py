"""What the tests of the launchers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.launch import slurm_queue
from tests.launch.slurm_stubs import Stubs


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stubs:
    """Commands of Slurm that say what they are told to; nothing of what they said before is remembered."""
    monkeypatch.setattr(slurm_queue, "_asked", {})
    slurm_queue.cluster_name.cache_clear()
    return Stubs(tmp_path / "bin", monkeypatch)
