"""From logits to label maps at the label's own size."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segbench.engine import evaluation
from segbench.engine.batches import Images
from segbench.engine.distributed import ALONE, Team
from segbench.engine.evaluation import label_maps, pixel_scores, predict_images, score_split
from segbench.metrics import Scorer
from tests.engine.tiny import CLASSES, CPU, SIZE, Drawn


class ByColour(nn.Module):
    """Logits from the distance of each pixel to the colour of each class; notes the shapes it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.colours = torch.tensor([(60.0, 120.0, 220.0), (110.0, 110.0, 110.0), (200.0, 40.0, 30.0)])
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape))
        return -(images[:, None] - self.colours[None, :, :, None, None]).square().sum(2)


class Mixed(Drawn):
    """Images of two sizes: three of the first, then two of the second."""

    def __init__(self) -> None:
        super().__init__(5)

    def label(self, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return Drawn(size=SIZE if index < 3 else (40, 36)).label(index)

    def image(self, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return Drawn(size=SIZE if index < 3 else (40, 36)).image(index)


def test_every_image_once_in_order_at_its_own_size() -> None:
    split, model = Mixed(), ByColour()
    maps = dict(label_maps(model, split, None, 2, CPU))
    assert list(maps) == [0, 1, 2, 3, 4]
    assert model.seen == [(2, 3, 32, 48), (1, 3, 32, 48), (2, 3, 40, 36)]
    for index, found in maps.items():
        label = split.label(index)
        assert found.dtype == np.uint8
        assert found.shape == label.shape
        assert (found == label)[label != 255].mean() > 0.99


def test_the_network_sees_the_input_size_and_maps_keep_the_labels_size() -> None:
    model = ByColour()
    maps = [found for _, found in label_maps(model, Drawn(2), (16, 24), 2, CPU)]
    assert model.seen == [(2, 3, 16, 24)]
    assert [found.shape for found in maps] == [SIZE, SIZE]


def test_logits_are_resized_before_the_maximum_is_taken() -> None:
    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([[0.0, 4.0], [1.0, 1.0]])[None, :, None].repeat(1, 1, 1, 1)

    # Class 0 goes 0, 1, 3, 4 along four pixels, class 1 is 1 everywhere; the tie goes to class 0.
    found = predict_images(Fixed(), torch.zeros(1, 3, 1, 2), None, (1, 4), CPU)
    assert found.dtype == torch.uint8
    assert found[0, 0].tolist() == [1, 0, 0, 0]


def test_scores_by_hand() -> None:
    split, model = Drawn(3), ByColour()
    scores = pixel_scores(model, split, len(CLASSES), None, 2, CPU)
    counts = np.zeros((3, 3), np.int64)
    for index, found in label_maps(model, split, None, 2, CPU):
        label = split.label(index)
        np.add.at(counts, (label[label != 255], found[label != 255]), 1)
    right = np.diag(counts)
    assert scores["global_accuracy"] == pytest.approx(right.sum() / counts.sum())
    assert scores["class_accuracy"] == pytest.approx((right / counts.sum(1)).mean())
    assert scores["mean_iou"] == pytest.approx((right / (counts.sum(0) + counts.sum(1) - right)).mean())


def test_the_batch_size_does_not_change_the_maps() -> None:
    split, model = Mixed(), ByColour()
    one, many = (dict(label_maps(model, split, None, size, CPU)) for size in (1, 8))
    assert all(np.array_equal(one[index], many[index]) for index in one)


@pytest.mark.parametrize(
    ("count", "boundary", "threads", "processes"),
    [(40, True, 4, 4), (40, True, 2, 2), (20, True, 4, 2), (3, True, 4, 0), (40, False, 4, 0), (0, True, 4, 0)],
)
def test_helpers_count_where_there_is_enough_to_count(
    monkeypatch: pytest.MonkeyPatch, count: int, boundary: bool, threads: int, processes: int
) -> None:
    class Empty:
        """Images that are never looked at."""

        def __len__(self) -> int:
            return count

        def label(self, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            return np.zeros((1000, 1200), np.uint8)

    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    counting = Scorer(CLASSES, boundary=boundary).counting
    assert evaluation._helpers(cast("Images", Empty()), counting, ALONE) == processes
    assert evaluation._helpers(cast("Images", Empty()), counting, Team(size=100)) == 0


def test_predictions_are_kept_in_order_and_only_where_they_are_wanted() -> None:
    split, kept = Mixed(), dict[str, int]()
    scorer = Scorer(CLASSES)
    score_split(ByColour(), split, scorer, None, 2, CPU, lambda name, found: kept.update({name: found.size}))
    assert list(kept) == scorer.tallies.image_ids == split.ids
    assert kept == {name: split.label(index).size for index, name in enumerate(split.ids)}
