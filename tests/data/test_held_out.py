"""A tenth of a split, chosen by id alone."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segbench.data  # noqa: F401  registers the datasets
from segbench.data.held_out import hold_out, is_held_out
from segbench.errors import DataError
from segbench.registry import DATASETS, import_object
from tests.engine.tiny import Drawn

IDS = st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=200)


class Named(Drawn):
    """Drawn images of given names."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(len(ids))
        self._ids = ids

    @property
    def ids(self) -> list[str]:
        return self._ids


def test_about_a_tenth_selects() -> None:
    ids = [f"2008_{number:06d}" for number in range(10_582)]
    held = sum(map(is_held_out, ids))
    # The standard deviation of the share is 0.003.
    assert abs(held / len(ids) - 0.1) < 0.012


def test_the_rule_is_the_one_that_is_written_down() -> None:
    for number in range(200):
        first = int(hashlib.sha256(f"img-{number:06d}".encode()).hexdigest()[:16], 16)
        assert is_held_out(f"img-{number:06d}") == (str(first)[-1] == "0")


@given(IDS)
def test_the_parts_are_the_whole_in_its_order(ids: list[str]) -> None:
    split = Named(ids)
    try:
        train, selecting = hold_out(split)
    except DataError:
        assert len({is_held_out(image_id) for image_id in ids}) == 1
        return
    assert sorted(train.ids + selecting.ids) == sorted(ids)
    for part, out in ((train, False), (selecting, True)):
        assert part.ids == [image_id for image_id in ids if is_held_out(image_id) is out]
        assert len(part) == len(part.ids) > 0


def test_an_image_stays_where_it_is_when_others_come() -> None:
    few, many = (Named([f"id {number}" for number in range(count)]) for count in (60, 200))
    assert set(hold_out(few)[1].ids) <= set(hold_out(many)[1].ids)
    assert set(hold_out(few)[0].ids) <= set(hold_out(many)[0].ids)


def test_a_part_shows_the_images_of_its_ids() -> None:
    split = Drawn(40)
    _, selecting = hold_out(split)
    for index, image_id in enumerate(selecting.ids):
        original = split.ids.index(image_id)
        assert (selecting.image(index) == split.image(original)).all()
        assert (selecting.label(index) == split.label(original)).all()


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"0 of 2 images\. Use the last weights: --set train\.select=last"):
        hold_out(Named(["id 1", "id 2"]))


@pytest.mark.parametrize(
    ("dataset", "variant", "held", "images"), [("voc2012", "trainaug", 1052, 10582), ("sunrgbd", "37", 533, 5285)]
)
def test_what_recipes_say_of_their_cost(dataset: str, variant: str, held: int, images: int) -> None:
    ids = import_object(DATASETS[dataset].variants[variant].official_ids)("train")
    assert (sum(map(is_held_out, ids)), len(ids)) == (held, images)
