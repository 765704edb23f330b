"""From a trained network to label maps and scores, one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.engine.batches import Images, resize_images
from segbench.engine.environment import Compute
from segbench.metrics import Scorer
from segbench.models.blocks import resize_logits
from segbench.record import Scores

__all__ = ["label_maps", "pixel_scores", "predict_images", "score_split"]

LabelMap = NDArray[np.uint8]


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
    model: nn.Module, split: Images, input_size: tuple[int, int] | None, batch_size: int, compute: Compute
) -> Iterator[tuple[int, LabelMap]]:
    """Yields index and predicted label map, at the image's own size, of every image of a split.

    Neighbouring images of one size are predicted together; memory does not depend on the number of images.
    """
    model.eval()
    for indices in _equal_sizes(split, batch_size):
        images = torch.from_numpy(np.stack([split.image(index) for index in indices]))
        tensor = images.to(compute.device).permute(0, 3, 1, 2).float()
        height, width = split.image(indices[0]).shape[:2]
        maps = predict_images(model, tensor, input_size, (height, width), compute).cpu().numpy()
        yield from zip(indices, maps, strict=True)


def _equal_sizes(split: Images, batch_size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in range(len(split)):
        if batch and (len(batch) == batch_size or split.image(batch[0]).shape != split.image(index).shape):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def score_split(
    model: nn.Module,
    split: Images,
    scorer: Scorer,
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    keep: Callable[[str, LabelMap], None] = lambda image_id, prediction: None,
) -> Scores:
    """Scores every image of a split; ``keep`` is handed each prediction, so that memory does not grow."""
    for index, prediction in label_maps(model, split, input_size, batch_size, compute):
        scorer.update(split.ids[index], split.label(index), prediction)
        keep(split.ids[index], prediction)
    return scorer.scores()


def pixel_scores(
    model: nn.Module,
    split: Images,
    num_classes: int,
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
) -> dict[str, float | None]:
    """Global accuracy, class accuracy and mean IoU of a split: what validation during training needs."""
    scores = score_split(model, split, Scorer(num_classes, boundary=False), input_size, batch_size, compute)
    return {name: getattr(scores, name) for name in ("global_accuracy", "class_accuracy", "mean_iou")}
