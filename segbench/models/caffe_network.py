"""A network definition of Caffe (``.prototxt``) as the chain of steps from image to scores.

Only chains are read: every layer takes what the one before it made, and an ``Upsample`` layer the mask of the pooling
that it undoes. That is what SegNet is; ``Dropout`` that Caffe leaves out in testing is no step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from segbench.errors import CheckpointError
from segbench.models.protobuf_wire import MalformedError
from segbench.models.prototxt import Message, parse_prototxt

__all__ = ["CaffeNetwork", "Step", "StepKind", "read_network"]

StepKind = Literal["lrn", "convolution", "bn", "relu", "pooling", "dropout", "upsample"]
SINKS = {"softmax", "softmaxwithloss", "softmaxloss", "accuracy", "argmax", "silence"}
Size = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One layer.

    Attributes:
        outputs: Maps of a convolution, else 0.
        kernel: Side of a convolution's kernel, else 0.
        biased: Whether a convolution has a bias.
    """

    name: str
    kind: StepKind
    outputs: int = 0
    kernel: int = 0
    biased: bool = True

    def __str__(self) -> str:
        what = f"convolution of {self.kernel}x{self.kernel} to {self.outputs}" if self.outputs else self.kind
        return f"'{self.name}' ({what})"


@dataclass(frozen=True)
class CaffeNetwork:
    """A chain of steps.

    Attributes:
        size: Height and width of the input where the definition states them.
    """

    steps: tuple[Step, ...]
    size: Size | None

    @property
    def convolutions(self) -> list[Step]:
        """In their order."""
        return [step for step in self.steps if step.kind == "convolution"]


def read_network(path: Path) -> CaffeNetwork:
    """Reads the definition of a trained network.

    Raises:
        CheckpointError: The file is missing, is no ``.prototxt``, or describes something that cannot be imported.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror}.", "Give the .prototxt file.") from error
    try:
        net = parse_prototxt(text)
        return _Chain(net).network()
    except MalformedError as error:
        raise CheckpointError(
            f"{path} cannot be imported: {error}.", "Give the definition with which the authors test these weights."
        ) from error


def _kind(layer: Message) -> str:
    """``Convolution``, ``CONVOLUTION`` and ``SOFTMAX_LOSS`` are written in both versions' ways."""
    return layer.one("type", "").replace("_", "").lower()


def _tested(layer: Message) -> bool:
    """Whether the layer is there in testing."""
    kept = [rule.one("phase", "") for rule in layer.messages("include")]
    dropped = [rule.one("phase", "") for rule in layer.messages("exclude")]
    return (not any(kept) or "TEST" in kept) and "TEST" not in dropped


class _Chain:
    """Follows the blobs from layer to layer."""

    def __init__(self, net: Message) -> None:
        self._net = net
        self._blob = next(iter(net.every("input", str)), "")
        self._size = self._stated_size()
        self._pooled: list[tuple[str, Size | None]] = []

    def _stated_size(self) -> Size | None:
        shapes = [shape.every("dim", int) for shape in self._net.messages("input_shape")]
        for dimensions in (self._net.every("input_dim", int), *shapes):
            if len(dimensions) >= 4:
                return dimensions[2], dimensions[3]
        return None

    def network(self) -> CaffeNetwork:
        size = self._size
        layers = self._net.messages("layer") + self._net.messages("layers")
        steps = tuple(step for layer in filter(_tested, layers) for step in self._step(layer))
        if not any(step.kind == "convolution" for step in steps):
            raise MalformedError("it has no convolution")
        return CaffeNetwork(steps, size)

    def _step(self, layer: Message) -> Iterator[Step]:
        name, kind = layer.one("name", ""), _kind(layer)
        bottoms, tops = layer.every("bottom", str), layer.every("top", str)
        if not bottoms and (kind.endswith("data") or kind == "input"):
            _check_data(layer, name)
            self._blob = tops[0] if tops else self._blob
            return
        if kind in SINKS:
            return
        if kind not in get_args(StepKind):
            known = ", ".join(get_args(StepKind))
            raise MalformedError(f"layer '{name}' is of type {layer.one('type', 'none')}; known are {known}")
        if bottoms[:1] != [self._blob]:
            raise MalformedError(
                f"layer '{name}' takes '{', '.join(bottoms)}' and the layer before it makes '{self._blob}': no chain"
            )
        yield from self._made(Step(name, cast("StepKind", kind)), layer, bottoms, tops)
        self._blob = tops[0] if tops else self._blob

    def _made(self, step: Step, layer: Message, bottoms: list[str], tops: list[str]) -> Iterator[Step]:
        where = f"layer '{step.name}'"
        if step.kind == "convolution":
            yield _convolution(step.name, layer.message("convolution_param"))
            return
        if step.kind == "dropout":
            if _samples(layer.message("dropout_param"), where):
                yield step
            return
        if step.kind == "pooling":
            self._pool(layer.message("pooling_param"), tops, where)
        elif step.kind == "upsample":
            self._upsample(layer.message("upsample_param"), bottoms, where)
        else:
            _check(layer, step.kind, where)
        yield step

    def _pool(self, parameters: Message, tops: list[str], where: str) -> None:
        stated = (parameters.one("pool", "MAX"), parameters.one("kernel_size", 0), parameters.one("stride", 1))
        if stated != ("MAX", 2, 2) or parameters.one("pad", 0) or len(tops) < 2:
            raise MalformedError(f"{where} is no 2x2 MAX pooling of stride 2 that keeps its mask")
        self._pooled.append((tops[1], self._size))
        if self._size is not None:
            self._size = (-(-self._size[0] // 2), -(-self._size[1] // 2))

    def _upsample(self, parameters: Message, bottoms: list[str], where: str) -> None:
        mask, before = self._pooled.pop() if self._pooled else ("", None)
        if bottoms[1:] != [mask]:
            raise MalformedError(f"{where} takes the mask '{', '.join(bottoms[1:])}' where '{mask or 'none'}' is next")
        if before is not None and self._size is not None and _enlarged(parameters, self._size) != before:
            made = "x".join(map(str, _enlarged(parameters, self._size)))
            raise MalformedError(f"{where} makes {made} where the pooling had {before[0]}x{before[1]}")
        self._size = before


def _enlarged(parameters: Message, size: Size) -> Size:
    """Height and width after an ``Upsample`` layer."""
    doubled = (2 * side - parameters.one(f"pad_out_{axis}", False) for side, axis in zip(size, "hw", strict=True))
    height, width = (parameters.one(f"upsample_{axis}", plain) for plain, axis in zip(doubled, "hw", strict=True))
    return height, width


def _convolution(name: str, parameters: Message) -> Step:
    kernel, outputs = parameters.one("kernel_size", 0), parameters.one("num_output", 0)
    plain = all(parameters.one(key, 1) == 1 for key in ("stride", "group", "dilation"))
    split = [key for key in ("kernel_h", "kernel_w", "pad_h", "pad_w", "stride_h", "stride_w") if key in parameters]
    if not plain or split or outputs < 1 or kernel % 2 == 0 or parameters.one("pad", 0) != kernel // 2:
        raise MalformedError(
            f"layer '{name}' is no plain convolution (num_output, odd kernel_size, pad of half that, stride 1, group 1)"
        )
    return Step(name, "convolution", outputs, kernel, parameters.one("bias_term", True))


def _samples(parameters: Message, where: str) -> bool:
    if not parameters.one("sample_weights_test", False):
        return False
    ratio = parameters.one("dropout_ratio", 0.5)
    if ratio != 0.5:
        raise MalformedError(f"{where} drops {ratio:g} where Bayesian SegNet drops 0.5")
    return True


def _check(layer: Message, kind: str, where: str) -> None:
    if kind == "bn" and layer.message("bn_param").one("bn_mode", "LEARN") != "INFERENCE":
        raise MalformedError(
            f"{where} is not in bn_mode INFERENCE: its weights hold no statistics (compute_bn_statistics.py adds them)"
        )
    if kind == "relu" and layer.message("relu_param").one("negative_slope", 0.0):
        raise MalformedError(f"{where} has a negative_slope")
    if kind == "lrn":
        stated = layer.message("lrn_param")
        numbers = (
            stated.one("local_size", 5),
            stated.one("alpha", 1.0),
            stated.one("beta", 0.75),
            stated.one("k", 1.0),
        )
        if numbers != (5, 1e-4, 0.75, 1.0) or stated.one("norm_region", "ACROSS_CHANNELS") != "ACROSS_CHANNELS":
            raise MalformedError(f"{where} is not SegNet-Basic's: local_size 5, alpha 1e-4, beta 0.75 across channels")


def _check_data(layer: Message, name: str) -> None:
    """SegNet reads BGR in 0..255 as it is."""
    changed = [key for key in ("mean_file", "mean_value", "scale") if key in layer.message("transform_param")]
    changed += [key for key in ("mean_file", "mean_value") if key in layer.message("dense_image_data_param")]
    if changed:
        raise MalformedError(f"layer '{name}' changes its input by {', '.join(changed)}, which no released SegNet does")
