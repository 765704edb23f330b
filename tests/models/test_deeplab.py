"""DeepLab-LargeFOV: overlapping pooling against torch's, the size of its scores, where they are put."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from segbench.models import create_model
from segbench.models.deeplab import DeepLab
from segbench.models.dense_crf import DenseCRF
from segbench.models.max_pooling import max_pool_3x3


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 14), st.integers(1, 14)),
    stride=st.integers(1, 3),
    levels=st.sampled_from([1, 2, 1000]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_pooling_is_that_of_torch(shape: tuple[int, ...], stride: int, levels: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = (torch.randint(0, levels, shape, generator=generator) - 2).to(dtype)
    maps = maps.contiguous(memory_format=torch.channels_last)
    ours, theirs = maps.clone().requires_grad_(), maps.float().requires_grad_()
    pooled, expected = max_pool_3x3(ours, stride), functional.max_pool2d(theirs, 3, stride, 1)
    assert pooled.dtype == dtype
    assert torch.equal(pooled.float(), expected)
    assert pooled.shape[2:] == tuple(-(-side // stride) for side in shape[2:])
    # Small whole numbers, so that sums are exact in bf16 too.
    upstream = torch.randint(-3, 4, pooled.shape, generator=generator).to(dtype)
    torch.autograd.backward(pooled, upstream)
    torch.autograd.backward(expected, upstream.float())
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad.float(), theirs.grad)


@pytest.mark.parametrize(
    ("size", "scores"), [((360, 480), (45, 60)), ((321, 321), (41, 41)), ((180, 240), (23, 30)), ((33, 47), (5, 6))]
)
def test_one_score_for_every_eighth_pixel(size: tuple[int, int], scores: tuple[int, int]) -> None:
    model = create_model("deeplab-largefov", 2, width=1).eval()
    assert isinstance(model, DeepLab)
    with torch.no_grad():
        assert model.scores(torch.zeros(1, 3, *size)).shape[2:] == scores


@pytest.mark.parametrize("size", [(45, 61), (64, 72)])
def test_scores_are_interpolated_at_their_own_pixels(size: tuple[int, int]) -> None:
    model = create_model("deeplab-largefov", 2, width=1).eval()
    assert isinstance(model, DeepLab)

    def places(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        rows, columns = torch.meshgrid(*(torch.arange(side) * 8.0 for side in output.shape[2:]), indexing="ij")
        return torch.stack([rows, columns])[None]

    model.score.register_forward_hook(places)
    with torch.no_grad():
        logits = model(torch.zeros(1, 3, *size))[0]
    for axis, side in enumerate(size):
        pixels = torch.arange(side).float()
        held = pixels.clamp(max=8 * ((side - 1) // 8))
        shape = (-1, 1) if axis == 0 else (1, -1)
        torch.testing.assert_close(logits[axis], held.view(shape).expand(size))


def test_the_score_of_index_n_looks_at_pixel_8n() -> None:
    """The pixels that a score depends on lie symmetrically about its own."""
    torch.manual_seed(0)
    model = create_model("deeplab-largefov", 2, width=1, batch_norm=False).eval().double()
    assert isinstance(model, DeepLab)
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1e-2)
    images = torch.rand(1, 3, 641, 641, dtype=torch.double, requires_grad=True)
    scores = model.scores(images)
    scores[0, 0, 40, 40].backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    rows = images.grad[0].abs().sum((0, 2)).nonzero()[:, 0]
    # A maximum picks one pixel of its window, so that the edges may miss their last pixels.
    assert (rows.min() + rows.max()).item() / 2 == pytest.approx(320, abs=8)


def test_dilations_and_field_of_view() -> None:
    model = create_model("deeplab-largefov", 2, width=1)
    found = [part.dilation[0] for part in model.modules() if isinstance(part, nn.Conv2d)]
    assert found == [1] * 10 + [2] * 3 + [12, 1, 1]


def test_crf_acts_in_evaluation_only_and_only_where_asked_for() -> None:
    torch.manual_seed(0)
    model = create_model("deeplab-largefov", 3, width=4, crf=True)
    assert isinstance(model, DeepLab)
    images = torch.rand(1, 3, 33, 40, generator=torch.Generator().manual_seed(0)) * 255
    model(images)
    model.eval()
    with torch.no_grad():
        refined = model(images)
        crf, model.crf = model.crf, None
        plain = model(images)
    assert crf == DenseCRF()
    torch.testing.assert_close(refined, crf(plain, images))
    torch.testing.assert_close(refined.exp().sum(1), torch.ones(1, 33, 40))
    assert not torch.allclose(refined.softmax(1), plain.softmax(1), atol=1e-3)


def test_training_and_weights_do_not_know_of_the_crf() -> None:
    torch.manual_seed(0)
    plain = create_model("deeplab-largefov", 3, width=4)
    torch.manual_seed(0)
    refined = create_model("deeplab-largefov", 3, width=4, crf=True)
    images = torch.rand(2, 3, 33, 40) * 255
    torch.manual_seed(1)
    first = plain(images)
    torch.manual_seed(1)
    assert torch.equal(refined(images), first)
    assert plain.state_dict().keys() == refined.state_dict().keys()
