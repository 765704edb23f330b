"""Fully connected conditional random field with Gaussian edges (Krähenbühl and Koltun 2011), solved by mean field.

Every pixel is joined with every other: pixels that lie close and look alike prefer one class (the bilateral kernel),
and so do pixels that lie close (the smoothness kernel). Energies are Potts'. Kernels are normalised symmetrically
(D^-1/2 K D^-1/2 with the row sums D, each pixel itself included), as in the authors' published program; the sums of
their paper are not normalised.

The smoothness kernel is summed exactly: it is a product of rows and columns. The bilateral one is summed on the
permutohedral lattice, or exactly from the full matrix for tiny images. On drawn scenes of up to 56x64 pixels the
marginals from the lattice lay within 0.0005 of the exact ones on average, and 999 of 1,000 labels agreed (single pixels
at edges may differ by as much as they vary); ``tests/models/test_dense_crf.py`` holds it to twice that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.models.permutohedral import Filter, exact_filter, lattice_filter

__all__ = ["DenseCRF"]

Array = NDArray[np.float64]
SMALLEST = 1e-12


@dataclass(frozen=True)
class DenseCRF:
    """Refines class probabilities by the colours of the image.

    The defaults are this project's, in the ranges that DeepLab searched; choose them on training images.

    Attributes:
        bilateral_weight: Weight of the kernel of place and colour.
        bilateral_std_px: Its standard deviation in place, pixels.
        colour_std: Its standard deviation in each of red, green and blue, of 0..255.
        smoothness_weight: Weight of the kernel of place.
        smoothness_std_px: Its standard deviation, pixels.
        iterations: Mean field updates.
        summation: ``lattice``, or ``exact`` with memory of (H*W)^2 doubles.
    """

    bilateral_weight: float = 4.0
    bilateral_std_px: float = 50.0
    colour_std: float = 5.0
    smoothness_weight: float = 3.0
    smoothness_std_px: float = 3.0
    iterations: int = 10
    summation: Literal["lattice", "exact"] = "lattice"

    def __call__(self, logits: Tensor, images: Tensor) -> Tensor:
        """Refined log probabilities of a batch.

        Args:
            logits: [N, K, H, W].
            images: RGB [N, 3, H, W] in 0..255, of the same height and width.

        Returns:
            float32 [N, K, H, W] on the device of ``logits``. No gradient flows.
        """
        probabilities = logits.detach().float().softmax(1).cpu().double().numpy()
        colours = images.detach().double().permute(0, 2, 3, 1).cpu().numpy()
        refined = np.stack([self.refine(*pair) for pair in zip(probabilities, colours, strict=True)])
        return torch.from_numpy(np.log(refined.clip(min=SMALLEST)).astype(np.float32)).to(logits.device)

    def refine(self, probabilities: Array, image: Array) -> Array:
        """Marginals after the mean field updates.

        Args:
            probabilities: [K, H, W], summing to 1 over K.
            image: RGB [H, W, 3] in 0..255.

        Returns:
            [K, H, W], summing to 1 over K.
        """
        classes, height, width = probabilities.shape
        unary = np.log(probabilities.clip(min=SMALLEST)).reshape(classes, -1).T
        kernels = [
            (self.bilateral_weight, _normalised(self._bilateral(image), height * width)),
            (self.smoothness_weight, _normalised(_separable(height, width, self.smoothness_std_px), height * width)),
        ]
        marginals = _softmax(unary)
        for _ in range(self.iterations):
            # Potts: to agree with one's neighbours is to save their weight.
            marginals = _softmax(unary + sum(weight * summed(marginals) for weight, summed in kernels))
        return marginals.T.reshape(classes, height, width)

    def _bilateral(self, image: Array) -> Filter:
        rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
        places = np.stack([rows, columns], axis=-1) / self.bilateral_std_px
        features = np.concatenate([places, image / self.colour_std], axis=-1).reshape(-1, 5)
        return exact_filter(features) if self.summation == "exact" else lattice_filter(features)


def _separable(height: int, width: int, std_px: float) -> Filter:
    """The exact sums of a Gaussian of place over an image's pixels, row by row, then column by column."""
    vertical, horizontal = (
        np.exp(-0.5 * ((np.arange(side)[:, None] - np.arange(side)) / std_px) ** 2) for side in (height, width)
    )

    def summed(values: Array) -> Array:
        maps = np.tensordot(vertical, values.reshape(height, width, -1), axes=(1, 0))
        result: Array = np.matmul(horizontal, maps).reshape(height * width, -1)
        return result

    return summed


def _normalised(summed: Filter, points: int) -> Filter:
    scale = 1 / np.sqrt(summed(np.ones((points, 1))) + 1e-20)
    return lambda values: scale * summed(scale * values)


def _softmax(energies: Array) -> Array:
    raised = np.exp(energies - energies.max(1, keepdims=True))
    result: Array = raised / raised.sum(1, keepdims=True)
    return result
