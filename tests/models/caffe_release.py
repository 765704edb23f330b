"""Releases for tests: random networks written as Caffe writes them, and what they compute, in numpy.

Nothing here knows the networks of segbench: a release is a list of layers, its definition a text, its weights bytes,
and its scores come from convolutions, poolings and unpoolings of numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
V1_TYPES = {"Convolution": 4, "BN": 43, "ReLU": 18, "Pooling": 17, "LRN": 15, "Dropout": 6}
VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
MIRRORED = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))


@dataclass(frozen=True)
class Layer:
    """One layer of a release.

    Attributes:
        blobs: Its weights.
        level: Of a pooling or an upsampling.
        sampled: Whether a dropout stays on in testing.
    """

    name: str
    type: str
    blobs: tuple[Array, ...] = ()
    level: int = 0
    sampled: bool = False


class Builder:
    """Adds layers with random weights."""

    def __init__(self, seed: int) -> None:
        self._dice = np.random.default_rng(seed)
        self.layers: list[Layer] = []
        self._maps = 3

    def convolution(self, name: str, outputs: int, kernel: int, *, bias: float = 0.1) -> None:
        shape = (outputs, self._maps, kernel, kernel)
        # The first layer sees 0..255.
        deviation = (2 / (self._maps * kernel * kernel)) ** 0.5 / (100 if self._maps == 3 else 1)
        blobs = (self._dice.normal(0, deviation, shape), self._dice.normal(0, bias, outputs))
        self.layers.append(Layer(name, "Convolution", tuple(blob.astype(np.float32) for blob in blobs)))
        self._maps = outputs

    def block(self, name: str, outputs: int, kernel: int, *, relu: bool = True) -> None:
        self.convolution(name, outputs, kernel)
        scale, shift = self._dice.uniform(0.5, 1.5, (1, outputs, 1, 1)), self._dice.normal(0, 0.3, (1, outputs, 1, 1))
        self.layers.append(Layer(f"{name}_bn", "BN", (scale.astype(np.float32), shift.astype(np.float32))))
        if relu:
            self.layers.append(Layer(f"relu_{name}", "ReLU"))

    def plain(self, type_: str, name: str, level: int = 0, *, sampled: bool = False) -> None:
        self.layers.append(Layer(name, type_, level=level, sampled=sampled))


def basic(outputs: int, *, width: int = 8, sampled: bool = False, seed: int = 0) -> list[Layer]:
    """SegNet-Basic, or its Bayesian form."""
    made = Builder(seed)
    made.plain("LRN", "norm")
    for level in range(1, 5):
        made.block(f"conv{level}", width, 7)
        made.plain("Pooling", f"pool{level}", level)
        if sampled and level > 2:
            made.plain("Dropout", f"encdrop{level}", sampled=True)
    for level in range(4, 0, -1):
        made.plain("Upsample", f"upsample{level}", level)
        made.block(f"conv_decode{level}", width, 7, relu=False)
        if sampled and level > 2:
            made.plain("Dropout", f"decdrop{level}", sampled=True)
    made.convolution("conv_classifier", outputs, 1)
    return made.layers


def segnet(
    outputs: int,
    *,
    width: int = 4,
    dropout: Literal["none", "unused", "deep", "everywhere"] = "none",
    head: bool = False,
    seed: int = 0,
) -> list[Layer]:
    """SegNet on VGG16; ``unused`` has dropout as the release's segnet_sun, off in testing."""
    made, on = Builder(seed), dropout in ("deep", "everywhere")
    first, last = (1, 2) if dropout == "everywhere" else (3, 3)
    for level, channels in enumerate(VGG, 1):
        for number, maps in enumerate(channels, 1):
            made.block(f"conv{level}_{number}", maps * width // 64, 3)
        if dropout == "everywhere":
            made.plain("Dropout", f"pool{level}_drop", sampled=True)
        made.plain("Pooling", f"pool{level}", level)
        if dropout != "none" and (level == 5 or (level >= first and dropout != "everywhere")):
            made.plain("Dropout", f"encdrop{level}", sampled=on)
    for level, channels in zip(range(5, 0, -1), MIRRORED, strict=True):
        made.plain("Upsample", f"upsample{level}", level)
        every = (64, 64) if level == 1 and head else channels
        for number, maps in zip(range(5, 0, -1), every, strict=False):
            made.block(f"conv{level}_{number}_D", maps * width // 64, 3)
        if dropout != "none" and level >= last:
            made.plain("Dropout", f"decdrop{level}", sampled=on)
    made.convolution("camvid" if head else "conv1_1_D", outputs, 3)
    return made.layers


# --- the definition ---------------------------------------------------------------------------------------------------


def prototxt(layers: Sequence[Layer], size: tuple[int, int] | None, version: int = 2) -> str:
    """The definition with which a release is tested; without a size its input is a list of files."""
    lines = ['name: "net"  # a comment { that closes nothing']
    if size is None:
        data = 'name: "data" type: "DenseImageData" top: "data" top: "label" dense_image_data_param { batch_size: 1 }'
        lines += [f"layer {{ {data} }}"]
    else:
        lines += ['input: "data"', *(f"input_dim: {side}" for side in (1, 3, *size))]
    lines += [_layer(*entry, version) for entry in _chained(layers, size)]
    top = "data" if not layers else layers[-1].name
    lines.append(
        f'layer {{ name: "prob" type: "Softmax" bottom: "{top}" top: "prob" softmax_param {{engine: CAFFE}} }}'
    )
    return "\n".join(lines) + "\n"


def _chained(
    layers: Sequence[Layer], size: tuple[int, int] | None
) -> Iterator[tuple[Layer, list[str], list[str], str]]:
    """Layers with bottoms, tops and parameters; those that keep their shape work in place, as in the release."""
    blob, sizes = "data", [size or (0, 0)]
    for layer in layers:
        in_place = layer.type in ("BN", "ReLU", "Dropout")
        bottoms, tops = [blob], [blob if in_place else layer.name]
        if layer.type == "Pooling":
            tops.append(f"pool{layer.level}_mask")
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        wanted = sizes[-2] if layer.type == "Upsample" else None
        if wanted is not None:
            bottoms.append(f"pool{layer.level}_mask")
        yield layer, bottoms, tops, _parameters(layer, sizes[-1], wanted)
        if wanted is not None:
            sizes.pop()
        blob = tops[0]


def _parameters(layer: Layer, size: tuple[int, int], wanted: tuple[int, int] | None) -> str:
    if layer.type == "Convolution":
        outputs, _, kernel, _ = layer.blobs[0].shape
        biased = "" if len(layer.blobs) == 2 else " bias_term: false"
        filler = 'weight_filler { type: "gaussian" std: 1e-2 }'
        return (
            f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2}{biased} {filler} }}"
        )
    if layer.type == "Upsample" and wanted is not None:
        odd = [axis for axis, side, big in zip("hw", size, wanted, strict=True) if big == 2 * side - 1]
        if layer.level % 2:
            return f"upsample_param {{ scale: 2 upsample_h: {wanted[0]} upsample_w: {wanted[1]} }}" if odd else ""
        return "upsample_param { scale: 2 " + " ".join(f"pad_out_{axis}: true" for axis in odd) + " }"
    return {
        "LRN": "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }",
        "BN": "bn_param { bn_mode: INFERENCE scale_filler { type: 'constant' value: 1 } }",
        "Pooling": "pooling_param { pool: MAX kernel_size: 2 stride: 2 }",
        "Dropout": f"dropout_param {{ dropout_ratio: 0.5 {'sample_weights_test: true' if layer.sampled else ''} }}",
    }.get(layer.type, "")


def _layer(layer: Layer, bottoms: list[str], tops: list[str], parameters: str, version: int) -> str:
    kind = f'"{layer.type}"' if version == 2 or layer.type not in V1_TYPES else layer.type.upper()
    blobs = " ".join([*(f'bottom: "{name}"' for name in bottoms), *(f'top: "{name}"' for name in tops)])
    word = "layer" if version == 2 else "layers"
    return f'{word} {{\n  name: "{layer.name}"\n  type: {kind}\n  {blobs}\n  {parameters}\n}}'


# --- the weights ------------------------------------------------------------------------------------------------------


def caffemodel(
    layers: Sequence[Layer],
    *,
    version: int = 2,
    legacy: bool = False,
    packed: bool = True,
    double: bool = False,
) -> bytes:
    """A file of weights.

    Args:
        version: Of the layers: 2 (``layer``) or 1 (``layers``).
        legacy: Blobs state four dimensions instead of a shape.
        packed: Floats lie in one field, else in one each.
        double: ``double_data`` instead of ``data``.
    """
    parts = [block(1, b"net"), block(100 if version == 2 else 2, _named("data", "DenseImageData", version, []))]
    for layer in layers:
        blobs = [blob_bytes(blob, legacy=legacy, packed=packed, double=double) for blob in layer.blobs]
        parts.append(block(100 if version == 2 else 2, _named(layer.name, layer.type, version, blobs)))
    return b"".join(parts)


def _named(name: str, type_: str, version: int, blobs: Iterable[bytes]) -> bytes:
    if version == 2:
        # Field 10 is the phase, 106 some parameters: what the reader has to pass over.
        head = block(1, name.encode()) + block(2, type_.encode()) + number(10, 1) + block(106, number(1, 64))
        return head + b"".join(block(7, blob) for blob in blobs)
    head = block(2, b"bottom") + block(4, name.encode()) + number(5, V1_TYPES.get(type_, 0)) + fixed(7, b"\0\0\x80?")
    return head + b"".join(block(6, blob) for blob in blobs)


def blob_bytes(values: Array, *, legacy: bool = False, packed: bool = True, double: bool = False) -> bytes:
    """A blob."""
    if legacy:
        shape = (1,) * (4 - values.ndim) + values.shape
        stated = b"".join(number(field, side) for field, side in enumerate(shape, 1))
    else:
        stated = block(7, block(1, b"".join(map(varint, values.shape))) if packed else _each(values.shape))
    kind = "<f8" if double else "<f4"
    content = np.ascontiguousarray(values).astype(kind).reshape(-1)
    field = 8 if double else 5
    if packed:
        return stated + block(field, content.tobytes())
    rows = np.frombuffer(content.tobytes(), np.uint8).reshape(len(content), -1)
    tag = np.full((len(content), 1), field << 3 | (1 if double else 5), np.uint8)
    return stated + np.hstack([tag, rows]).tobytes()


def _each(shape: Iterable[int]) -> bytes:
    return b"".join(number(1, side) for side in shape)


def varint(value: int) -> bytes:
    """A whole number, seven bits a byte."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def number(field: int, value: int) -> bytes:
    """A field that holds a whole number."""
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def fixed(field: int, content: bytes) -> bytes:
    """A field of four bytes."""
    return varint(field << 3 | 5) + content


# --- what it computes -------------------------------------------------------------------------------------------------


def scores(layers: Sequence[Layer], image: Array) -> Array:
    """Scores [K, H, W] of an image [H, W, 3] in RGB; dropout is off.

    Caffe reads pictures as BGR in 0..255.
    """
    maps: Array = image[:, :, ::-1].transpose(2, 0, 1).astype(np.float64)
    masks: list[tuple[Array, tuple[int, int]]] = []
    for layer in layers:
        blobs = [blob.astype(np.float64) for blob in layer.blobs]
        if layer.type == "LRN":
            # A window of five channels holds all three at each of them.
            maps = maps / (1 + 1e-4 / 5 * (maps**2).sum(0)) ** 0.75
        elif layer.type == "Convolution":
            maps = _convolved(maps, *blobs)
        elif layer.type == "BN":
            maps = maps * blobs[0].reshape(-1, 1, 1) + blobs[1].reshape(-1, 1, 1)
        elif layer.type == "ReLU":
            maps = np.maximum(maps, 0)
        elif layer.type == "Pooling":
            size = (maps.shape[1], maps.shape[2])
            maps, mask = _pooled(maps)
            masks.append((mask, size))
        elif layer.type == "Upsample":
            maps = _unpooled(maps, *masks.pop())
    return maps


def _convolved(maps: Array, weights: Array, bias: Array | None = None) -> Array:
    pad = weights.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], axis=(1, 2))
    result: Array = np.einsum("chwij,ocij->ohw", windows, weights, optimize=True)
    return result if bias is None else result + bias[:, None, None]


def _pooled(maps: Array) -> tuple[Array, Array]:
    """Maxima of 2x2 windows, the last ones cut off at an odd side, and which of the four each was."""
    height, width = (-(-side // 2) for side in maps.shape[1:])
    full = np.full((maps.shape[0], 2 * height, 2 * width), -np.inf)
    full[:, : maps.shape[1], : maps.shape[2]] = maps
    windows = full.reshape(-1, height, 2, width, 2).transpose(0, 1, 3, 2, 4).reshape(-1, height, width, 4)
    return windows.max(-1), windows.argmax(-1)


def _unpooled(maps: Array, mask: Array, size: tuple[int, int]) -> Array:
    count, height, width = maps.shape
    windows = np.zeros((count, height, width, 4))
    np.put_along_axis(windows, mask[..., None], maps[..., None], axis=-1)
    full = windows.reshape(count, height, width, 2, 2).transpose(0, 1, 3, 2, 4).reshape(count, 2 * height, 2 * width)
    return full[:, : size[0], : size[1]]
