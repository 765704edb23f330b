"""A network that onnxruntime computes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.errors import UsageError
from segbench.models.blocks import resize_logits
from segbench.models.outside.adapter import AsGiven
from segbench.models.outside.library import library
from segbench.models.outside.trying import tried

__all__ = ["OnnxNetwork"]

Floats = NDArray[np.float32]
WANTED = "One input, float32 images [N, 3, H, W] of RGB in 0..255, and logits [N, K, H, W] as first output are wanted."


class OnnxNetwork(nn.Module):
    """The network of a file. It has no parameters for torch, and cannot be trained.

    Attributes:
        num_classes: K.
        class_names: Where the file tells them, as those of ``segbench export`` do; else empty.
        input_size: Height and width, where the file takes one size alone; else ``None``.
        num_bytes: Of the file.
        stored_values: How many numbers its weights hold.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.name, self.num_bytes = path.name, path.stat().st_size
        self._path = path
        self._session = tried(lambda: _session(path), path.name)
        taken, given = self._session.get_inputs(), self._session.get_outputs()
        if len(taken) != 1 or not given or not _fits(taken[0], 3) or not _fits(given[0], None):
            shapes = f"{[one.shape for one in taken]} to {[one.shape for one in given]}"
            raise UsageError(f"{path.name} takes {shapes}.", WANTED)
        self._input, self._output = taken[0], given[0]
        self.num_classes: int = self._output.shape[1]
        self.input_size = _fixed(self._input.shape)
        told = self._session.get_modelmeta().custom_metadata_map
        self.class_names: list[str] = json.loads(told.get("segbench.classes", "[]"))
        self.preprocess = AsGiven(json.loads(told.get("segbench.preprocess", "{}")))

    @property
    def stored_values(self) -> int:
        onnx = library("onnx", "onnx", f"onnx:{self.name}")
        graph = onnx.load(self._path, load_external_data=False).graph
        return sum(math.prod(value.dims) for value in graph.initializer)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images [N, 3, H, W] in 0..255 to logits [N, K, H, W].

        Raises:
            UsageError: The file cannot be run on images of this size.
        """
        if torch.is_grad_enabled() and self.training:
            raise UsageError(f"{self.name} is an ONNX file, which cannot be trained.")
        values = images.detach().float().cpu().contiguous().numpy()
        size = (images.shape[2], images.shape[3])
        what = f"{self.name} on images {tuple(values.shape)}"
        parts = [values] if isinstance(self._input.shape[0], str) else np.split(values, len(values))
        found = tried(lambda: [self._run(part) for part in parts], what)
        return resize_logits(torch.from_numpy(np.concatenate(found)).to(images.device), size)

    def _run(self, values: Floats) -> Floats:
        logits: Floats = self._session.run([self._output.name], {self._input.name: values})[0]
        return logits


def _session(path: Path) -> Any:
    onnxruntime = library("onnxruntime", "onnx", f"onnx:{path.name}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _fits(value: Any, channels: int | None) -> bool:
    shape = value.shape
    known = isinstance(shape[1], int) if len(shape) == 4 else False
    return known and value.type == "tensor(float)" and channels in (None, shape[1])


def _fixed(shape: list[int | str]) -> tuple[int, int] | None:
    height, width = shape[2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
