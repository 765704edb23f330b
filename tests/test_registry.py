"""Names to specs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from segbench.errors import UnknownNameError
from segbench.registry import Registry, closest, import_object


@dataclass(frozen=True)
class Spec:
    name: str


@pytest.fixture
def registry() -> Registry[Spec]:
    made: Registry[Spec] = Registry("network")
    for name in ("segnet", "segnet-basic", "fcn-basic"):
        made.add(Spec(name))
    return made


def test_it_is_a_mapping_in_order_of_registration(registry: Registry[Spec]) -> None:
    assert list(registry) == ["segnet", "segnet-basic", "fcn-basic"]
    assert len(registry) == 3
    assert registry["segnet"] == Spec("segnet")
    assert "segnet" in registry
    assert "unet" not in registry
    assert dict(registry.items())["fcn-basic"] == Spec("fcn-basic")


def test_adding_gives_the_spec_back(registry: Registry[Spec]) -> None:
    spec = Spec("unet")
    assert registry.add(spec) is spec


def test_a_name_is_taken_once(registry: Registry[Spec]) -> None:
    with pytest.raises(ValueError, match="network segnet is registered twice"):
        registry.add(Spec("segnet"))
    assert len(registry) == 3


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("segnt-basic", r"Unknown network 'segnt-basic'\. Did you mean segnet-basic"),
        ("SegNet", r"Did you mean .*segnet"),
        ("zzz", r"Unknown network 'zzz'\. Known: fcn-basic, segnet, segnet-basic\."),
        ("", r"Unknown network ''\. Known: "),
    ],
)
def test_an_unknown_name_is_answered_with_close_ones(registry: Registry[Spec], name: str, answer: str) -> None:
    with pytest.raises(UnknownNameError, match=answer) as caught:
        registry[name]
    assert caught.value.exit_code == 2


def test_the_closest_comes_first_and_three_at_most() -> None:
    assert closest("lr", ["lr", "lrr", "lrrr", "lrrrr", "zz"]).startswith("Did you mean lr or lrr or lrrr")
    assert closest("x", []) == "Known: ."


def test_import_object() -> None:
    assert import_object("segbench.registry:closest") is closest
