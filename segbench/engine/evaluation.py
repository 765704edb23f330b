"""From a trained network to label maps and scores, one image at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.data.workers import in_order
from segbench.engine.batches import Images
from segbench.engine.distributed import ALONE, Team
from segbench.engine.environment import Compute
from segbench.engine.resizing import resize_images
from segbench.metrics import Scorer
from segbench.metrics.scorer import Counting
from segbench.metrics.tallies import ImageTally
from segbench.models.blocks import resize_logits
from segbench.record import Scores

__all__ = ["equal_batches", "label_maps", "pixel_scores", "predict_images", "score_split"]

LabelMap = NDArray[np.uint8]

# A process that counts costs about as much as it saves on this many pixels with boundaries.
_PIXELS_PER_PROCESS = 12_000_000
_BATCHES_A_ROUND = 16


def predict_images(
    model: nn.Module, images: Tensor, input_size: tuple[int, int] | None, size: tuple[int, int], compute: Compute
) -> Tensor:
    """Label maps uint8 [N, H, W] of images float32 [N, 3, h, w].

    The network sees ``input_size``; its logits are brought to ``size`` bilinearly before the maximum is taken.
    """
    with torch.no_grad(), compute.autocast():
        logits = model(resize_images(images, input_size))
    # max(1) finds the same indices as argmax(1) and is about 15 times as fast on the CPU.
    return resize_logits(logits.float(), size).max(1)[1].to(torch.uint8)


def label_maps(
    model: nn.Module,
    split: Images,
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    batches: Iterable[list[int]] | None = None,
) -> Iterator[tuple[int, LabelMap]]:
    """Yields index and predicted label map, at the image's own size, of every image of a split.

    Neighbouring images of one size are predicted together; memory does not depend on the number of images.

    Args:
        batches: Indices of images that are predicted together, those of this process where several share a split.
    """
    model.eval()
    for indices, images, size in equal_batches(split, batch_size, compute, batches):
        maps = predict_images(model, images, input_size, size, compute).cpu().numpy()
        yield from zip(indices, maps, strict=True)


def equal_batches(
    split: Images, batch_size: int, compute: Compute, batches: Iterable[list[int]] | None = None
) -> Iterator[tuple[list[int], Tensor, tuple[int, int]]]:
    """Yields indices, images float32 [n, 3, H, W] and their size, neighbours of one size together, in order.

    Args:
        batches: Indices of images of one size each, in place of all images of the split.
    """
    for indices in _equal_sizes(split, batch_size) if batches is None else batches:
        images = torch.from_numpy(np.stack([split.image(index) for index in indices]))
        height, width = images.shape[1:3]
        yield indices, images.to(compute.device).permute(0, 3, 1, 2).float(), (height, width)


def _equal_sizes(split: Images, batch_size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in range(len(split)):
        if batch and (len(batch) == batch_size or split.image(batch[0]).shape != split.image(index).shape):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@dataclass(frozen=True)
class _Counted:
    """An image that was predicted and counted; the label map only where somebody wants it."""

    index: int
    tally: ImageTally
    prediction: LabelMap | None


def score_split(
    model: nn.Module,
    split: Images,
    scorer: Scorer,
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    keep: Callable[[str, LabelMap], None] | None = None,
    team: Team = ALONE,
    processes: int | None = None,
) -> Scores:
    """Scores every image of a split; neither team nor processes change a bit of scores and tallies (at equal threads).

    The processes of a team share the batches that one process by itself makes, so that an image is predicted beside the
    same others; ``scorer`` has all tallies at the leader, and the scores are everywhere.

    Args:
        keep: Handed each prediction, in order, so that memory does not grow. Given by all of a team, and called at the
            leader.
        team: Those who share the split.
        processes: Count images beside this one, which predicts; ``None``: up to as many as torch has threads, where
            there is enough to count.
    """
    counting, wanted = scorer.counting, keep is not None
    helpers = _helpers(split, counting, team) if processes is None else processes
    with in_order(counting.packed, helpers) as count:

        def counted(batches: Iterable[list[int]]) -> Iterator[_Counted]:
            maps = label_maps(model, split, input_size, batch_size, compute, batches)
            # First all threads predict, then all helpers count: together they would be in each other's way.
            return _counted(split, maps if helpers < 2 else list(maps), count, wanted)

        for image in _together(team, list(_equal_sizes(split, batch_size)), counted):
            scorer.add(split.ids[image.index], image.tally)
            if keep is not None and image.prediction is not None:
                keep(split.ids[image.index], image.prediction)
    return team.told(scorer.scores())


def _helpers(split: Images, counting: Counting, team: Team) -> int:
    """Processes that are worth their start."""
    if counting.tolerance is None or not len(split):
        return 0
    pixels = split.label(0).size * len(split) // team.size
    return min(torch.get_num_threads(), pixels // _PIXELS_PER_PROCESS)


def _counted(
    split: Images,
    maps: Iterable[tuple[int, LabelMap]],
    count: Callable[[Iterable[bytes]], Iterator[tuple[ImageTally, bool]]],
    wanted: bool,
) -> Iterator[_Counted]:
    """Counts maps in order; those that are being counted wait here, a few at a time."""
    waiting: deque[tuple[int, LabelMap | None]] = deque()

    def pairs() -> Iterator[bytes]:
        for index, prediction in maps:
            waiting.append((index, prediction if wanted else None))
            yield Counting.pack(split.ids[index], split.label(index), prediction)

    for tally, _ in count(pairs()):
        index, prediction = waiting.popleft()
        yield _Counted(index, tally, prediction)


def _together(
    team: Team, batches: Sequence[list[int]], counted: Callable[[Iterable[list[int]]], Iterator[_Counted]]
) -> Iterator[_Counted]:
    """All images in their order at the leader, none elsewhere; round after round, so that memory does not grow."""
    step = team.size * _BATCHES_A_ROUND
    for start in range(0, len(batches), step):
        mine = counted(team.share(batches[start : start + step]))
        if team.size == 1:
            yield from mine
        else:
            yield from sorted(chain.from_iterable(team.gathered(list(mine))), key=lambda image: image.index)


def pixel_scores(
    model: nn.Module,
    split: Images,
    num_classes: int,
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    team: Team = ALONE,
) -> dict[str, float | None]:
    """Global accuracy, class accuracy and mean IoU of a split: what validation during training needs."""
    scorer = Scorer(num_classes, boundary=False)
    scores = score_split(model, split, scorer, input_size, batch_size, compute, team=team)
    return {name: getattr(scores, name) for name in ("global_accuracy", "class_accuracy", "mean_iou")}
