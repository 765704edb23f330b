"""VGG16 and the networks that mirror it: counts worked by hand, layers by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.models import create_model
from segbench.models.encoder_decoder import EncoderDecoder
from segbench.models.vgg import scaled, vgg16_convolutions, vgg16_decoders, vgg16_levels

# in, out of the 13 convolutions of 3x3
ENCODER = [
    *[(3, 64), (64, 64)],
    *[(64, 128), (128, 128)],
    *[(128, 256), (256, 256), (256, 256)],
    *[(256, 512), (512, 512), (512, 512)],
    *[(512, 512), (512, 512), (512, 512)],
]
# 5_3_D to 1_2_D of SegNet, the classifier left out
DECODER = [
    *[(512, 512), (512, 512), (512, 512)],
    *[(512, 512), (512, 512), (512, 256)],
    *[(256, 256), (256, 256), (256, 128)],
    *[(128, 128), (128, 64)],
    *[(64, 64)],
]
SEGNETS = ["segnet", "bayesian-segnet", "segnet-replication"]


def kernels(layers: list[tuple[int, int]]) -> int:
    return sum(9 * inputs * outputs for inputs, outputs in layers)


def maps(layers: list[tuple[int, int]]) -> int:
    return sum(outputs for _, outputs in layers)


def count(model: nn.Module) -> int:
    return sum(value.numel() for value in model.parameters())


def on_meta(name: str, num_classes: int, **config: object) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, num_classes, **config)


def shapes(model: nn.Module) -> list[tuple[int, int]]:
    return [(part.in_channels, part.out_channels) for part in model.modules() if isinstance(part, nn.Conv2d)]


def test_the_13_convolutions_of_vgg16() -> None:
    with torch.device("meta"):
        levels = vgg16_levels(batch_norm=False)
    assert shapes(levels) == ENCODER
    assert [part.in_channels for part in vgg16_convolutions(levels)] == [inputs for inputs, _ in ENCODER]
    # 14,710,464 weights and 2*64 + 2*128 + 3*256 + 6*512 = 4,224 biases
    assert (kernels(ENCODER), maps(ENCODER)) == (14_710_464, 4_224)
    assert count(levels) == 14_714_688


@pytest.mark.parametrize("name", SEGNETS)
def test_segnet_has_26_convolutions_in_the_published_order(name: str) -> None:
    model = on_meta(name, 11)
    assert shapes(model) == [*ENCODER, *DECODER, (64, 11)]
    assert {part.kernel_size for part in model.modules() if isinstance(part, nn.Conv2d)} == {(3, 3)}
    assert sum(isinstance(part, nn.BatchNorm2d) for part in model.modules()) == 25
    assert sum(isinstance(part, nn.ReLU) for part in model.modules()) == 25


@pytest.mark.parametrize("name", SEGNETS)
@pytest.mark.parametrize(("classes", "expected"), [(11, 29_449_355), (21, 29_455_125), (37, 29_464_357)])
def test_parameters_of_segnet(name: str, classes: int, expected: int) -> None:
    layers = [*ENCODER, *DECODER]
    # kernels and biases of all, the classifier's 3x3 kernels and biases, scale and shift of BN after all but it
    by_hand = kernels(layers) + maps(layers) + 9 * 64 * classes + classes + 2 * maps(layers)
    assert count(on_meta(name, classes)) == by_hand == expected


def test_parameters_of_the_basic_networks() -> None:
    # 7x7: 3 to 64, then 3 + 4 times 64 to 64; biases and BN of 8 layers; the classifier
    by_hand = 49 * 3 * 64 + 7 * 49 * 64 * 64 + 8 * 64 * 3 + 64 * 11 + 11
    assert by_hand == 1_416_587
    for name in ("bayesian-segnet-basic", "segnet-basic-replication", "segnet-basic"):
        assert count(on_meta(name, 11)) == by_hand


def test_parameters_of_segnet_keras_basic() -> None:
    layers = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 512), (512, 256), (256, 128), (128, 64)]
    model = on_meta("segnet-keras-basic", 11)
    assert shapes(model) == [*layers, (64, 11)]
    assert count(model) == kernels(layers) + 3 * maps(layers) + 64 * 11 + 11 == 5_464_075


@pytest.mark.parametrize(("fc", "expected"), [(1024, 81_917_259), (4096, 251_805_003)])
def test_parameters_of_deconvnet(fc: int, expected: int) -> None:
    decoder = [*DECODER, (64, 64)]
    middle = 49 * 512 * fc + fc * fc + fc * 49 * 512  # 7x7, 1x1 and the 7x7 deconvolution
    blocks = maps(ENCODER) + maps(decoder) + 2 * fc + 512  # a bias, a scale and a shift each
    by_hand = kernels(ENCODER) + kernels(decoder) + middle + 3 * blocks + 64 * 11 + 11
    assert count(on_meta("deconvnet", 11, fc=fc)) == by_hand == expected


@pytest.mark.parametrize(
    ("name", "scores", "upsampling", "megabytes"),
    [
        ("fcn-32s", [4096], 0, None),
        ("fcn-16s", [4096, 512], 0, None),
        ("fcn-8s", [4096, 512, 256], 0, None),
        ("fcn", [4096, 512, 256], (16 + 16 + 256) * 11 * 11, 539),
    ],
)
def test_parameters_of_fcn(name: str, scores: list[int], upsampling: int, megabytes: int | None) -> None:
    middle = 49 * 512 * 4096 + 4096 + 4096 * 4096 + 4096
    by_hand = 14_714_688 + middle + sum(11 * maps + 11 for maps in scores) + upsampling
    assert count(on_meta(name, 11, batch_norm=False)) == by_hand
    assert count(on_meta(name, 11)) == by_hand + 2 * (4_224 + 2 * 4096)
    if megabytes:  # Table 6: the size of the weights on disk
        assert by_hand * 4 / 1e6 == pytest.approx(megabytes, rel=0.01)


def test_parameters_of_deeplab() -> None:
    by_hand = 14_714_688 + 9 * 512 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 11 + 11
    assert count(on_meta("deeplab-largefov", 11, batch_norm=False)) == by_hand == 20_495_179
    assert count(on_meta("deeplab-largefov", 11)) == by_hand + 2 * (4_224 + 2 * 1024)
    assert by_hand * 4 / 1e6 == pytest.approx(83, rel=0.015)  # Table 6


def test_table_6_size_of_segnet() -> None:
    assert count(on_meta("segnet", 11)) * 4 / 1e6 == pytest.approx(117, rel=0.01)


def test_width_scales_every_level() -> None:
    assert [scaled(maps, 8) for maps in (64, 128, 256, 512, 4096)] == [8, 16, 32, 64, 512]
    assert shapes(vgg16_levels(8))[1:] == [(a // 8, b // 8) for a, b in ENCODER[1:]]
    assert [part[-1][0].out_channels for part in vgg16_decoders(8)] == [64, 32, 16, 8, 8]  # type: ignore[index]


def test_scale_of_the_input_does_not_matter_to_segnet() -> None:
    torch.manual_seed(0)
    model = create_model("segnet", 5, width=8)
    images = torch.rand(2, 3, 64, 64) * 255
    logits, dimmed = model(images).detach(), model(images / 16).detach()
    # What is left is the epsilon of the first batch normalisation, enlarged 1.2 times by each of 25 layers.
    assert (logits - dimmed).norm() / logits.norm() < 0.02


def test_indices_bring_back_what_replication_blurs() -> None:
    model = EncoderDecoder(2, [nn.Identity()], [nn.Identity()], nn.Identity(), preprocess=nn.Identity())
    images = torch.rand(1, 3, 33, 35, generator=torch.Generator().manual_seed(0))
    windows = nn.functional.pad(images, (0, 1, 0, 1), value=-1).unfold(2, 2, 2).unfold(3, 2, 2)
    highest = windows.amax((4, 5)).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :33, :35]
    assert torch.equal(model(images), torch.where(images == highest, images, 0))
    model.upsampling = "replication"
    assert torch.equal(model(images), highest)


def test_deconvnet_passes_its_bottleneck() -> None:
    torch.manual_seed(0)
    model = create_model("deconvnet", 5, width=8).eval()
    assert isinstance(model, EncoderDecoder)
    seen: list[torch.Size] = []
    for part in model.bottleneck.children():
        part.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 300))
    assert seen == [(1, 128, 1, 4), (1, 128, 1, 4), (1, 64, 7, 10)]


def test_deconvnet_refuses_smaller_images_with_what_would_fit() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, 180, 240\); \[N, 3, H, W\] with H, W >= 224 fits"):
        create_model("deconvnet", 5, width=8)(torch.zeros(1, 3, 180, 240))
