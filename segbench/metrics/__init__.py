"""Scores that can be trusted: exact counts, both rules of boundary F1, tallies per image. Needs no torch.

>>> from segbench.metrics import Scorer
>>> scorer = Scorer(["road", "sky"])
>>> scorer.update("frame-1", label, prediction)
>>> scorer.scores().mean_iou
"""

from __future__ import annotations

from segbench.metrics.boundary import boundary_map
from segbench.metrics.confusion import ConfusionMatrix
from segbench.metrics.scorer import Scorer
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import ImageTally, Tallies, tally_image

__all__ = [
    "ConfusionMatrix",
    "ImageTally",
    "Scorer",
    "Tallies",
    "boundary_map",
    "scores_from_tallies",
    "tally_image",
]
