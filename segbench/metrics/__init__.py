"""Scores that can be trusted: exact counts, both rules of boundary F1, tallies per image. Needs no torch.

>>> from segbench.metrics import Scorer
>>> scorer = Scorer(["road", "sky"])
>>> scorer.update("frame-1", label, prediction)
>>> scorer.scores().mean_iou
"""

from __future__ import annotations

from segbench.metrics.boundary import boundary_map
from segbench.metrics.boundary_iou import BoundaryIoU, BoundaryIoUScores
from segbench.metrics.calibration import Calibration
from segbench.metrics.comparison import compare
from segbench.metrics.confident_share import ConfidentShare
from segbench.metrics.confusion import ConfusionMatrix
from segbench.metrics.scorer import Scorer
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.statistics import bootstrap
from segbench.metrics.tallies import ImageTally, Tallies, tally_image
from segbench.metrics.tolerance_sweep import ToleranceSweep
from segbench.metrics.trimap import TrimapCurve, TrimapPoint

__all__ = [
    "BoundaryIoU",
    "BoundaryIoUScores",
    "Calibration",
    "ConfidentShare",
    "ConfusionMatrix",
    "ImageTally",
    "Scorer",
    "Tallies",
    "ToleranceSweep",
    "TrimapCurve",
    "TrimapPoint",
    "bootstrap",
    "boundary_map",
    "compare",
    "scores_from_tallies",
    "tally_image",
]
