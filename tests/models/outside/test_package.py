"""Entry points ``segbench.models`` of installed packages: listed without being imported, created like any other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest
import torch

from segbench.errors import UnknownNameError, UsageError
from segbench.models import create_model, find_model
from segbench.models.outside import installed_models

ENTRY_POINTS = """[segbench.models]
plain-net = plain_nets.zoo:plain
broken-net = plain_nets.zoo:gone
segnet = plain_nets.zoo:plain
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installed package with two networks of its own, and one by the name of one of ours."""
    info = tmp_path / "plain_nets-1.4.dist-info"
    (tmp_path / "plain_nets").mkdir()
    info.mkdir()
    (tmp_path / "plain_nets" / "__init__.py").write_text("")
    (tmp_path / "plain_nets" / "zoo.py").write_text(
        "from torch import nn\ndef plain(k):\n    return nn.Conv2d(3, k, 1)\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-nets\nVersion: 1.4\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    invalidate_caches()
    yield "plain_nets"
    for name in [name for name in sys.modules if name.startswith("plain_nets")]:
        del sys.modules[name]


def test_they_are_listed_without_being_imported(package: str) -> None:
    found = {spec.name: spec for spec in installed_models()}
    assert found["plain-net"].summary == "from the installed package plain-nets 1.4"
    assert found["plain-net"].identity == "package:plain-nets 1.4"
    assert package not in sys.modules


def test_they_are_created_by_name(package: str) -> None:
    images = 255 * torch.rand(1, 3, 5, 7)
    assert create_model("plain-net", 4)(images).shape == (1, 4, 5, 7)


def test_ours_come_first(package: str) -> None:
    assert find_model("segnet").kind == ""


def test_one_that_is_broken_says_so(package: str) -> None:
    with pytest.raises(UsageError, match=r"The entry point broken-net = plain_nets.zoo:gone raised AttributeError"):
        create_model("broken-net", 4)


def test_close_names_are_told(package: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown model 'plain-nett'\. Did you mean plain-net"):
        create_model("plain-nett", 4)
