"""What every registered network promises; a network is tested by being registered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UnknownNameError, UsageError
from segbench.models import MODELS, create_model
from segbench.models.blocks import Convolution, describe_preprocess, use_convolution
from segbench.registry import import_object

CLASSES = 5
SIZES = ((32, 32), (45, 61), (33, 47))

every_model = pytest.mark.parametrize("name", list(MODELS))


def small(name: str) -> nn.Module:
    """The network of that name with 8 maps a level, from seed 0."""
    torch.manual_seed(0)
    return create_model(name, CLASSES, width=8)


def pictures(height: int, width: int, count: int = 2) -> Tensor:
    """Noise, float32 [N, 3, H, W] in 0..255."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255


def gradients(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Gradients of a loss that every logit has a part in."""
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
    logits = small(name)(pictures(*size))
    assert logits.shape == (2, CLASSES, *size)
    assert logits.isfinite().all()


@every_model
@pytest.mark.parametrize("size", SIZES[1:], ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_parameter_gets_a_finite_gradient(name: str, size: tuple[int, int]) -> None:
    model = small(name)
    found = gradients(model, pictures(*size))
    assert set(found) == {key for key, _ in model.named_parameters()}
    assert all(value.isfinite().all() for value in found.values())
    weights = {key: value for key, value in found.items() if value.ndim == 4}
    assert all(value.abs().max() > 0 for value in weights.values())


@every_model
@pytest.mark.usefixtures("deterministic")
def test_same_seed_same_everything(name: str) -> None:
    first, second = small(name), small(name)
    images = pictures(45, 61)
    ours, theirs = gradients(first, images), gradients(second, images)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))


@every_model
def test_images_of_a_batch_are_told_apart_in_evaluation(name: str) -> None:
    model = small(name).eval()
    images = pictures(33, 47, 3)
    with torch.no_grad():
        together, alone = model(images), model(images[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


@every_model
def test_bf16_is_close_to_fp32(name: str) -> None:
    model, images = small(name), pictures(45, 61)
    exact = model(images).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(images).detach().float()
    # Where a near-tie of the pooling falls the other way, logits differ by as much as they vary: few may.
    difference = (rounded - exact).abs() / exact.std()
    assert difference.median() < 0.1
    assert (difference > 0.5).float().mean() < 0.15


@every_model
def test_fourier_route_agrees(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, CLASSES, width=16)
    images = pictures(45, 61, 1)
    direct = model(images).detach()
    use_convolution(model, "dft")
    assert all(part.implementation == "dft" for part in model.modules() if isinstance(part, Convolution))
    assert (model(images).detach() - direct).norm() / direct.norm() < 1e-3


@every_model
def test_parameters_are_those_of_the_specification_and_near_the_paper(name: str) -> None:
    spec = MODELS[name]
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

    model, images = small(name), pictures(33, 47)
    model(images)  # moves the running statistics away from their initial values
    model.eval()
    path = tmp_path / "weights.safetensors"
    written = header(model=name, num_classes=CLASSES, config={"width": 8})
    sha256 = save_weights(path, model, written)
    tensors, read, found = load_weights(path)
    assert (found, read) == (sha256, written)
    assert set(tensors) == set(model.state_dict())
    assert torch.equal(load_model(path)(images), model(images))


@every_model
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 4, 40, 40), (1, 3, 31, 40), (1, 3, 40, 31)])
def test_wrong_shapes_are_named_with_what_would_fit(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[N, 3, H, W\] with H, W >= 32 fits") as caught:
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
