"""What all tests share: homes of their own, no internet, and the real data where there is any."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import slurm
from tests.slurm import Cluster
from tests.slurm_stubs import Stubs

CHECKOUT = Path(__file__).parents[1]
REQUIRED = {
    "shared": "SEGBENCH_REQUIRE_SHARED_DATA",
    "chromium": "SEGBENCH_REQUIRE_CHROMIUM",
    "slurm": "SEGBENCH_REQUIRE_SLURM",
}


# Times depend on what else the machine does; a law does not.
settings.register_profile("segbench", deadline=None, max_examples=60)
settings.load_profile("segbench")


def pytest_configure(config: pytest.Config) -> None:
    """Keeps the user's data and the Hub out of reach; the Hugging Face libraries read these variables at import."""
    home = tempfile.mkdtemp(prefix="segbench-tests-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ |= {
        "SEGBENCH_HOME": f"{home}/segbench",
        "HF_HOME": f"{home}/huggingface",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_XET": "1",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": f"{home}/matplotlib",
    }
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]  # of a job or a cluster that is none of the tests'
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in its background deaf to Ctrl-C, and every process that a test starts would be, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what this machine cannot do."""
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu and not _has_gpu():
        _skip(gpu, "needs a CUDA device")
    if os.environ.get("SEGBENCH_TEST_NETWORK") != "1":
        _skip([item for item in items if item.get_closest_marker("network")], "set SEGBENCH_TEST_NETWORK=1")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _skip(items: list[pytest.Item], reason: str) -> None:
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of a test into a failure where what it needs is required: real data, Chromium, Slurm."""
    report = yield
    required = [name for marker, name in REQUIRED.items() if item.get_closest_marker(marker)]
    required = [name for name in required if os.environ.get(name) == "1"]
    if report.skipped and required and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although {required[0]}=1: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _environment_stays() -> Generator[None, None, None]:
    """Takes back what a command in this process told the numerical libraries, which read it when they start."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before) - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data, `$SEGBENCH_TEST_DATA` or `../shared/data`; the test skips where it is missing."""
    folder = Path(os.environ.get("SEGBENCH_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}")
    return folder


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stubs:
    """Commands of Slurm that say what they are told to; nothing of what they said before is remembered."""
    from segbench.launch import slurm_queue

    monkeypatch.setattr(slurm_queue, "_asked", {})
    slurm_queue.cluster_name.cache_clear()
    return Stubs(tmp_path / "bin", monkeypatch)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Slurm of one node; afterwards nothing of it is left running."""
    if not slurm.is_installed():
        pytest.skip("Debian's packages slurm-wlm and munge are not installed")
    with slurm.started() as cluster:
        yield cluster
    assert slurm.processes_of(cluster) == []
