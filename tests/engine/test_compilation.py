"""``torch.compile``: refused where it cannot work, recorded where it does, and the same network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from segbench.engine import compilation
from segbench.engine.compilation import compile_network
from segbench.engine.environment import choose_compute, describe
from segbench.errors import UsageError
from segbench.models import create_model
from segbench.record import Environment


@pytest.fixture
def eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces networks as torch.compile does, and leaves out the minutes of its C++ compiler."""
    plain = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda model: plain(model, backend="eager"))


def test_a_missing_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError) as caught:
        choose_compute("cpu", compiled=True)
    assert str(caught.value).startswith(
        "torch.compile needs a C++ compiler on a CPU, and there is no no-such-compiler."
    )
    assert "\n" not in str(caught.value)


def test_a_gpu_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs Triton on a GPU\. Run: pip install triton"):
        compilation.require_compiler(torch.device("cuda"))


def test_it_is_recorded_and_older_records_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    plain, compiled = (describe(choose_compute("cpu", compiled=asked)) for asked in (False, True))
    assert (plain.compiled, compiled.compiled) == (False, True)
    assert "compiled" not in plain.model_dump()
    assert Environment.model_validate(compiled.model_dump()) == compiled


@pytest.mark.usefixtures("eagerly")
def test_a_compiled_network_trains_as_the_plain_one() -> None:
    outcomes = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model: Any = create_model("segnet-basic", 3, width=4)
        names = list(model.state_dict())
        if compiled:
            compile_network(model)
        images = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(1)) * 255
        logits = model(images)
        torch.autograd.backward(logits.square().mean())
        assert list(model.state_dict()) == names
        outcomes.append([logits.detach(), *(parameter.grad for parameter in model.parameters())])
    for ours, theirs in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, theirs)
