"""What the command line says of jobs of Slurm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.recipe import Recipe

__all__ = ["Gres", "Partition", "Sbatch", "SlurmAsked", "TimeLimit", "Wait"]

TimeLimit = Annotated[str | None, typer.Option("--time", metavar="4h", help="Slurm: limit of a job, then requeued.")]
Partition = Annotated[str | None, typer.Option(metavar="P", help="Slurm: where the jobs go.")]
Gres = Annotated[str | None, typer.Option(metavar="gpu:1", help="Slurm: what each job needs.")]
Sbatch = Annotated[
    list[str] | None, typer.Option("--sbatch", metavar="K=V", help="Slurm: another option of sbatch, such as mem=16G.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Slurm: stay until all jobs have ended.")]


@dataclass(frozen=True)
class SlurmAsked:
    """The options for Slurm of the command line; they win over those of a recipe.

    Attributes:
        asked: Whether the runs go to Slurm at all.
    """

    asked: bool = False
    time: str | None = None
    partition: str | None = None
    gres: str | None = None
    sbatch: Sequence[str] = field(default_factory=tuple)
    wait: bool = False

    def check(self, launcher: str, dry_run: bool) -> None:
        """Looks whether jobs can be submitted where they are asked for, and that nothing of this is given elsewhere.

        Raises:
            UsageError: Slurm or submitit is missing, or an option is given to another launcher.
        """
        if self.asked:
            from segbench.launch.slurm import require_slurm

            if not dry_run:
                require_slurm()
            return
        values = (self.time, self.partition, self.gres, self.sbatch, self.wait)
        for name, value in zip(("time", "partition", "gres", "sbatch", "wait"), values, strict=True):
            if value:
                hint = "Add --launcher slurm."
                raise UsageError(f"--{name} is for jobs of Slurm, not for --launcher {launcher}.", hint)

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with them, where the runs go to Slurm.

        Raises:
            RecipeError: A value that is not allowed.
        """
        from segbench.recipe import with_slurm_options

        if not self.asked:
            return recipe
        named = {"time": self.time, "partition": self.partition, "gres": self.gres}
        given = {key: value for key, value in named.items() if value is not None}
        return with_slurm_options(recipe, given, dict(map(_option, self.sbatch)))


def _option(text: str) -> tuple[str, str | bool]:
    """``mem=16G`` or ``exclusive``, with or without dashes before."""
    key, separator, value = text.strip().lstrip("-").partition("=")
    return key, value if separator else True
