"""Which classes of a network are which of a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from segbench.errors import UsageError
from segbench.models.outside.class_map import ClassMapped, load_class_map, match_classes

CLASSES = ("Sky", "Road", "Car")


@pytest.mark.parametrize(
    ("own", "count", "groups"),
    [
        (["car", "SKY", "road"], 3, ((1,), (2,), (0,))),
        ([], 3, ((0,), (1,), (2,))),
        (["LABEL_0", "LABEL_1", "LABEL_2"], 3, ((0,), (1,), (2,))),
        ([], 4, None),
        (["sky", "road", "bus"], 3, None),
        (["sky", "road", "car", "bus"], 4, None),
    ],
)
def test_names_decide_where_nothing_is_chosen(own: list[str], count: int, groups: object) -> None:
    assert match_classes(own, count, CLASSES, None) == groups


def test_several_classes_may_stand_for_one() -> None:
    chosen = {"sky": "Sky", "car, auto": "Car", "3": "Car"}
    assert match_classes(["sky", "car, auto", "wall", "bus"], 4, CLASSES, chosen) == ((0,), (), (1, 3))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"skye": "Sky"}, r"names 'skye', which is no class of the network. Did you mean sky\?"),
        ({"4": "Sky"}, r"names '4', which is no class of the network"),
        ({"sky": "Skies"}, r"names 'Skies', which is no class of the dataset. Did you mean Sky\?"),
    ],
)
def test_a_class_that_is_not_there(chosen: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        match_classes(["sky", "road"], 2, CLASSES, chosen)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(0, 1000))
def test_the_winner_goes_where_its_class_goes(targets: list[int], seed: int) -> None:
    logits = 50 * torch.randn(2, len(targets), 4, 5, generator=torch.Generator().manual_seed(seed))
    groups = tuple(tuple(index for index, target in enumerate(targets) if target == wanted) for wanted in range(3))
    mapped = ClassMapped(nn.Identity(), groups)(logits)
    assert torch.equal(mapped.argmax(1), torch.tensor(targets)[logits.argmax(1)])


@pytest.mark.parametrize(
    ("name", "text"), [("map.toml", '"car" = "Car"\n7 = "Sky"\n'), ("map.json", '{"car": "Car", "7": "Sky"}')]
)
def test_it_is_read_from_toml_or_json(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert load_class_map(tmp_path / name) == {"car": "Car", "7": "Sky"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("map.toml", "", "has to hold lines such as"),
        ("map.toml", "car = 3\n", "has to hold lines such as"),
        ("map.toml", "car = \n", "is no valid TOML"),
        ("map.json", "[1]", "has to hold lines such as"),
        ("map.json", "{", "is no valid JSON"),
    ],
)
def test_what_is_no_map(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        load_class_map(tmp_path / name)


def test_a_map_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read class map .*: No such file"):
        load_class_map(tmp_path / "none.toml")
