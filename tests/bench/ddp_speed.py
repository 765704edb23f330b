"""What several processes gain: training steps of a team, and evaluation and scoring with two workers against one.

Steps: images a second of SegNet-Basic as ``segbench run`` trains it, without validation, in one process with two
threads, and in two processes of one thread that meet by gloo, with batch normalisation of each and of both. The same
batches in all. Evaluation: SegNet-Basic infers, and what is scored is the truth of drawn scenes, moved by three pixels,
with boundary F1; one thread alone, two threads with the helpers that ``segbench evaluate`` takes by itself, and two
processes of one thread that share the split. Scoring: the same maps by ``Scorer.update_all`` with one job and two.
Every measurement is a process (or two) of its own; the ways take turns, and the best round counts. The efficiency is
the time of one worker over twice that of two.

Run: python tests/bench/ddp_speed.py [--size HxW] [--batch N] [--steps N] [--images N] [--rounds N] [--only PART]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from segbench.data.synthetic_roads import scene
from segbench.engine.distributed import ALONE, Team, joined
from segbench.engine.environment import choose_compute
from segbench.engine.evaluation import score_split
from segbench.engine.training import Job, train
from segbench.metrics import Scorer
from segbench.metrics.scorer import MapPair
from segbench.models import create_model
from segbench.recipe import Recipe
from segbench.record import WeightsHeader

CLASSES = 11
MOVED = 3
REQUIRED = 0.9
PARTS = ("steps", "evaluation", "scoring")


@dataclass(frozen=True)
class Way:
    """How many processes and threads do it.

    Attributes:
        jobs: Processes that count beside the one that predicts, or that score.
    """

    name: str
    processes: int = 1
    threads: int = 1
    sync: bool = False
    jobs: int = 0


WAYS = {
    "steps": [
        Way("1 process x 2 threads", threads=2),
        Way("2 processes x 1 thread", processes=2),
        Way("2 x 1, normalised over both", processes=2, sync=True),
    ],
    "evaluation": [
        Way("1 thread alone"),
        Way("2 threads, 2 helpers", threads=2, jobs=2),
        Way("2 processes x 1 thread", processes=2),
    ],
    "scoring": [Way("1 job", jobs=1), Way("2 jobs", jobs=2)],
}


@dataclass
class Scenes:
    """Drawn scenes, repeated until there are enough."""

    count: int
    size: tuple[int, int]
    different: int = 12

    @cached_property
    def drawn(self) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Images and labels."""
        return [scene(seed, self.size) for seed in range(min(self.count, self.different))]

    @property
    def ids(self) -> list[str]:
        """One an image."""
        return [f"scene-{index}" for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def image(self, index: int) -> NDArray[np.uint8]:
        """RGB [H, W, 3]; the first channel tells :class:`Moved` the truth."""
        image, label = self.drawn[index % len(self.drawn)]
        return np.concatenate([np.where(label < CLASSES, label, 0)[..., None], image[..., 1:]], axis=2)

    def label(self, index: int) -> NDArray[np.uint8]:
        """Class ids [H, W]."""
        return self.drawn[index % len(self.drawn)][1]

    def prediction(self, index: int) -> NDArray[np.uint8]:
        """What is predicted: the truth, moved."""
        label = self.label(index)
        return np.roll(np.where(label < CLASSES, label, 0), MOVED, axis=1).astype(np.uint8)


class Moved(nn.Module):
    """Infers as SegNet-Basic does, and answers with the truth, moved."""

    def __init__(self) -> None:
        super().__init__()
        self.network = create_model("segnet-basic", CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] to logits [N, 11, H, W]."""
        self.network(images)
        truth = images[:, 0].long().roll(MOVED, 2)
        return nn.functional.one_hot(truth, CLASSES).permute(0, 3, 1, 2).float()


def job(chosen: argparse.Namespace, folder: Path, team: Team) -> Job:
    """A training that is validated once, at its end, on one image."""
    recipe = Recipe.model_validate(
        {
            "model": "segnet-basic",
            "variant": "measured",
            "dataset": "synthetic-roads",
            "dataset_variant": "96x128-11",
            "train": {
                "iterations": chosen.steps,
                "batch_size": chosen.batch,
                "lr": 0.01,
                "validate_every": chosen.steps,
                "batch_norm": "running",
            },
        }
    )
    header = WeightsHeader(
        model="segnet-basic",
        num_classes=CLASSES,
        class_names=[*map(str, range(CLASSES))],
        palette=[(0, 0, 0)] * CLASSES,
        ignore_index=255,
        dataset="synthetic-roads",
        dataset_variant="96x128-11",
        dataset_fingerprint="0" * 16,
        input_size=None,
        recipe=recipe,
        seed=0,
        iteration=0,
    )
    torch.manual_seed(0)
    return Job(
        model=create_model("segnet-basic", CLASSES),
        recipe=recipe,
        header=header,
        train=Scenes(4 * chosen.batch, chosen.size),
        validation=None,
        class_weights=None,
        compute=choose_compute("cpu"),
        cell="0" * 12,
        folder=folder,
        team=team,
    )


# --- one measurement, in a process of its own -------------------------------------------------------------------------


def steps(chosen: argparse.Namespace, way: Way, team: Team) -> float:
    """Images a second of training steps, the first ones left out."""
    with tempfile.TemporaryDirectory() as folder:
        # Each of a team looks for the weights that the leader wrote, in the folder that all were given.
        place = Path(team.told(folder))
        trained = train(job(chosen, place, replace(team, sync_batch_norm=way.sync)))
        team.wait()
    return trained.curve.images_per_s


def evaluation(chosen: argparse.Namespace, way: Way, team: Team) -> float:
    """Images a second, the start of helpers included."""
    split, model, compute = Scenes(chosen.images, chosen.size), Moved().eval(), choose_compute("cpu")
    split.drawn  # noqa: B018  drawn before the clock starts
    score_split(model, Scenes(4, chosen.size), Scorer(CLASSES), None, 4, compute, team=team, processes=0)
    start = time.perf_counter()
    score_split(model, split, Scorer(CLASSES), None, 4, compute, team=team, processes=way.jobs)
    return per_s(chosen, start)


def scoring(chosen: argparse.Namespace, way: Way, team: Team) -> float:
    """Images a second, the start of processes included."""
    split = Scenes(chosen.images, chosen.size)
    pairs = [
        MapPair(name, partial(split.label, index), partial(split.prediction, index))
        for index, name in enumerate(split.ids)
    ]
    Scorer(CLASSES).update_all(pairs[:4])
    start = time.perf_counter()
    Scorer(CLASSES).update_all(pairs, way.jobs)
    return per_s(chosen, start)


def per_s(chosen: argparse.Namespace, start: float) -> float:
    """Images a second since ``start``."""
    images: int = chosen.images
    return images / (time.perf_counter() - start)


MEASURED: dict[str, Callable[[argparse.Namespace, Way, Team], float]] = {
    "steps": steps,
    "evaluation": evaluation,
    "scoring": scoring,
}


def measure(chosen: argparse.Namespace) -> None:
    """What a process that was started for one measurement does."""
    way = WAYS[chosen.only][chosen.way]
    torch.set_num_threads(way.threads)
    with joined(torch.device("cpu")) if way.processes > 1 else nullcontext(ALONE) as team:
        found = MEASURED[chosen.only](chosen, way, team)
    if team.leads:
        print(json.dumps(found), flush=True)
    # Threads of the communication may not outlive the interpreter.
    os._exit(0)


# --- all of them ------------------------------------------------------------------------------------------------------


def started(part: str, number: int, arguments: list[str]) -> float:
    """Runs one measurement and returns its images a second."""
    way = WAYS[part][number]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    shared: dict[str, Any] = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "WORLD_SIZE": f"{way.processes}"}
    shared |= {"OMP_NUM_THREADS": f"{way.threads}", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--only", part, "--way", f"{number}", *arguments]
    team = [
        subprocess.Popen(command, env=os.environ | shared | {"RANK": f"{rank}"}, stdout=subprocess.PIPE, text=True)
        for rank in range(way.processes)
    ]
    printed = [process.communicate()[0] for process in team]
    if any(process.returncode for process in team):
        raise SystemExit(f"{way.name} failed")
    return float(json.loads(printed[0]))


def report(part: str, found: list[float]) -> bool:
    """Prints a part; whether it meets what is required of it."""
    first = found[0]
    print(f"\n{part}, images/s")
    for way, value in zip(WAYS[part], found, strict=True):
        beside = "" if value is first else f"ratio {value / first:.2f}"
        if part != "steps" and value is not first:
            beside += f", efficiency {value / first / 2:.2f} (at least {REQUIRED} where the machine is idle)"
        print(f"{way.name:30} {value:>8.2f}  {beside}")
    return part == "steps" or max(found[1:]) / first / 2 >= REQUIRED


def size(text: str) -> tuple[int, int]:
    """Height and width of ``HxW``."""
    height, width = text.split("x")
    return int(height), int(width)


def main() -> int:
    """Measures and reports; 1 where an efficiency is below what is required."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=size, default=(180, 240))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--way", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.way is not None:
        measure(chosen)
    height, width = chosen.size
    named = {"--size": f"{height}x{width}", "--batch": chosen.batch, "--steps": chosen.steps, "--images": chosen.images}
    arguments = [text for name, value in named.items() for text in (name, f"{value}")]
    good = True
    print(f"{height}x{width}, best of {chosen.rounds} rounds; torch {torch.__version__}, {os.cpu_count()} processors")
    for part in [chosen.only] if chosen.only else PARTS:
        rounds = [[started(part, number, arguments) for number in range(len(WAYS[part]))] for _ in range(chosen.rounds)]
        good &= report(part, [max(values) for values in zip(*rounds, strict=True)])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
