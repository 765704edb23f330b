"""What has to hold on a GPU as well: exact pooling, deterministic steps, a resumable training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from segbench.engine.checkpoint import load_state
from segbench.engine.environment import Compute, choose_compute
from segbench.engine.training import train
from segbench.models import MODELS, create_model
from segbench.models.index_pooling import index_pool, index_unpool
from tests.engine.tiny import job, recipe

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(8, 12), (45, 61)])
def test_pooling_equals_torch(dtype: torch.dtype, size: tuple[int, int]) -> None:
    maps = torch.randn(2, 5, *size, device="cuda").to(dtype).contiguous(memory_format=torch.channels_last)
    expected, indices = functional.max_pool2d(maps, 2, 2, ceil_mode=True, return_indices=True)
    pooled, positions = index_pool(maps)
    assert positions.dtype == torch.uint8
    assert torch.equal(pooled, expected)
    unpooled = functional.max_unpool2d(expected.float(), indices, (2, 2), (2, 2), output_size=size)
    assert torch.equal(index_unpool(pooled.float(), positions, size), unpooled)


@pytest.mark.parametrize("name", list(MODELS))
def test_gradients_are_deterministic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(0)
    model = create_model(name, 4, width=8).cuda()
    more = MODELS[name].min_size - 32
    images = torch.rand(2, 3, 45 + more, 61 + more, device="cuda") * 255

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        torch.manual_seed(0)  # dropout
        model(images).square().mean().backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    torch.use_deterministic_algorithms(True, warn_only=name == "bilinear-interpolation")
    try:
        first, second = gradients(), gradients()
    finally:
        torch.use_deterministic_algorithms(False)
    # The backward pass of bilinear interpolation has no deterministic form on CUDA.
    if name != "bilinear-interpolation":
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_training_in_bf16_learns_and_is_kept(tmp_path: Path) -> None:
    compute = choose_compute("cuda")
    assert compute == Compute(torch.device("cuda"), "bf16", "direct")
    trained = train(job(tmp_path, recipe(epochs=12, validate_every=4, lr=0.01), compute=compute))
    assert trained.curve.loss[-1] < 0.7 * trained.curve.loss[0]
    tensors, _ = load_state(trained.weights)
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in tensors.values())
