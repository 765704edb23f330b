"""``SEGBENCH_MAX_ITERATIONS``: trying everything out without training for hours.

A run that this cuts is shorter than its recipe, so it is a run of another recipe: its variant ends in ``-cut``, it has
an id, a folder and a table of its own, and nothing it reaches is compared with a paper's number.
"""

from __future__ import annotations

import os

from segbench.errors import UsageError
from segbench.recipe import Recipe, override

__all__ = ["MAX_ITERATIONS", "cut_short", "most_iterations"]

MAX_ITERATIONS = "SEGBENCH_MAX_ITERATIONS"
MARK = "-cut"


def most_iterations() -> int | None:
    """What the variable says, in optimizer steps; ``None`` where it is not set.

    Raises:
        UsageError: It is no whole number from 1.
    """
    text = os.environ.get(MAX_ITERATIONS, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise UsageError(
            f"{MAX_ITERATIONS}='{text}' is no number of training steps from 1.", "Unset it to train fully."
        )
    return int(text)


def cut_short(recipe: Recipe, num_images: int) -> Recipe:
    """The recipe, ended after the steps that ``SEGBENCH_MAX_ITERATIONS`` allows; itself where it is no longer.

    Args:
        recipe: As resolved.
        num_images: Of the training split.

    Raises:
        UsageError: The variable is no number of steps.
    """
    most, train = most_iterations(), recipe.train
    total = train.iterations or (train.epochs or 0) * -(-num_images // train.batch_size)
    if most is None or total <= most:
        return recipe
    cut = override(
        recipe, [f"train.iterations={most}", f"train.validate_every={most}", f"variant={recipe.variant}{MARK}"]
    )
    if cut.paper is None:
        return cut
    reason = f"the run was cut to {most} of {total:,} training steps"
    return cut.model_copy(update={"paper": cut.paper.model_copy(update={"comparable": False, "reason": reason})})
