"""A loopback Hub, and a process that uses it; whatever that prints must not hold the token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from segbench.registry import DATASETS
from segbench.testing import LoopbackHub
from tests.data import toy

CHECKOUT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a job ended."""

    code: int
    out: str
    err: str
    result: Any

    @property
    def line(self) -> str:
        """The one line that says what went wrong."""
        return self.err.splitlines()[-1]


class Client:
    """A process that talks to a Hub.

    Attributes:
        folder: Where it works.
    """

    def __init__(self, hub: LoopbackHub, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._hub = hub
        self._standard = hub.environment(folder / "cache") | {
            "SEGBENCH_HOME": str(folder / "home"),
            "SEGBENCH_DEBUG": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "100",
            **environment,
        }
        self._printed = folder / "stderr"
        with self._printed.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.hub.worker", str(folder)],
                cwd=CHECKOUT,
                env=os.environ | self._standard | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def close(self) -> None:
        """Ends the process and looks through what it printed and wrote."""
        self._process.communicate()
        self._check(self._printed.read_text())
        secret = self._hub.token.encode()
        written = [path for path in self.folder.rglob("*") if path.is_file()]
        assert [path for path in written if secret in path.read_bytes()] == []

    def __call__(self, job: str, *, environment: dict[str, str] | None = None, **values: Any) -> Ended:
        """Does a job; ``environment`` is for this one only."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        asked = {"job": job, "values": values, "environment": self._standard | (environment or {})}
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, self._printed.read_text()[-3000:]
        ended = Ended(**json.loads(line))
        self._check(line + self._printed.read_text())
        return ended

    def publish(self, name: str, files: dict[str, str], **values: Any) -> Ended:
        """Publishes files."""
        return self("publish", name=name, files=files, **({"owns": []} | values))

    def segbench(self, *arguments: str, **values: Any) -> Ended:
        """Runs a command line."""
        return self("command", arguments=list(arguments), **values)

    def _check(self, printed: str) -> None:
        assert self._hub.token not in printed
        assert "LoopbackSecret" not in printed


@pytest.fixture(scope="session")
def running_hub() -> Iterator[LoopbackHub]:
    """One Hub for all tests; large files come in parts of 4096 bytes."""
    with LoopbackHub(chunk=4096) as hub:
        yield hub


@pytest.fixture(scope="session")
def running_client(running_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One process for all tests."""
    client = Client(running_hub, tmp_path_factory.mktemp("client"))
    yield client
    client.close()


@pytest.fixture
def hub(running_hub: LoopbackHub) -> Iterator[LoopbackHub]:
    """The Hub, empty."""
    running_hub.reset()
    yield running_hub
    assert running_hub.waiting_faults() == {}, "what a test breaks has to be asked for"


@pytest.fixture
def client(hub: LoopbackHub, running_client: Client) -> Client:
    """A process that may write to the Hub."""
    return running_client


@pytest.fixture
def offline_client(hub: LoopbackHub, tmp_path: Path) -> Iterator[Client]:
    """A process that must not ask the Hub."""
    client = Client(hub, tmp_path, HF_HUB_OFFLINE="1")
    yield client
    client.close()


@pytest.fixture
def toy_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[toy.ToySource]]:
    """Registers ``toy`` in a home of its own; what is put into the list is opened in place of the ordinary samples."""
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(DATASETS._specs, "toy", toy.SPEC)
    yield toy.replacement
    toy.replacement.clear()
