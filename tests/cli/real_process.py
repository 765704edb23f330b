"""The real command in a process of its own, which leaves everything in one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def run_segbench(folder: Path, *arguments: str) -> tuple[str, str]:
    """What a command that succeeds printed on stdout and on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "segbench", *arguments, "--out", str(folder)],
        cwd=CHECKOUT,
        env=os.environ | {"SEGBENCH_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr
