"""A network as a file that runs without segbench, written only after it was run against the network."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from segbench import __version__
from segbench.atomic import write_bytes
from segbench.errors import SegbenchError, UsageError
from segbench.models.bayesian import masks_as_constants
from segbench.models.blocks import describe_preprocess
from segbench.models.outside.library import library
from segbench.models.outside.trying import first_line, tried

__all__ = ["FORMATS", "Exported", "Exporting", "export_network"]

Format = Literal["onnx", "torch-export"]
FORMATS: Mapping[str, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
# Batches that the file is run on: one that was not traced, and one image.
BATCHES = (1, 3)
TRACED_BATCH = 2
RELATIVE_TOLERANCE, ROUNDINGS = 1e-4, 4
# Eight units in the last place of float32.
ROUNDING = 2.0**-20


@dataclass(frozen=True)
class Exporting:
    """A network that is to be exported.

    Attributes:
        name: Of the model.
        model: On the CPU.
        size: Height and width of the input; the batch stays free.
        described: What else the file tells of itself, as JSON values by name (classes, palette, source).
    """

    name: str
    model: nn.Module
    size: tuple[int, int]
    described: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        opset: Version of ONNX's operators; ``None`` for the other format.
        max_absolute_difference: Of its logits to the network's, on noise.
        tolerance: What that may be: a ten thousandth of the largest logit; or, where near-ties of pooling fall the
            other way, four times what a rounding of the input changes. On average a ten thousandth always holds.
        largest_logit: Of the network, in absolute value.
    """

    path: Path
    format: Format
    opset: int | None
    size: tuple[int, int]
    num_classes: int
    max_absolute_difference: float
    tolerance: float
    largest_logit: float
    sha256: str
    num_bytes: int


def export_network(exporting: Exporting, target: Path, format: Format) -> Exported:
    """Exports a network in evaluation mode, runs the result against it, and writes the file if both agree.

    Raises:
        UsageError: The network cannot be traced or does not take the size, or a library is missing.
        SegbenchError: The exported network computes something else; nothing is written.
    """
    model = exporting.model.cpu().eval()
    images = _noise(TRACED_BATCH, exporting.size)
    with torch.no_grad(), masks_as_constants(model, images), _quiet():
        tried(lambda: model(images), f"{exporting.name} on images of {exporting.size[0]}x{exporting.size[1]}")
        program = _traced(model, images, exporting.name)
        content, run, opset = _FORMATS[format](program, _metadata(exporting))
    worst = _worst_agreement(exporting, model, run)
    write_bytes(target, content)
    return Exported(
        path=target,
        format=format,
        opset=opset,
        size=exporting.size,
        num_classes=run(images).shape[1],
        max_absolute_difference=worst.largest_difference,
        tolerance=worst.tolerance,
        largest_logit=worst.largest_logit,
        sha256=hashlib.sha256(content).hexdigest(),
        num_bytes=len(content),
    )


@dataclass(frozen=True)
class _Agreement:
    """How far an exported network and the network are apart on one batch."""

    largest_difference: float
    mean_difference: float
    rounding: float
    largest_logit: float

    @property
    def tolerance(self) -> float:
        return max(RELATIVE_TOLERANCE * self.largest_logit, ROUNDINGS * self.rounding)

    @property
    def holds(self) -> bool:
        # A near-tie of pooling may fall the other way in single places, never everywhere. NaN is no agreement.
        few = self.mean_difference <= RELATIVE_TOLERANCE * self.largest_logit
        return few and self.largest_difference <= self.tolerance


def _agreement(model: nn.Module, run: Callable[[Tensor], Tensor], images: Tensor) -> _Agreement:
    with torch.no_grad():
        expected, rounded, found = model(images), model(images * (1 + ROUNDING)), run(images)
    if found.shape != expected.shape:
        raise SegbenchError(f"The exported network returns {tuple(found.shape)}, not {tuple(expected.shape)}.")
    difference = (found - expected).abs()
    return _Agreement(
        float(difference.max()),
        float(difference.mean()),
        float((rounded - expected).abs().max()),
        float(expected.abs().max()),
    )


def _worst_agreement(exporting: Exporting, model: nn.Module, run: Callable[[Tensor], Tensor]) -> _Agreement:
    """Of batches of several sizes.

    Raises:
        SegbenchError: The exported network computes something else.
    """
    found = [_agreement(model, run, _noise(batch, exporting.size)) for batch in BATCHES]
    for one in found:
        if not one.holds:
            raise SegbenchError(
                f"The exported {exporting.name} differs from the network by up to {one.largest_difference:.3g} "
                f"({one.tolerance:.3g} is allowed), {one.mean_difference:.3g} on average; nothing was written."
            )
    return max(found, key=lambda one: one.largest_difference)


def _noise(batch: int, size: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return 255 * torch.rand(batch, 3, *size, generator=generator)


def _metadata(exporting: Exporting) -> dict[str, Any]:
    return {
        "version": __version__,
        "model": exporting.name,
        "input": "RGB float32 [N, 3, H, W] in 0..255",
        "output": "logits float32 [N, K, H, W]",
        "preprocess": describe_preprocess(exporting.model),
        **exporting.described,
    }


def _traced(model: nn.Module, images: Tensor, name: str) -> ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    try:
        return torch.export.export(model, (images,), dynamic_shapes=({0: batch},))
    except SegbenchError:
        raise
    except Exception as error:
        raise UsageError(
            f"{name} cannot be traced by torch.export: {type(error).__name__}: {first_line(error)}."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters tell their developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


Made = tuple[bytes, Callable[[Tensor], Tensor], int | None]


def _torch_export(program: ExportedProgram, metadata: Mapping[str, Any]) -> Made:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"segbench.json": json.dumps(metadata, ensure_ascii=False)})
    buffer.seek(0)
    loaded = torch.export.load(buffer).module()
    return buffer.getvalue(), loaded, None


def _onnx(program: ExportedProgram, metadata: Mapping[str, Any]) -> Made:
    _, _, onnxruntime = (library(name, "onnx", "--format onnx") for name in ("onnx", "onnxscript", "onnxruntime"))
    try:
        made = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=["images"], output_names=["logits"], optimize=True
        )
    except Exception as error:
        raise UsageError(
            f"torch.onnx cannot convert the network: {_reason(error)}.", "Use --format torch-export."
        ) from error
    assert made is not None
    told = {f"segbench.{key}": json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
    made.model.metadata_props.update(told)
    proto = made.model_proto
    content: bytes = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    opset = next(one.version for one in proto.opset_import if one.domain == "")

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])

    return content, run, opset


def _reason(error: Exception) -> str:
    """The exporter wraps what went wrong in advice; the first cause says it."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return f"{type(cause).__name__}: {first_line(cause)[:300]}"


_FORMATS: Mapping[str, Callable[[ExportedProgram, Mapping[str, Any]], Made]] = {
    "onnx": _onnx,
    "torch-export": _torch_export,
}
