"""What ``segbench run`` was asked for, as the processes that it starts are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segbench.cli.slurm_options import SlurmAsked

__all__ = ["RunRequest"]


@dataclass(frozen=True)
class RunRequest:
    """The options that decide the runs and how each is computed, and those that a launcher reads.

    Attributes:
        changes: Of the recipes, as ``--set`` gives them.
        threads: As asked for; ``None``: the launcher decides.
        jobs: Processes that share the runs, or jobs of Slurm at a time; ``None``: one process, but all jobs.
        nproc: Processes that compute one run together.
        encoder: Where the encoder's weights come from, as ``--encoder-weights`` gives it.
        init_from: The weights that networks start from, as ``--init-from`` gives them.
        trials: A file of trials that go into the records.
        cached: Ask the Hub for nothing that was not fetched before.
    """

    models: Sequence[str]
    dataset: str
    recipe: str | None
    seeds: str
    changes: Sequence[str]
    device: str
    threads: int | None
    tensorboard: bool
    out: Path
    jobs: int | None = None
    nproc: int = 1
    sync_batch_norm: bool = False
    retry_failed: bool = False
    encoder: str | None = None
    init_from: str | None = None
    trials: Path | None = None
    cached: bool = False
    slurm: SlurmAsked = field(default_factory=SlurmAsked)

    def arguments(self, *more: str, threads: int | None) -> list[str]:
        """The command line, after ``segbench``, of a process that does a part of this.

        Args:
            more: Options beside those that decide the runs.
            threads: Of that process; ``None``: it decides.
        """
        named = {
            "--dataset": self.dataset,
            "--seeds": self.seeds,
            "--device": self.device,
            "--threads": threads,
            "--out": self.out,
        }
        given = [text for name, value in named.items() if value is not None for text in (name, str(value))]
        given += [] if self.recipe is None else ["--recipe", self.recipe]
        given += [text for change in self.changes for text in ("--set", change)]
        given += [] if self.encoder is None else ["--encoder-weights", self.encoder]
        given += [] if self.init_from is None else ["--init-from", self.init_from]
        given += [] if self.trials is None else ["--trials", str(self.trials)]
        given += ["--tensorboard"] if self.tensorboard else []
        return ["run", *given, *more, "--worker", "--", *self.models]
