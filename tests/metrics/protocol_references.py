"""What the named protocols' models compute, pixel by pixel, written from their rules and from nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tests.metrics.references import Map

__all__ = ["VOID", "segmentation_models", "segnet_script", "torchmetrics_mean_iou", "torchmetrics_per_class"]

VOID = 255

Pairs = Sequence[tuple[Map, Map]]


def pixels(truth: Map, guess: Map) -> list[tuple[int, int]]:
    return list(zip(truth.ravel().tolist(), guess.ravel().tolist(), strict=True))


def torchmetrics_ious(pairs: Pairs, num_classes: int) -> list[tuple[int, Fraction]]:
    """(class, IoU) of each image and class with a pixel; void, and what is no class, is class K."""
    found = []
    for truth, guess in pairs:
        fed = [tuple(value if value < num_classes else num_classes for value in pair) for pair in pixels(truth, guess)]
        for k in range(num_classes + 1):
            either = sum(k in pair for pair in fed)
            both = sum(pair == (k, k) for pair in fed)
            if either:
                found.append((k, Fraction(both, either)))
    return found


def torchmetrics_mean_iou(pairs: Pairs, num_classes: int) -> Fraction:
    """``MeanIoU(num_classes=K + 1, input_format="index")``: all of them weigh the same, whatever the batches were."""
    ious = [iou for _, iou in torchmetrics_ious(pairs, num_classes)]
    return sum(ious, Fraction(0)) / len(ious)


def torchmetrics_per_class(pairs: Pairs, num_classes: int) -> list[Fraction | None]:
    """The same with ``per_class=True``, which says -1 where there is nothing; without void."""
    ious = torchmetrics_ious(pairs, num_classes)
    classes = [[iou for k, iou in ious if k == wanted] for wanted in range(num_classes)]
    return [sum(found, Fraction(0)) / len(found) if found else None for found in classes]


def segmentation_models(pairs: Pairs, num_classes: int) -> dict[str, Fraction]:
    """``iou_score`` and ``recall`` of ``get_stats`` with ``ignore_index``: 0/0 is 1, a guess of no class is none."""
    hits, extra, lost = [0] * num_classes, [0] * num_classes, [0] * num_classes
    for truth, guess in pairs:
        for a, b in pixels(truth, guess):
            if a == VOID:
                continue
            if a == b:
                hits[a] += 1
                continue
            lost[a] += 1
            if b < num_classes:
                extra[b] += 1

    def ratio(a: int, b: int) -> Fraction:
        return Fraction(a, b) if b else Fraction(1)

    rows = list(zip(hits, extra, lost, strict=True))
    return {
        "global_accuracy": ratio(sum(hits), sum(hits) + sum(lost)),
        "class_accuracy": sum((ratio(a, a + c) for a, _, c in rows), Fraction(0)) / num_classes,
        "mean_iou": sum((ratio(a, a + b + c) for a, b, c in rows), Fraction(0)) / num_classes,
    }


def segnet_script(pairs: Pairs, num_classes: int) -> dict[str, Fraction]:
    """``compute_test_results.m``: only pairs of classes enter the matrix, all labelled pixels the global divisor."""
    cells = {(a, b): 0 for a in range(num_classes) for b in range(num_classes)}
    labelled = 0
    for truth, guess in pairs:
        for a, b in pixels(truth, guess):
            labelled += a != VOID
            if (a, b) in cells:
                cells[a, b] += 1
    accuracy, iou = [], []
    for k in range(num_classes):
        row = sum(cells[k, other] for other in range(num_classes))
        column = sum(cells[other, k] for other in range(num_classes))
        # A class without a row stays at the 0 its place was made with.
        accuracy.append(Fraction(cells[k, k], row) if row else Fraction(0))
        iou.append(Fraction(cells[k, k], row + column - cells[k, k]) if row else Fraction(0))
    right = sum(cells[k, k] for k in range(num_classes))
    return {
        "global_accuracy": Fraction(right, labelled),
        "class_accuracy": sum(accuracy, Fraction(0)) / num_classes,
        "mean_iou": sum(iou, Fraction(0)) / num_classes,
    }
