"""Pixel-wise cross-entropy with class weights, normalised as Caffe or as torch does."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PixelCrossEntropy"]


class PixelCrossEntropy(nn.Module):
    """Cross-entropy over labelled pixels.

    Args:
        class_weights: [K], or ``None`` for equal ones.
        ignore_index: Label of pixels that count nowhere.
        normalisation: ``pixels`` divides by the count of labelled pixels (Caffe's softmax loss), ``weights`` by the sum
            of their weights (torch's mean reduction).
        label_smoothing: Share of the target that all classes divide among themselves, each by its weight as in torch.

    The sum is written with a gather, which is deterministic on every device (``nll_loss2d`` is not on CUDA).
    """

    class_weights: Tensor | None

    def __init__(
        self,
        class_weights: Tensor | None = None,
        ignore_index: int = 255,
        normalisation: Literal["pixels", "weights"] = "pixels",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights)
        self.ignore_index = ignore_index
        self.normalisation = normalisation
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits [N, K, H, W] and int64 labels [N, H, W] to a scalar; 0 where no pixel is labelled."""
        return self.quotient(self.total(logits, labels), self.divisor(labels))

    def total(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The weighted sum over labelled pixels, of logits and labels as in ``forward``."""
        safe = labels.masked_fill(labels == self.ignore_index, 0)
        logarithms = functional.log_softmax(logits.float(), 1)
        total = (self._weights(labels, safe) * logarithms.gather(1, safe[:, None])[:, 0]).sum()
        if self.label_smoothing:
            shared = self._over_classes(logarithms, labels)
            total = (1 - self.label_smoothing) * total + self.label_smoothing * shared
        return -total

    def _over_classes(self, logarithms: Tensor, labels: Tensor) -> Tensor:
        """The sum over labelled pixels of the weighted mean over classes."""
        weighted = logarithms if self.class_weights is None else logarithms * self.class_weights[:, None, None]
        return weighted.mean(1).masked_fill(labels == self.ignore_index, 0).sum()

    def divisor(self, labels: Tensor) -> Tensor:
        """What the sum is divided by, float32; those of parts of a batch add up."""
        if self.normalisation == "pixels":
            return (labels != self.ignore_index).sum().float()
        return self._weights(labels, labels.masked_fill(labels == self.ignore_index, 0)).sum()

    def quotient(self, total: Tensor, divisor: Tensor) -> Tensor:
        """The loss, or the part of it that ``total`` is."""
        return total / divisor.clamp(min=1e-12 if self.normalisation == "weights" else 1)

    def _weights(self, labels: Tensor, safe: Tensor) -> Tensor:
        weights = (labels != self.ignore_index).float()
        return weights if self.class_weights is None else weights * self.class_weights[safe]
