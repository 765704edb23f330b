"""Command lines and Python run against a loopback Hub, each batch in a fresh interpreter: the clients of the Hub read
their environment when they are imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import RepoCard

from segbench.testing import LoopbackHub

__all__ = ["Ended", "Step", "metadata", "run_commands", "run_python"]

CHECKOUT = Path(__file__).parents[2]

# Runs command lines one after the other, each with its own home, and prints how each ended.
COMMANDS = """
import contextlib, io, json, os, sys
from segbench.cli import main
from segbench.registry import DATASETS
from tests.data import toy
from tests.hub import toys
DATASETS.add(toy.SPEC)
ended = []
for step in json.load(sys.stdin):
    os.environ["SEGBENCH_HOME"] = step["home"]
    toy.replacement[:] = [getattr(toys, step["source"])()] if step["source"] else []
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(step["arguments"])
        except SystemExit as error:
            code = error.code
    ended.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(ended))
"""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def values(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.out)


class Step(NamedTuple):
    """A command line.

    Attributes:
        home: Name of its SEGBENCH_HOME.
        source: What in ``tests.hub.toys`` makes the source of ``toy``; empty: the ordinary one.
    """

    arguments: tuple[str, ...]
    home: str = "first"
    source: str = ""


def run_commands(hub: LoopbackHub, folder: Path, steps: Sequence[Step]) -> list[Ended]:
    """Runs the steps in one process."""
    given = [{**step._asdict(), "home": str(folder / step.home)} for step in steps]
    printed = _run(hub, folder, COMMANDS, json.dumps(given), PYTHONPATH=str(CHECKOUT))
    return [Ended(*one) for one in json.loads(printed.splitlines()[-1])]


def run_python(hub: LoopbackHub, folder: Path, code: str) -> Any:
    """Runs code that knows nothing of segbench, and returns the JSON in its last line."""
    return json.loads(_run(hub, folder, code, "").splitlines()[-1])


def _run(hub: LoopbackHub, folder: Path, code: str, given: str, **variables: str) -> str:
    environment = {**os.environ, **hub.environment(folder / "huggingface"), "COLUMNS": "80", **variables}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        input=given,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def metadata(readme: bytes) -> dict[str, Any]:
    """The front matter of a card, as the Hub's own class reads it."""
    values: dict[str, Any] = RepoCard(readme.decode()).data.to_dict()  # type: ignore[no-untyped-call]
    return values
