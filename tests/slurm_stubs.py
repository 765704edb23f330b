"""Commands of Slurm that answer what a test wrote down, and remember what they were asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["Stubs"]

SCRIPT = """#!/bin/sh
echo "$(basename "$0") $*" >> "{folder}/asked"
cat "{folder}/$(basename "$0").answer" 2> /dev/null
cat "{folder}/$(basename "$0").error" 1>&2 2> /dev/null
exit $(cat "{folder}/$(basename "$0").code" 2> /dev/null || echo 0)
"""


class Stubs:
    """``squeue``, ``scontrol`` and the others, before all else in the path."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "srun", "squeue", "scontrol"):
            (folder / name).write_text(SCRIPT.format(folder=folder))
            (folder / name).chmod(0o755)
        self.says("scontrol", "ClusterName             = loopback\n")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def says(self, name: str, answer: str, error: str = "", code: int = 0) -> None:
        """What a command prints from now on, and its exit code."""
        for ending, text in (("answer", answer), ("error", error), ("code", f"{code}")):
            (self.folder / f"{name}.{ending}").write_text(text)

    @property
    def asked(self) -> list[str]:
        """The command lines so far."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []
