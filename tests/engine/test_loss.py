"""The loss, against a loop over pixels and against torch."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segbench.engine.loss import PixelCrossEntropy

Normalisation = Literal["pixels", "weights"]
WEIGHTS = (0.3, 1.0, 4.5, 0.0)


def case(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits [2, 4, 5, 6] and labels [2, 5, 6] of which some are 255."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 5, 6, generator=generator) * 3
    labels = torch.randint(0, 5, (2, 5, 6), generator=generator)
    return logits, labels.masked_fill(labels == 4, 255)


def by_pixel(logits: Tensor, labels: Tensor, weights: tuple[float, ...] | None, normalisation: Normalisation) -> float:
    """The definition, one pixel at a time in double precision."""
    total = divisor = 0.0
    values, ids = logits.double().numpy(), labels.numpy()
    for place in np.ndindex(*ids.shape):
        if ids[place] == 255:
            continue
        scores = values[place[0], :, place[1], place[2]]
        weight = 1.0 if weights is None else weights[ids[place]]
        total += weight * (math.log(sum(math.exp(score) for score in scores)) - scores[ids[place]])
        divisor += weight if normalisation == "weights" else 1
    return total / divisor


@pytest.mark.parametrize("normalisation", ["pixels", "weights"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_is_the_mean_over_labelled_pixels(weights: tuple[float, ...] | None, normalisation: Normalisation) -> None:
    logits, labels = case()
    loss = PixelCrossEntropy(None if weights is None else torch.tensor(weights), normalisation=normalisation)
    expected = by_pixel(logits, labels, weights, normalisation)
    assert loss(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_weights_normalisation_is_that_of_torch() -> None:
    logits, labels = case(1)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = PixelCrossEntropy(torch.tensor(WEIGHTS), normalisation="weights")(ours, labels)
    expected = nn.CrossEntropyLoss(torch.tensor(WEIGHTS), ignore_index=255)(theirs, labels)
    torch.testing.assert_close(loss, expected)
    torch.autograd.backward(loss)
    torch.autograd.backward(expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_label_smoothing_is_that_of_torch(weights: tuple[float, ...] | None) -> None:
    logits, labels = case(2)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    tensor = None if weights is None else torch.tensor(weights)
    loss = PixelCrossEntropy(tensor, normalisation="weights", label_smoothing=0.3)(ours, labels)
    expected = nn.CrossEntropyLoss(tensor, ignore_index=255, label_smoothing=0.3)(theirs, labels)
    torch.testing.assert_close(loss, expected)
    torch.autograd.backward(loss)
    torch.autograd.backward(expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_smoothed_labels_worked_by_hand() -> None:
    # Probabilities 3/4 and 1/4: the target is 0.9 and 0.1 where a fifth is shared by two classes.
    logits, labels = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.int64)
    found = PixelCrossEntropy(label_smoothing=0.2)(logits, labels).item()
    assert found == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


def test_worked_by_hand() -> None:
    # Two classes, equal logits: each labelled pixel costs log 2; three are labelled, weights 1, 1 and 2.
    logits, labels = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 1, 255]]])
    weights = torch.tensor([1.0, 2.0])
    assert PixelCrossEntropy(weights)(logits, labels).item() == pytest.approx(4 / 3 * math.log(2))
    assert PixelCrossEntropy(weights, normalisation="weights")(logits, labels).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("normalisation", ["pixels", "weights"])
def test_a_batch_without_labels_costs_nothing(normalisation: Normalisation) -> None:
    logits = case()[0].requires_grad_()
    loss = PixelCrossEntropy(torch.tensor(WEIGHTS), normalisation=normalisation)(
        logits, torch.full((2, 5, 6), 255, dtype=torch.int64)
    )
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_ignored_pixels_get_no_gradient() -> None:
    logits, labels = case()
    torch.autograd.backward(PixelCrossEntropy()(logits.requires_grad_(), labels))
    assert logits.grad is not None
    touched = logits.grad.abs().sum(1) > 0
    assert torch.equal(touched, labels != 255)


def test_another_index_can_be_the_ignored_one() -> None:
    logits, labels = case()
    moved = labels.masked_fill(labels == 255, 3)
    kept = labels.masked_fill(labels == 3, 255)
    assert torch.equal(PixelCrossEntropy(ignore_index=3)(logits, moved), PixelCrossEntropy()(logits, kept))


def test_bf16_logits_are_summed_in_float32() -> None:
    logits, labels = case()
    rounded = logits.bfloat16()
    loss = PixelCrossEntropy()(rounded, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, PixelCrossEntropy()(rounded.float(), labels))


def test_same_bits_each_time() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        gradients = []
        for _ in range(2):
            logits, labels = case()
            torch.autograd.backward(PixelCrossEntropy(torch.tensor(WEIGHTS))(logits.requires_grad_(), labels))
            gradients.append(logits.grad)
    finally:
        torch.use_deterministic_algorithms(False)
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert torch.equal(gradients[0], gradients[1])
