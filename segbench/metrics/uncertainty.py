"""How much a network's certainty is worth, as numbers: calibration, and accuracy where it is most certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import ArrayLike

from segbench.metrics.calibration import Calibration, ReliabilityBin
from segbench.metrics.confident_share import ConfidentShare

__all__ = ["SHARES", "ShareAccuracy", "UncertaintyScorer", "UncertaintyScores"]

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class ShareAccuracy:
    """Accuracy over the pixels that a network is most certain of.

    Attributes:
        share: Of the labelled pixels.
        accuracy: By the name of what certainty is ranked by; ``None`` without labelled pixels.
    """

    share: float
    accuracy: Mapping[str, float | None]


@dataclass(frozen=True)
class UncertaintyScores:
    """What the certainty of a network is worth on a split.

    Attributes:
        samples: Thinned networks that were averaged; ``None`` where one network spoke for itself.
        num_pixels: Labelled pixels.
        expected_calibration_error: 0 to 1.
        reliability: Bins of confidence, the least first.
        accuracy_at_confidence: For each of :data:`SHARES`.
    """

    samples: int | None
    num_pixels: int
    expected_calibration_error: float | None
    reliability: tuple[ReliabilityBin, ...]
    accuracy_at_confidence: tuple[ShareAccuracy, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class UncertaintyScorer:
    """Gathers the certainty of many images.

    Args:
        samples: Thinned networks that were averaged, ``None`` where there are none.
        ignore_index: Truth of this value counts nowhere.
    """

    def __init__(self, samples: int | None = None, ignore_index: int = 255) -> None:
        self.samples, self.ignore_index = samples, ignore_index
        self.calibration = Calibration(ignore_index=ignore_index)
        self.ranked: dict[str, ConfidentShare] = {}

    def update(
        self, label: ArrayLike, prediction: ArrayLike, confidence: ArrayLike, uncertainties: Mapping[str, ArrayLike]
    ) -> None:
        """Counts one image.

        Args:
            label: Class ids [H,W].
            prediction: Class ids [H,W].
            confidence: Probability of the predicted class [H,W].
            uncertainties: What pixels are ranked by, at least 0 [H,W] each, such as ``entropy``; the same for every
                image.

        Raises:
            DataError: Shapes differ or values are out of range.
        """
        self.calibration.update(label, prediction, confidence)
        for name, uncertainty in uncertainties.items():
            ranked = self.ranked.setdefault(name, ConfidentShare(self.ignore_index))
            ranked.update(label, prediction, uncertainty)

    def scores(self) -> UncertaintyScores:
        """What was gathered so far."""
        by_name = {name: ranked.accuracies(SHARES) for name, ranked in self.ranked.items()}
        return UncertaintyScores(
            samples=self.samples,
            num_pixels=int(self.calibration.pixels.sum()),
            expected_calibration_error=self.calibration.expected_error,
            reliability=self.calibration.bins,
            accuracy_at_confidence=tuple(
                ShareAccuracy(share, {name: values[place] for name, values in by_name.items()})
                for place, share in enumerate(SHARES)
            ),
        )
