"""Trains in a folder and kills itself with SIGKILL when the named moment comes; a test starts it as a process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from segbench.engine.training import train
from segbench.progress import Silent
from tests.engine import tiny


class Killer(Silent):
    """Kills its own process at an event of an iteration."""

    def __init__(self, event: str, iteration: int) -> None:
        self.moment = (event, iteration)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        """Kills at the moment that was named."""
        if (name, values["iteration"]) == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, event, iteration = sys.argv[1:]
    train(replace(tiny.job(Path(folder)), progress=Killer(event, int(iteration))))
