from __future__ import annotations

import pytest

from segbench.leaderboard.wording import (
    boundary_text,
    duration,
    machine,
    millions,
    percent,
    points,
    protocol_text,
    size_text,
)
from segbench.metrics.protocols import PROTOCOLS
from segbench.record import BoundaryProtocol, Protocol
from tests.leaderboard.examples import ENVIRONMENT


@pytest.mark.parametrize(("fraction", "text"), [(0.0, "0.0"), (0.43219, "43.2"), (1.0, "100.0"), (None, "–")])
def test_fractions_become_per_cent(fraction: float | None, text: str) -> None:
    assert percent(fraction) == text


@pytest.mark.parametrize(
    ("difference", "text"), [(0.0123, "+1.2"), (-0.0567, "−5.7"), (0.0004, "0.0"), (-0.0004, "0.0"), (None, "–")]
)
def test_differences_bear_a_sign(difference: float | None, text: str) -> None:
    assert points(difference) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3569, "59 min"), (3571, "1 h 00 min"), (4321, "1 h 12 min")],
)
def test_durations_have_as_many_units_as_they_need(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_sizes() -> None:
    assert (millions(1_415_040), millions(None)) == ("1.415", "–")
    assert (size_text((360, 480)), size_text(None)) == ("360×480", "each image's own size")


def test_the_protocol_is_told_in_full() -> None:
    text = protocol_text(Protocol(size=(360, 480), ignore_index=11))
    for part in ("label 11", "left out of the means", "matching rule", "0.75 % of the image diagonal (4.5 pixels)"):
        assert part in text
    assert "counts as 0 in the means" in protocol_text(Protocol(absent="zero"))
    assert "counts as 1 in the means" in protocol_text(Protocol(absent="one"))


def test_every_named_protocol_is_told_in_its_own_words() -> None:
    texts = {name: protocol_text(protocol) for name, protocol in PROTOCOLS.items()}
    assert len(set(texts.values())) == len(PROTOCOLS)
    assert "void is one more class" in texts["torchmetrics-miou"] and "label 255" not in texts["torchmetrics-miou"]
    assert "counts 1" in texts["smp-macro"] and "predicted as no class are wrong" in texts["smp-macro"]
    assert "counts 0" in texts["segnet-script"] and "divisor of the global accuracy" in texts["segnet-script"]


def test_every_choice_of_a_boundary_protocol_is_told() -> None:
    usual = BoundaryProtocol()
    other = BoundaryProtocol(rule="distance", void="masked", average="paper-text", tolerance=2.5, unit="px")
    texts = {boundary_text(usual, None), boundary_text(other, None)}
    for name in ("rule", "void", "average", "tolerance", "unit"):
        texts.add(boundary_text(usual.model_copy(update={name: getattr(other, name)}), None))
    assert len(texts) == 7


def test_the_machine_in_one_line() -> None:
    assert machine(ENVIRONMENT) == (
        "A Processor (amx_bf16), 2 threads, bf16, direct convolution, torch 2.13.0, commit 0123456789ab"
    )
    other = ENVIRONMENT.model_copy(
        update={"device": "A GPU", "threads": 1, "convolution": "dft", "git_dirty": True, "features": []}
    )
    assert machine(other) == (
        "A GPU, A Processor, 1 thread, bf16, convolution by Fourier transform, torch 2.13.0, commit 0123456789ab "
        "with uncommitted changes"
    )
    assert "commit" not in machine(ENVIRONMENT.model_copy(update={"git_commit": None, "git_dirty": None}))
    team = ENVIRONMENT.model_copy(update={"processes": 4, "backend": "nccl"})
    assert ", 4 processes (nccl, batch normalisation of each) of 2 threads, bf16" in machine(team)
    assert "(nccl, batch normalisation synchronised)" in machine(team.model_copy(update={"sync_batch_norm": True}))
