"""What every registered network promises; a network is tested by being registered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UnknownNameError, UsageError
from segbench.models import MODELS, create_model
from segbench.models.bayesian import ThinningDropout
from segbench.models.blocks import Convolution, describe_preprocess, use_convolution
from segbench.registry import import_object

CLASSES = 5
SIZES = ((32, 32), (45, 61), (33, 47))

every_model = pytest.mark.parametrize("name", list(MODELS))


def small(name: str) -> nn.Module:
    """The network of that name with 8 maps a level, from seed 0."""
    torch.manual_seed(0)
    return create_model(name, CLASSES, width=8)


def fitting(name: str, size: tuple[int, int]) -> tuple[int, int]:
    """A size as far above the network's smallest as ``size`` is above 32x32."""
    more = MODELS[name].min_size - 32
    return size[0] + more, size[1] + more


def without_dropout(model: nn.Module) -> nn.Module:
    """The model in training mode but for its dropout."""
    for part in model.modules():
        if isinstance(part, nn.Dropout | ThinningDropout):
            part.eval()
    return model


def pictures(height: int, width: int, count: int = 2) -> Tensor:
    """Noise, float32 [N, 3, H, W] in 0..255."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255


def gradients(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Gradients of a loss that every logit has a part in; dropout draws from seed 0."""
    torch.manual_seed(0)
    logits = model(images)
    chosen = torch.arange(logits[:, 0].numel()).reshape(logits[:, 0].shape) % CLASSES
    torch.autograd.backward(nn.functional.cross_entropy(logits, chosen))
    return {key: value.grad for key, value in model.named_parameters() if value.grad is not None}


@pytest.fixture
def deterministic() -> Iterator[None]:
    """Operations without a deterministic implementation raise."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@every_model
def test_what_is_done_to_the_input_can_be_told_without_segbench(name: str) -> None:
    described = describe_preprocess(small(name))
    assert described["channels"] in ("RGB", "BGR")
    assert described["range"] == [0, 255]
    assert json.loads(json.dumps(described)) == described


@every_model
def test_factory_is_importable(name: str) -> None:
    assert callable(import_object(MODELS[name].factory))


@every_model
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_logits_have_the_size_of_the_images(name: str, size: tuple[int, int]) -> None:
    height, width = fitting(name, size)
    logits = small(name)(pictures(height, width))
    assert logits.shape == (2, CLASSES, height, width)
    assert logits.isfinite().all()


@every_model
@pytest.mark.parametrize("size", SIZES[1:], ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_parameter_gets_a_finite_gradient(name: str, size: tuple[int, int]) -> None:
    model = small(name)
    found = gradients(model, pictures(*fitting(name, size)))
    assert set(found) == {key for key, _ in model.named_parameters()}
    assert all(value.isfinite().all() for value in found.values())
    weights = {key: value for key, value in found.items() if value.ndim == 4}
    assert all(value.abs().max() > 0 for value in weights.values())


@every_model
@pytest.mark.usefixtures("deterministic")
def test_same_seed_same_everything(name: str) -> None:
    first, second = small(name), small(name)
    images = pictures(*fitting(name, (45, 61)))
    ours, theirs = gradients(first, images), gradients(second, images)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))


@every_model
def test_images_of_a_batch_are_told_apart_in_evaluation(name: str) -> None:
    model = small(name).eval()
    images = pictures(*fitting(name, (33, 47)), count=3)
    with torch.no_grad():
        together, alone = model(images), model(images[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4 * max(1, alone.std().item()))


@every_model
def test_bf16_is_close_to_fp32(name: str) -> None:
    model, images = without_dropout(small(name)), pictures(*fitting(name, (45, 61)))
    # At its random start a deep network with BN and ReLU enlarges any difference by a factor of 1.2 a layer, which
    # says nothing of bf16. Shifted, most values pass the ReLUs and differences stay as they are.
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.constant_(part.bias, 2)
    exact = model(images).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(images).detach().float()
    # Where a near-tie of the pooling falls the other way, logits differ by as much as they vary: few may.
    difference = (rounded - exact).abs() / exact.std()
    assert difference.median() < 0.06
    assert (difference > 0.5).float().mean() < 0.02


@every_model
def test_fourier_route_agrees(name: str) -> None:
    torch.manual_seed(0)
    model = without_dropout(create_model(name, CLASSES, width=16))
    images = pictures(*fitting(name, (45, 61)), count=1)
    direct = model(images).detach()
    use_convolution(model, "dft")
    assert all(part.implementation == "dft" for part in model.modules() if isinstance(part, Convolution))
    assert (model(images).detach() - direct).norm() / direct.norm() < 1e-3


@every_model
def test_parameters_are_those_of_the_specification_and_near_the_paper(name: str) -> None:
    spec = MODELS[name]
    with torch.device("meta"):
        model = create_model(name, spec.reference_classes)
    kernels = sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d))
    parameters = sum(value.numel() for value in model.parameters())
    assert (parameters, kernels) == (spec.parameters, spec.convolution_weights)
    if spec.paper_parameters is not None:
        assert abs(kernels / spec.paper_parameters - 1) < 0.025
        assert abs(parameters / spec.paper_parameters - 1) < 0.025


@every_model
def test_state_round_trip_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    from segbench.engine.checkpoint import load_model, load_weights, save_weights
    from tests.engine.tiny import header

    model, images = small(name), pictures(*fitting(name, (33, 47)))
    model(images)  # moves the running statistics away from their initial values
    model.eval()
    path = tmp_path / "weights.safetensors"
    written = header(model=name, num_classes=CLASSES, config={"width": 8})
    sha256 = save_weights(path, model, written)
    tensors, read, found = load_weights(path)
    assert (found, read) == (sha256, written)
    assert set(tensors) == set(model.state_dict())
    assert torch.equal(load_model(path)(images), model(images))


def exportable(name: str) -> nn.Module:
    """The small network; of Bayesian ones the mean of two samples."""
    torch.manual_seed(0)
    fewer = {"samples": 2} if name.startswith("bayesian") else {}
    return create_model(name, CLASSES, width=8, **fewer)


def exported(*representatives: str) -> pytest.MarkDecorator:
    """Every network; those that export by the same means as a representative only where all are asked for.

    Tracing a network takes seconds, and converting it as long again.
    """
    more = pytest.mark.skipif(os.environ.get("SEGBENCH_TEST_ALL_EXPORTS") != "1", reason="SEGBENCH_TEST_ALL_EXPORTS=1")
    names = [pytest.param(name, marks=[] if name in representatives else [more, pytest.mark.slow]) for name in MODELS]
    return pytest.mark.parametrize("name", names)


@exported("segnet-basic-encoder-addition", "bayesian-segnet-basic", "deeplab-largefov")
def test_exported_program_computes_the_same(name: str, tmp_path: Path) -> None:
    from segbench.engine.export import Exporting, export_network

    model, size = exportable(name), fitting(name, (33, 35))
    exported = export_network(Exporting(name, model, size), tmp_path / "network.pt2", "torch-export")
    assert exported.max_absolute_difference == 0
    assert (exported.size, exported.num_classes) == (size, CLASSES)


@exported("segnet-basic", "fcn-8s", "segnet-keras-basic")
def test_onnx_file_computes_the_same_for_any_batch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    from segbench.engine.export import Exporting, export_network

    model, (height, width), path = exportable(name), fitting(name, (33, 35)), tmp_path / "network.onnx"
    exported = export_network(Exporting(name, model, (height, width)), path, "onnx")
    assert exported.opset == 20
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 4):
        images = pictures(height, width, count)
        with torch.no_grad():
            expected = model(images)
        found = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@every_model
@pytest.mark.parametrize("num_classes", [21, 37])
def test_other_numbers_of_classes(name: str, num_classes: int) -> None:
    side = MODELS[name].min_size
    model = create_model(name, num_classes, width=8).eval()
    with torch.no_grad():
        assert model(pictures(side, side, 1)).shape == (1, num_classes, side, side)


@every_model
@pytest.mark.slow
def test_full_width_runs_and_is_saved(name: str, tmp_path: Path) -> None:
    from segbench.engine.checkpoint import save_weights
    from tests.engine.tiny import header

    side = MODELS[name].min_size
    model = create_model(name, 11).eval()
    with torch.no_grad():
        assert model(pictures(side, side, 1)).isfinite().all()
    path = tmp_path / "weights.safetensors"
    save_weights(path, model, header(model=name, num_classes=11))
    values = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    assert values < path.stat().st_size < values + 100_000
    path.unlink()


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("fcn-8s", {"batch_norm": False, "at_once": True}),
        ("fcn", {"batch_norm": False}),
        ("deeplab-largefov", {"batch_norm": False, "crf": True}),
        ("deconvnet", {"fc": 4096}),
        ("bayesian-segnet", {"samples": 2, "seed": 7}),
        ("bayesian-segnet-basic", {"samples": 0}),
    ],
)
def test_the_original_forms_come_back_from_their_weights(name: str, config: dict[str, object], tmp_path: Path) -> None:
    from segbench.engine.checkpoint import load_model, save_weights
    from tests.engine.tiny import header

    torch.manual_seed(0)
    narrow = {"width": 4, **config}
    model = create_model(name, CLASSES, **narrow).eval()
    path = tmp_path / "weights.safetensors"
    save_weights(path, model, header(model=name, num_classes=CLASSES, config=narrow))
    images = pictures(*fitting(name, (33, 34)), count=1)
    with torch.no_grad():
        assert torch.equal(load_model(path)(images), model(images))


@every_model
@pytest.mark.slow
def test_learns_one_batch(name: str) -> None:
    model, images = small(name), pictures(*fitting(name, (64, 72)))
    # What there is to learn: which half of the picture is bright.
    images[:, :, images.shape[2] // 2 :] /= 4
    labels = torch.zeros(2, *images.shape[2:], dtype=torch.int64)
    labels[:, labels.shape[1] // 2 :] = 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for step in range(25):
        torch.manual_seed(step)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@every_model
@pytest.mark.parametrize("shape", [(3, 0, 0), (1, 1, 0, 0), (1, 4, 8, 8), (1, 3, -1, 8), (1, 3, 8, -1)])
def test_wrong_shapes_are_named_with_what_would_fit(name: str, shape: tuple[int, ...]) -> None:
    side = MODELS[name].min_size
    shape = (*shape[:-2], *(side + more for more in shape[-2:]))
    with pytest.raises(ValueError, match=rf"\[N, 3, H, W\] with H, W >= {side} fits") as caught:
        small(name)(torch.zeros(shape))
    assert str(shape) in str(caught.value)


@every_model
def test_smallest_size_is_the_specified_one(name: str) -> None:
    side = MODELS[name].min_size
    assert small(name)(pictures(side, side)).shape[2:] == (side, side)


@every_model
@pytest.mark.parametrize("num_classes", [-1, 0, 1])
def test_fewer_than_two_classes_are_refused(name: str, num_classes: int) -> None:
    with pytest.raises(UsageError, match=f"{name}: num_classes is {num_classes}; at least 2"):
        create_model(name, num_classes)


@every_model
def test_starts_in_training_mode_and_channels_last(name: str) -> None:
    model = small(name)
    assert model.training
    kernels = [value for value in model.parameters() if value.ndim == 4]
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in kernels)


def test_unknown_name_is_answered_with_close_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown model 'segnet-basik'\. Did you mean segnet-basic") as caught:
        create_model("segnet-basik", 2)
    assert caught.value.exit_code == 2


def test_integer_images_are_welcome() -> None:
    model = small("segnet-basic").eval()
    images = pictures(32, 32).round()
    assert torch.equal(model(images.to(torch.uint8)), model(images))
