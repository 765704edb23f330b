"""Runs that an environment variable cuts: shorter, and never taken for what their recipe gives."""

from __future__ import annotations

import pytest

from segbench.engine.run_length import MAX_ITERATIONS, cut_short, most_iterations
from segbench.errors import UsageError
from segbench.leaderboard.table import build_boards
from segbench.recipe import Recipe, dump_recipe
from segbench.record import cell_id
from tests.engine import tiny
from tests.leaderboard import examples

EPOCHS = tiny.recipe(epochs=3)  # of six images in batches of two: nine steps


@pytest.mark.parametrize(("most", "iterations"), [("1", 1), ("8", 8), (" 4 ", 4)])
def test_a_longer_recipe_is_cut(monkeypatch: pytest.MonkeyPatch, most: str, iterations: int) -> None:
    monkeypatch.setenv(MAX_ITERATIONS, most)
    found = cut_short(EPOCHS, 6)
    assert (found.train.iterations, found.train.epochs, found.train.validate_every) == (iterations, None, iterations)
    assert found.variant == "tiny-cut"
    assert cell_id(found, "f", 0) != cell_id(EPOCHS, "f", 0)


@pytest.mark.parametrize("most", ["", "  ", "9", "1000"])
def test_what_is_short_enough_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, most: str) -> None:
    monkeypatch.setenv(MAX_ITERATIONS, most)
    assert cut_short(EPOCHS, 6) is EPOCHS
    assert cut_short(tiny.recipe(iterations=9), 6) == tiny.recipe(iterations=9)


def test_without_the_variable_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MAX_ITERATIONS, raising=False)
    assert most_iterations() is None
    assert cut_short(EPOCHS, 6) is EPOCHS


@pytest.mark.parametrize("most", ["0", "-1", "1.5", "many", "²"])
def test_what_is_no_number_of_steps_is_one_line(monkeypatch: pytest.MonkeyPatch, most: str) -> None:
    monkeypatch.setenv(MAX_ITERATIONS, most)
    with pytest.raises(UsageError, match=r"SEGBENCH_MAX_ITERATIONS=.* is no number of training steps from 1"):
        cut_short(EPOCHS, 6)


def test_a_cut_run_has_a_table_of_its_own_beside_no_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_ITERATIONS, "1")
    whole = examples.with_paper()
    cut = cut_short(whole, 4)
    assert cut.paper is not None
    assert (cut.paper.comparable, cut.paper.reason) == (False, "the run was cut to 1 of 4 training steps")
    runs = [examples.named(0.5, recipe=recipe, scale=recipe.variant) for recipe in (whole, cut)]
    boards = build_boards(runs)
    assert [[row.recipe for row in board.rows] for board in boards] == [["default"], ["default-cut"]]
    (row,) = boards[1].rows
    assert row.paper is not None and set(row.paper.deltas.values()) == {None}


def test_a_cut_recipe_is_one_that_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import tomllib

    monkeypatch.setenv(MAX_ITERATIONS, "2")
    cut = cut_short(EPOCHS, 6)
    assert Recipe.model_validate(tomllib.loads(dump_recipe(cut))) == cut
