"""``smp:ARCHITECTURE/ENCODER``: its address anywhere, its networks where segmentation_models_pytorch can be imported.

The library needs a torchvision that belongs to the installed torch; where there is none the tests of its networks skip
and say so.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch
from torch import nn

from segbench.errors import UnknownNameError, UsageError
from segbench.models import create_model, find_model
from segbench.models.blocks import describe_preprocess
from segbench.models.outside.padding import PaddedToMultiple


@pytest.fixture
def library() -> None:
    """Skips where the library, or the torchvision that it needs, cannot be imported."""
    try:
        importlib.import_module("segmentation_models_pytorch")
    except Exception as error:
        pytest.skip(f"segmentation_models_pytorch does not import here: {error}")


def images(height: int, width: int) -> torch.Tensor:
    return 255 * torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("address", ["smp:Unet", "smp:Unet/", "smp:Unet/a b", "smp:U net/resnet34", "smp:a/b/c"])
def test_addresses_of_another_form(address: str) -> None:
    with pytest.raises(UsageError, match=r"is not smp:ARCHITECTURE/ENCODER. Example: smp:Unet/resnet34"):
        find_model(address)


def test_what_is_missing_is_said() -> None:
    try:
        version("segmentation_models_pytorch")
    except PackageNotFoundError:
        with pytest.raises(
            UsageError, match=r"needs segmentation_models_pytorch, which is not installed. Install it: pip"
        ):
            find_model("smp:Unet/resnet34")
        return
    pytest.skip("segmentation_models_pytorch is installed")


class Halved(nn.Module):
    """Demands even sizes, and says of each pixel where it lies in its pair of rows."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[2] % 8 == images.shape[3] % 8 == 0
        return images[:, :2] + images.shape[2]


def test_any_size_is_padded_and_cut_again() -> None:
    found = PaddedToMultiple(Halved(), 8)(images(13, 16))
    assert torch.equal(found, images(13, 16)[:, :2] + 16)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("architecture", ["Unet", "FPN"])
def test_logits_at_the_size_of_the_images(architecture: str) -> None:
    model = create_model(f"smp:{architecture}/resnet18", 5)
    for height, width in ((64, 96), (45, 61)):
        assert model(images(height, width)).shape == (2, 5, height, width)
    assert describe_preprocess(model)["mean"] == [0.485, 0.456, 0.406]


@pytest.mark.usefixtures("library")
def test_it_is_the_network_of_the_library() -> None:
    smp = importlib.import_module("segmentation_models_pytorch")
    torch.manual_seed(0)
    model = create_model("smp:Unet/resnet18", 4).eval()
    torch.manual_seed(0)
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=4).eval()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images(32, 64) / 255 - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(model(images(32, 64)), theirs(normalised), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("smp:Unett/resnet18", "no architecture 'Unett'. Did you mean Unet"),
        ("smp:Unet/resnet17", "no encoder 'resnet17'"),
    ],
)
def test_names_that_the_library_does_not_have(address: str, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        create_model(address, 3)
