"""What other packages compute from the same label maps, beside what segbench says they compute.

Only packages that are installed are asked, and none of them is a dependency. torch is loaded when one is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segbench.metrics.confusion import integer_map
from segbench.metrics.label_files import fitted
from segbench.metrics.numbering import class_ids
from segbench.metrics.scorer import MapPair
from segbench.progress import SILENT, Progress
from segbench.record import Scores

if TYPE_CHECKING:
    import torch

__all__ = ["PEERS", "Agreement", "Peer", "ask_peers", "installed_peers"]

# A sum in single precision is off by at most one part in 2**24 for each number added.
_SINGLE = 2.0**-24

Ids = NDArray[np.int64]
Maps = Iterable[tuple[Ids, Ids]]


@dataclass(frozen=True)
class Peer:
    """Another package.

    Attributes:
        package: Its name, as it is imported.
        protocol: What its numbers are called here.
        ask: Its own numbers by name of the score, from (truth, prediction) pairs of int64 [H,W] class ids with K for
            void, and K.
        additions: How many single-precision numbers it adds up for each image.
    """

    package: str
    protocol: str
    ask: Callable[[Maps, int], Mapping[str, float]]
    additions: int


@dataclass(frozen=True)
class Agreement:
    """A number of a peer beside ours.

    Attributes:
        package: The peer.
        version: Its version.
        protocol: Ours that follows it.
        score: Name of the score.
        theirs: Its number, a fraction; ``None`` where it says NaN.
        ours: What ``protocol`` gives.
        tolerance: The largest difference that the peer's single precision explains.
    """

    package: str
    version: str
    protocol: str
    score: str
    theirs: float | None
    ours: float | None
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the numbers differ by no more than the tolerance, or neither is defined."""
        if self.theirs is None or self.ours is None:
            return self.theirs is self.ours
        return abs(self.theirs - self.ours) <= self.tolerance


def installed_peers() -> list[Peer]:
    """The peers that can be imported; none of them is loaded by this."""
    return [peer for peer in PEERS if find_spec(peer.package) is not None and find_spec("torch") is not None]


def ask_peers(
    peers: Sequence[Peer],
    pairs: Sequence[MapPair],
    num_classes: int,
    ignore_index: int,
    ours: Mapping[str, Scores],
    progress: Progress = SILENT,
) -> tuple[list[Agreement], list[str]]:
    """Asks each peer for its numbers.

    Args:
        peers: Who is asked.
        pairs: The label maps; predictions of another size than their labels are fitted to them.
        num_classes: K.
        ignore_index: The label that counts nowhere.
        ours: Scores by name of the protocol.
        progress: Told of each image.

    Returns:
        What they say, and a line for each peer that cannot say anything.
    """
    agreements: list[Agreement] = []
    silent: list[str] = []
    for peer in peers:
        try:
            with progress.task(f"Asking {peer.package}", len(pairs), "images") as bar:
                theirs = peer.ask(_read(pairs, num_classes, ignore_index, bar.advance), num_classes)
        except Exception as error:
            # Whatever goes wrong in there is no fault of the maps: ours have been counted.
            silent.append(f"{peer.package} {_version(peer.package)} gives no number: {type(error).__name__}: {error}")
            continue
        scores, found = ours[peer.protocol], _version(peer.package)
        tolerance = _SINGLE * (8 + peer.additions * len(pairs))
        agreements += [
            Agreement(peer.package, found, peer.protocol, name, _defined(value), getattr(scores, name), tolerance)
            for name, value in theirs.items()
        ]
    return agreements, silent


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def _read(pairs: Sequence[MapPair], num_classes: int, ignore_index: int, done: Callable[[], object]) -> Maps:
    def ids(values: ArrayLike, name: str) -> Ids:
        found = class_ids(integer_map(values, name), num_classes, ignore_index)
        return np.minimum(found, num_classes).astype(np.int64)

    for pair in pairs:
        truth = ids(pair.label(), "label")
        yield truth, fitted(ids(pair.prediction(), "prediction"), truth.shape).astype(np.int64)
        done()


def _batch(ids: Ids) -> torch.Tensor:
    import torch

    return torch.from_numpy(ids)[None]


def _torchmetrics(maps: Maps, num_classes: int) -> Mapping[str, float]:
    metric: Any = import_module("torchmetrics.segmentation").MeanIoU(num_classes=num_classes + 1, input_format="index")
    for truth, guess in maps:
        metric.update(_batch(guess), _batch(truth))
    return {"mean_iou": float(metric.compute())}


def _segmentation_models(maps: Maps, num_classes: int) -> Mapping[str, float]:
    import torch

    if num_classes == 1:
        raise ValueError("its histogram of a single class has no range")
    metrics: Any = import_module("segmentation_models_pytorch.metrics")
    counts = [
        metrics.get_stats(
            _batch(guess), _batch(truth), mode="multiclass", ignore_index=num_classes, num_classes=num_classes
        )
        for truth, guess in maps
    ]
    sums = [torch.cat(parts) for parts in zip(*counts, strict=True)]
    return {
        "global_accuracy": float(metrics.recall(*sums, reduction="micro")),
        "class_accuracy": float(metrics.recall(*sums, reduction="macro")),
        "mean_iou": float(metrics.iou_score(*sums, reduction="macro")),
    }


PEERS = (
    Peer("torchmetrics", "torchmetrics-miou", _torchmetrics, additions=1),
    Peer("segmentation_models_pytorch", "smp-macro", _segmentation_models, additions=0),
)
