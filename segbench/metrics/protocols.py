"""Named protocols, and a protocol from its name and the options that override it.

Command line and Python use the same names. Each protocol but ``segbench`` follows what somebody else computes:

``segnet-script``
    ``compute_test_results.m`` and ``computeBFmeasure.m`` of SegNet-Tutorial. The divisor is always K, an absent class
    counts 0; predictions that are no class leave the matrix but stay in the divisor of the global accuracy. (The
    scripts' boundary matching is an approximation to the maximum that is computed here.)
``paper-text``
    Section 3.3 of the SegNet paper: boundary F1 is averaged over the classes present in the truth.
``torchmetrics-miou``
    ``torchmetrics.segmentation.MeanIoU(num_classes=K + 1, input_format="index")`` with everything else by default,
    void and what is no class fed as class K. It averages the IoU of every (image, class) pair that has a pixel in truth
    or prediction; pairs weigh the same however large the class is. Checked against version 1.9.0.
``smp-macro``
    ``segmentation_models_pytorch.metrics``: ``get_stats(..., mode="multiclass", ignore_index=I)`` over all images, then
    ``iou_score`` and ``recall`` with ``reduction="macro"`` (sums over all images, then the mean over classes) and the
    default ``zero_division=1.0``, so an absent class counts 1. Its ``recall`` with ``reduction="micro"`` is the global
    accuracy. Checked against version 0.6.0.
"""

from __future__ import annotations

from typing import Literal

from segbench.errors import UnknownNameError
from segbench.metrics.disc import Tolerance
from segbench.record import BoundaryProtocol, PixelProtocol, Protocol
from segbench.registry import closest

__all__ = ["PROTOCOLS", "SUMMARIES", "pixel_text", "protocol_of"]

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(),
        Protocol(name="segnet-script", absent="zero", pixels=PixelProtocol(outside="dropped")),
        Protocol(name="paper-text", boundary=BoundaryProtocol(average="paper-text")),
        Protocol(name="torchmetrics-miou", pixels=PixelProtocol(void="class", average="image", outside="wrong")),
        Protocol(name="smp-macro", absent="one", pixels=PixelProtocol(outside="wrong")),
    )
}
"""Named protocols; ``segbench`` is the one the boards show."""

SUMMARIES: dict[str, str] = {
    "segbench": "One confusion matrix over the split; void counts nowhere; absent classes are left out of the means.",
    "segnet-script": "The SegNet authors' scripts: the means always divide by K, an absent class counts 0.",
    "paper-text": "As segbench, but boundary F1 averages over the classes in the truth alone, as the paper says.",
    "torchmetrics-miou": (
        "torchmetrics.segmentation.MeanIoU, void fed as one more class, input_format='index', else default: "
        "mean IoU over all (image, class) pairs with a pixel; accuracies are undefined."
    ),
    "smp-macro": (
        "segmentation_models_pytorch: get_stats with ignore_index, iou_score and recall with reduction='macro' "
        "and the default zero_division=1.0: an absent class counts 1."
    ),
}
"""What each named protocol is, in a sentence."""


def protocol_of(
    name: str = "segbench",
    *,
    ignore_index: int = 255,
    boundary_rule: Literal["matching", "distance"] | None = None,
    boundary_void: Literal["asis", "masked"] | None = None,
    boundary_average: Literal["script", "paper-text"] | None = None,
    tolerance: float | str | None = None,
) -> Protocol:
    """The named protocol with the given options in place of its own.

    Args:
        name: A key of ``PROTOCOLS``.
        ignore_index: The label that counts nowhere.
        boundary_rule: ``matching`` or ``distance``.
        boundary_void: ``asis`` or ``masked``.
        boundary_average: ``script`` or ``paper-text``.
        tolerance: A fraction of the diagonal (0.0075), or pixels as text (``4.5px``).

    Raises:
        UnknownNameError: No protocol, rule, policy or average has this name.
        UsageError: The tolerance is no number, or negative.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError(f"Unknown protocol '{name}'. {closest(name, list(PROTOCOLS))}")
    base = PROTOCOLS[name]
    changes: dict[str, object] = {
        "rule": _one_of(boundary_rule, "boundary rule", ("matching", "distance")),
        "void": _one_of(boundary_void, "boundary void policy", ("asis", "masked")),
        "average": _one_of(boundary_average, "boundary average", ("script", "paper-text")),
    }
    if tolerance is not None:
        parsed = Tolerance.parse(str(tolerance))
        changes |= {"tolerance": float(parsed.value), "unit": parsed.unit}
    boundary = base.boundary.model_dump() | {key: value for key, value in changes.items() if value is not None}
    return base.model_copy(update={"ignore_index": ignore_index, "boundary": BoundaryProtocol(**boundary)})


def pixel_text(protocol: Protocol) -> str:
    """How accuracy and IoU are computed, in one sentence."""
    rules = protocol.pixels
    average = {
        "split": "Counts are summed over all images",
        "image": "IoU is averaged over all (image, class) pairs with a pixel and accuracies are undefined",
    }
    void = {
        "ignored": "predictions on void count nowhere",
        "wrong": "predictions on void are wrong",
        "class": "void is one more class",
    }
    outside = {
        "refused": "",
        "wrong": "pixels predicted as no class are wrong; ",
        "dropped": "pixels predicted as no class are in the divisor of the global accuracy alone; ",
    }
    absent = {"null": "is left out of the means", "zero": "counts 0", "one": "counts 1"}
    return (
        f"{average[rules.average]}; {void[rules.void]}; {outside[rules.outside]}a score without a divisor "
        f"{absent[protocol.absent]}."
    )


def _one_of(value: str | None, what: str, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise UnknownNameError(f"Unknown {what} '{value}'. {closest(value, list(allowed))}")
    return value
