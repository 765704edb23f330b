"""ONNX files as networks: those that segbench wrote, and those of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from segbench.errors import UsageError
from segbench.models import create_model, find_model
from segbench.models.outside.onnx_file import from_onnx

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

KERNEL = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)


def write(path: Path, shape: list[Any], *, stride: int = 1, inputs: int = 1) -> Path:
    """A file of one convolution, as another tool might write it."""
    helper = onnx.helper
    given = [
        "N" if shape[0] == "N" else shape[0],
        5,
        *(("h", "w") if isinstance(shape[2], str) else _shrunk(shape, stride)),
    ]
    taken = [helper.make_tensor_value_info(f"x{number}", onnx.TensorProto.FLOAT, shape) for number in range(inputs)]
    node = helper.make_node("Conv", ["x0", "kernel"], ["y"], strides=[stride] * 2, pads=[1] * 4)
    graph = helper.make_graph(
        [node],
        "one",
        taken,
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, given)],
        [onnx.numpy_helper.from_array(KERNEL if shape[1] == 3 else np.ones((5, shape[1], 3, 3), np.float32), "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def _shrunk(shape: list[Any], stride: int) -> list[int]:
    return [-(-side // stride) for side in shape[2:]]


def pictures(height: int, width: int) -> torch.Tensor:
    return 255 * torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [["N", 3, "H", "W"], [1, 3, 16, 24], ["N", 3, 16, 24]], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_logits_are_those_of_the_file_at_the_size_of_the_images(
    tmp_path: Path, shape: list[int | str], stride: int
) -> None:
    model = create_model(f"onnx:{write(tmp_path / 'one.onnx', shape, stride=stride)}", 5).eval()
    expected = functional.conv2d(pictures(16, 24), torch.from_numpy(KERNEL), stride=stride, padding=1)
    expected = functional.interpolate(expected, size=(16, 24), mode="bilinear", align_corners=False)
    torch.testing.assert_close(model(pictures(16, 24)), expected, rtol=1e-4, atol=1e-2)


def test_it_goes_by_its_name_and_its_sha256(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "one.onnx", ["N", 3, "H", "W"])
    spec = find_model("onnx:one.onnx")
    assert (spec.name, spec.paper_name) == ("onnx:one.onnx", "one.onnx")
    assert find_model(f"onnx:{path}") == spec
    write(path, ["N", 3, "H", "W"], stride=2)
    assert find_model("onnx:one.onnx").identity != spec.identity


def test_what_segbench_wrote_tells_its_classes_and_preprocessing(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    from segbench.engine.export import Exporting, export_network

    torch.manual_seed(0)
    network, path = create_model("bilinear-interpolation", 3, width=4).eval(), tmp_path / "ours.onnx"
    described = {"classes": ["sky", "road", "car"], "palette": [[0, 0, 1], [0, 1, 0], [1, 0, 0]]}
    export_network(Exporting("bilinear-interpolation", network, (33, 47), described), path, "onnx")
    model = from_onnx(None, path=str(path)).eval()
    assert getattr(model, "class_names") == described["classes"]  # noqa: B009
    assert getattr(model, "input_size") == (33, 47)  # noqa: B009
    assert model.preprocess.describe()["lrn"] == [5, 1e-4, 0.75]  # type: ignore[operator, union-attr]
    with torch.no_grad():
        torch.testing.assert_close(model(pictures(33, 47)), network(pictures(33, 47)), rtol=1e-3, atol=1e-3)
    told = {one.key: one.value for one in onnx.load(path).metadata_props}
    assert told["segbench.palette"] == "[[0, 0, 1], [0, 1, 0], [1, 0, 0]]"


@pytest.mark.parametrize(
    ("shape", "inputs", "said"),
    [
        (
            ["N", 4, "H", "W"],
            1,
            r"one.onnx takes \[\['N', 4, 'H', 'W'\]\] to .* One input, float32 images \[N, 3, H, W\]",
        ),
        (["N", 3, "H", "W"], 2, r"one.onnx takes \[\['N', 3, 'H', 'W'\], \['N', 3, 'H', 'W'\]\]"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, shape: list[int | str], inputs: int, said: str) -> None:
    path = write(tmp_path / "one.onnx", shape, inputs=inputs)
    with pytest.raises(UsageError, match=said):
        from_onnx(None, path=str(path))


def test_what_is_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("nothing")
    with pytest.raises(UsageError, match=r"text.onnx raised InvalidProtobuf"):
        from_onnx(None, path=str(tmp_path / "text.onnx"))


def test_another_number_of_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "one.onnx", ["N", 3, "H", "W"])
    with pytest.raises(UsageError, match=r"one\.onnx tells 5 classes apart, not 11"):
        create_model(f"onnx:{path}", 11)


def test_it_cannot_be_trained(tmp_path: Path) -> None:
    path = write(tmp_path / "one.onnx", ["N", 3, "H", "W"])
    with pytest.raises(
        UsageError, match=r"is an ONNX file, which cannot be trained. Score it as it is: segbench evaluate"
    ):
        find_model(f"onnx:{path}").require_trainable()
    model = create_model(f"onnx:{path}", 5)
    assert isinstance(model, nn.Module)
    with pytest.raises(UsageError, match=r"one\.onnx is an ONNX file, which cannot be trained"):
        model(pictures(8, 8))
