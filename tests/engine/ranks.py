"""What each process of a team does in the tests of ``test_distributed``, and how they are started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.engine.batch_norm import reestimate
from segbench.engine.distributed import ALONE, Team, joined
from segbench.engine.evaluation import score_split
from segbench.engine.training import Job, train
from segbench.metrics import Scorer
from segbench.models import create_model
from segbench.progress import Silent
from tests.engine import tiny

CHECKOUT = Path(__file__).parents[2]
STEPS = 6
STOPPED_AT = 4
# Thirteen images in batches of seven at most: steps of seven and of six, of which two and three processes divide one.
IMAGES = 13
TRAINING: dict[str, Any] = {"batch_size": 7, "iterations": STEPS, "validate_every": 3, "lr": 0.02, "momentum": 0.5}
MICRO_BATCHES: dict[str, dict[str, Any]] = {"plain": {}, "micro": {"micro_batch": 2}}


class Stop(Silent):
    """Interrupts its own process, and none of the others, after a step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, steps: int = 1) -> None:
        """Counts a step."""
        self.left -= steps
        if steps and self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def task(self, title: str, total: int | None = None, unit: str = "") -> Any:
        """Counts the steps of training alone."""
        return super().task(title, total, unit) if unit != "steps" else _Counted(self)


class _Counted:
    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    def __enter__(self) -> Stop:
        return self.stop

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""


class Plain(nn.Module):
    """A network without batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in 0..255 to logits [N, 3, H, W]."""
        logits: Tensor = self.layers(images / 255)
        return logits


class Mixed(tiny.Drawn):
    """Nine images, of two sizes."""

    def __init__(self) -> None:
        super().__init__(9)

    def _of(self, index: int) -> tiny.Drawn:
        return tiny.Drawn(size=tiny.SIZE if index < 5 else (40, 36))

    def label(self, index: int) -> NDArray[np.uint8]:
        """Smaller ones first."""
        return self._of(index).label(index)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Smaller ones first."""
        return self._of(index).image(index)


def job(folder: Path, team: Team = ALONE, model: nn.Module | None = None, **fields: Any) -> Job:
    """A training of thirteen images, validated on three; keywords replace values of its recipe."""
    recipe = tiny.recipe(**(TRAINING | fields))
    made = tiny.job(folder, recipe, train=tiny.Drawn(IMAGES), validation=tiny.Drawn(3, first=100))
    return replace(made, model=model or made.model, team=team)


def plain() -> nn.Module:
    """The same initial weights everywhere."""
    torch.manual_seed(5)
    return Plain()


def network() -> nn.Module:
    """A network in evaluation mode whose predictions are neither all right nor all wrong."""
    torch.manual_seed(3)
    model = create_model("segnet-basic", 3, width=8)
    reestimate(model, tiny.Drawn(4), None, 2, tiny.CPU)
    return model


def evaluated(team: Team, folder: Path, processes: int = 0) -> None:
    """Scores the images of two sizes; the leader writes down all that came of it."""
    scorer = Scorer(tiny.CLASSES)
    kept: list[tuple[str, str]] = []

    def keep(image_id: str, prediction: NDArray[np.uint8]) -> None:
        kept.append((image_id, sha256(prediction.tobytes()).hexdigest()))

    scores = score_split(network(), Mixed(), scorer, None, 2, tiny.CPU, keep, team, processes)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"scores-{team.rank}.json").write_text(scores.model_dump_json())
    if team.leads:
        scorer.tallies.to_parquet(folder / "tallies.parquet")
        (folder / "kept.json").write_text(json.dumps(kept))


def measured(team: Team, folder: Path) -> None:
    """Statistics of batch normalisation over seven images in minibatches of two."""
    model = create_model("bayesian-segnet-basic", 3, width=8)
    model.load_state_dict(torch.load(folder / "initial.pt", weights_only=True))
    reestimate(model, tiny.Drawn(7), None, 2, tiny.CPU, team)
    torch.save(model.state_dict(), folder / f"measured-{team.rank}.pt")


def main(folder: Path) -> None:
    """All that is tested, in one go."""
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as team:
        evaluated(team, folder / "evaluated")
        measured(team, folder)
        for name, values in MICRO_BATCHES.items():
            train(job(folder / name, team, plain(), **values))
        together = replace(team, sync_batch_norm=True)
        train(job(folder / "synchronised", together))
        train(job(folder / "apart", team, batch_norm="running"))
        train(job(folder / "begun-alone", together))
        stopped = job(folder / "stopped", together)
        try:
            train(replace(stopped, progress=Stop(STOPPED_AT)) if team.rank == team.size - 1 else stopped)
        except KeyboardInterrupt:
            (folder / f"interrupted-{team.rank}").touch()


def run(folder: Path, size: int) -> None:
    """Runs ``main`` in several processes that meet as those of torchrun do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "WORLD_SIZE": f"{size}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.engine.ranks", f"{folder}"]
    team = [
        subprocess.Popen(
            command, cwd=CHECKOUT, env=os.environ | meeting | {"RANK": f"{rank}"}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(size)
    ]
    ends = [(process.communicate(timeout=100)[1], process.returncode) for process in team]
    assert [code for _, code in ends] == [0] * size, ends


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    # As those of torchrun do: gloo's threads may not outlive the interpreter.
    os._exit(0)
