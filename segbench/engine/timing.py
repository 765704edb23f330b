"""How long passes take: several networks in turn, so that a drift of the machine's speed meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from segbench.engine.subject import Subject
from segbench.progress import SILENT, Progress
from segbench.record import Timing

__all__ = ["Times", "interleaved_times"]

WARM_UP_ROUNDS = 1


@dataclass
class Times:
    """Seconds of each pass of one network, a value a round."""

    forward: list[float] = field(default_factory=list)
    training_forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)

    def timing(self, name: str) -> Timing | None:
        """Median and 95th percentile of one of the three; ``None`` where it was never done."""
        if not getattr(self, name):
            return None
        milliseconds = 1000 * np.array(getattr(self, name))
        median, high = (float(value) for value in np.percentile(milliseconds, (50, 95)))
        return Timing(p50_ms=median, p95_ms=high, rounds=len(milliseconds))


def interleaved_times(subjects: Sequence[Subject], rounds: int, progress: Progress = SILENT) -> list[Times]:
    """Times of all subjects, a pass of each in every round; the round that warms up does not count.

    Args:
        subjects: Networks on one device.
        rounds: Timed passes of each.
    """
    times = [Times() for _ in subjects]
    with progress.task("Profile", total=(WARM_UP_ROUNDS + rounds) * len(subjects), unit="passes") as task:
        for number in range(WARM_UP_ROUNDS + rounds):
            for subject, found in zip(subjects, times, strict=True):
                _one_round(subject, found if number >= WARM_UP_ROUNDS else Times())
                task.advance()
    return times


def _one_round(subject: Subject, found: Times) -> None:
    device = subject.compute.device
    start = _now(device)
    subject.infer()
    inferred = _now(device)
    found.forward.append(inferred - start)
    if not subject.trainable:
        return
    loss = subject.training_loss()
    computed = _now(device)
    torch.autograd.backward(loss)
    found.backward.append(_now(device) - computed)
    found.training_forward.append(computed - inferred)
    subject.drop_gradients()


def _now(device: torch.device) -> float:
    """The time when all work that was given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
