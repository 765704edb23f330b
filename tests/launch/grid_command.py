"""``segbench`` as a process that knows the toy dataset; tests start it, and it starts itself for ``--jobs``.

``TOY_STEP_S`` seconds pass in every training step, and ``TOY_FAILS`` names a model whose training raises. In the first
start of a job of Slurm step 6 lasts until it is interrupted or the file ``TOY_HOLD`` is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from segbench.cli import main
from segbench.registry import DATASETS
from tests.data import toy

RECIPES = Path("recipes")


def slow_steps() -> None:
    """Makes training slow enough to be met in the middle, and one model's fail."""
    from segbench.engine import training

    step: Any = training._Run._update

    def slower(run: Any, indices: Any) -> float:
        time.sleep(float(os.environ.get("TOY_STEP_S", "0")))
        if run.job.recipe.model == os.environ.get("TOY_FAILS") and run.status.iteration == 3:
            raise OSError("the disk is gone")
        if run.status.iteration == 5 and os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
            hold()
        return float(step(run, indices))

    vars(training)["_Run"]._update = slower


def hold() -> None:
    """Waits, as long as the file is there, for the request to stop that would come between two steps."""
    interruption: Any = signal.getsignal(signal.SIGTERM)
    while "TOY_HOLD" in os.environ and Path(os.environ["TOY_HOLD"]).exists() and not interruption.requested:
        time.sleep(0.05)


if __name__ == "__main__":
    from segbench import recipe
    from segbench.launch import local

    DATASETS.add(toy.SPEC)
    recipe.recipes_folder = lambda: RECIPES
    local.COMMAND[:] = [sys.executable, "-m", "tests.launch.grid_command"]
    slow_steps()
    main()
