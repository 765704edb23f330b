"""What the SegNet paper prints of time and memory, in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TABLE_1", "TABLE_1_SOURCE", "TABLE_6", "TABLE_6_SOURCE", "PrintedCost", "PrintedStorage"]

TABLE_1_SOURCE = "arXiv 1511.00561v3, Table 1: mean of 50 forward passes at 360×480, NVIDIA Titan, cuDNN v3"
TABLE_6_SOURCE = (
    "arXiv 1511.00561v3, Table 6: Caffe's timer, 10 iterations, one image of 360×480; memory as nvidia-smi shows it, "
    "training with a batch of 4, inference with one image; model as its file on disk"
)


@dataclass(frozen=True)
class PrintedCost:
    """A row of Table 6: milliseconds and megabytes."""

    forward_ms: float
    backward_ms: float
    training_mb: int
    inference_mb: int
    model_mb: int


@dataclass(frozen=True)
class PrintedStorage:
    """Two columns of Table 1: the storage multiplier (``None`` where the paper has n/a) and the inference time."""

    storage: int | None
    inference_ms: float


TABLE_6 = {
    "segnet": PrintedCost(422.50, 488.71, 6803, 1052, 117),
    "deeplab-largefov": PrintedCost(110.06, 160.73, 5618, 1993, 83),
    "fcn": PrintedCost(317.09, 484.11, 9735, 1806, 539),
    "deconvnet": PrintedCost(474.65, 602.15, 9731, 1872, 877),
}
"""By model. The 877 MB of DeconvNet do not fit the 1,024 maps that the paper's text says its bottleneck had."""

TABLE_1 = {
    "bilinear-interpolation": PrintedStorage(0, 24.2),
    "segnet-basic": PrintedStorage(1, 52.6),
    "segnet-basic-encoder-addition": PrintedStorage(64, 53.0),
    "segnet-basic-single-channel-decoder": PrintedStorage(1, 33.1),
    "fcn-basic": PrintedStorage(11, 24.2),
    "fcn-basic-no-addition": PrintedStorage(None, 23.8),
    "fcn-basic-no-dim-reduction": PrintedStorage(64, 44.8),
    "fcn-basic-no-addition-no-dim-reduction": PrintedStorage(0, 43.9),
}
"""By model. The multiplier counts the first level alone, in units of 0.17 MB for SegNet-Basic's positions there; 2 bits
for each of 64 x 180 x 240 windows are 0.69 MB."""
