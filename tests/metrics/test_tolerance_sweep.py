from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.errors import DataError, UsageError
from segbench.metrics import Scorer
from segbench.metrics.tolerance_sweep import ToleranceSweep
from segbench.record import BoundaryProtocol, Protocol
from tests.metrics.references import Map, map_pairs

TOLERANCES = ("0px", "1px", "2.5px", "0.3", "50px")


def swept(pairs: list[tuple[Map, Map]], first: int = 0) -> ToleranceSweep:
    sweep = ToleranceSweep(3, TOLERANCES)
    for number, pair in enumerate(pairs, first):
        sweep.update(f"image {number}", *pair)
    return sweep


@settings(max_examples=30)
@given(
    st.lists(map_pairs(), min_size=1, max_size=3),
    st.sampled_from(["matching", "distance"]),
    st.sampled_from(["asis", "masked"]),
    st.sampled_from(["script", "paper-text"]),
)
def test_each_point_is_what_a_scorer_of_that_tolerance_says(
    pairs: list[tuple[Map, Map]], rule: str, void: str, average: str
) -> None:
    rules = {"rule": rule, "void": void, "average": average}
    found = swept(pairs).boundary_f1(Protocol(boundary=BoundaryProtocol.model_validate(rules)))
    for text, value in zip(TOLERANCES, found, strict=True):
        number, unit = (text.removesuffix("px"), "px") if text.endswith("px") else (text, "diagonal")
        boundary = BoundaryProtocol.model_validate({**rules, "tolerance": float(number), "unit": unit})
        scorer = Scorer(3, Protocol(boundary=boundary))
        for index, pair in enumerate(pairs):
            scorer.update(str(index), *pair)
        assert value == scorer.scores().boundary_f1


@given(st.lists(map_pairs(), min_size=1, max_size=2))
def test_a_larger_tolerance_never_lowers_the_score(pairs: list[tuple[Map, Map]]) -> None:
    values = [value for value in swept(pairs).boundary_f1() if value is not None]
    pixels = [values[at] for at in (0, 1, 2, 4)] if values else []
    assert pixels == sorted(pixels)


@given(st.lists(map_pairs(), max_size=2), st.lists(map_pairs(), max_size=2))
def test_parts_add_up_to_the_whole(first: list[tuple[Map, Map]], second: list[tuple[Map, Map]]) -> None:
    parts = swept(first) + swept(second, len(first))
    assert parts.boundary_f1() == swept(first + second).boundary_f1()


def test_what_cannot_be_scored_is_refused() -> None:
    sweep = ToleranceSweep(2, [0.0075])
    with pytest.raises(DataError, match=r"^frame: The prediction is 1 x 3"):
        sweep.update("frame", np.zeros((2, 2), int), np.zeros((1, 3), int))
    with pytest.raises(UsageError, match="cannot be added"):
        sweep + ToleranceSweep(2, ["1px"])
    with pytest.raises(UsageError, match="at least one tolerance"):
        ToleranceSweep(2, [])
