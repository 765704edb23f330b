"""Several processes train and evaluate as one does; they are real ones, and meet by gloo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segbench.engine.checkpoint import STATE_FILE, WEIGHTS_FILE, load_state, load_weights
from segbench.engine.distributed import ALONE, Team
from segbench.engine.training import require_images, train
from segbench.errors import UsageError
from segbench.models import create_model
from tests.engine import ranks, tiny

# Of losses; what batch normalisation of each process by itself changes is much more.
CLOSE = 2e-5

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process by itself makes."""
    folder = tmp_path_factory.mktemp("alone")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ranks.evaluated(ALONE, folder / "evaluated")
    prepare(folder)
    ranks.measured(ALONE, folder)
    train(ranks.job(folder / "plain", model=ranks.plain()))
    train(ranks.job(folder / "synchronised"))
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def team(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """What several processes make, and how many they are."""
    folder, size = tmp_path_factory.mktemp("team"), request.param
    prepare(folder)
    with pytest.raises(KeyboardInterrupt):
        train_stopped(folder / "begun-alone")
    ranks.run(folder, size)
    return folder, size


def prepare(folder: Path) -> None:
    torch.manual_seed(1)
    torch.save(create_model("bayesian-segnet-basic", 3, width=8).state_dict(), folder / "initial.pt")


def train_stopped(folder: Path) -> None:
    train(replace(ranks.job(folder), progress=ranks.Stop(2)))


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["event"] == "validation"]


def assert_close(folder: Path, other: Path) -> None:
    """Same steps, losses and weights, up to rounding; the state has the optimizer's, too."""
    assert losses(folder) == pytest.approx(losses(other), rel=CLOSE)
    for file in (STATE_FILE, WEIGHTS_FILE):
        ours, theirs = (load_state(place / file)[0] for place in (folder, other))
        assert set(ours) == set(theirs)
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=2e-3, atol=2e-4)
    assert load_weights(folder / WEIGHTS_FILE)[1].iteration == load_weights(other / WEIGHTS_FILE)[1].iteration


@slow
def test_evaluation_is_the_same_bit_for_bit(alone: Path, team: tuple[Path, int]) -> None:
    folder, size = team
    one = (alone / "evaluated" / "scores-0.json").read_bytes()
    assert [(folder / "evaluated" / f"scores-{rank}.json").read_bytes() for rank in range(size)] == [one] * size
    for name in ("tallies.parquet", "kept.json"):
        assert (folder / "evaluated" / name).read_bytes() == (alone / "evaluated" / name).read_bytes()
    assert 0.01 < json.loads(one)["mean_iou"] < 0.99


@slow
def test_statistics_of_batch_normalisation_are_those_of_one_process(alone: Path, team: tuple[Path, int]) -> None:
    folder, size = team
    expected = torch.load(alone / "measured-0.pt", weights_only=True)
    for rank in range(size):
        found = torch.load(folder / f"measured-{rank}.pt", weights_only=True)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5)


@slow
@pytest.mark.parametrize("name", ranks.MICRO_BATCHES)
def test_without_batch_normalisation_training_is_that_of_one_process(
    alone: Path, team: tuple[Path, int], name: str
) -> None:
    assert_close(team[0] / name, alone / "plain")


@slow
def test_with_synchronised_batch_normalisation_too(alone: Path, team: tuple[Path, int]) -> None:
    assert_close(team[0] / "synchronised", alone / "synchronised")


@slow
def test_statistics_of_each_process_are_another_training(alone: Path, team: tuple[Path, int]) -> None:
    found, expected = losses(team[0] / "apart"), losses(alone / "synchronised")
    assert len(found) == len(expected)
    assert found != pytest.approx(expected, rel=10 * CLOSE)


@slow
def test_several_processes_go_on_with_what_one_began(alone: Path, team: tuple[Path, int]) -> None:
    assert_close(team[0] / "begun-alone", alone / "synchronised")


@slow
def test_an_interruption_of_one_stops_all_after_the_same_step_and_one_goes_on(
    alone: Path, team: tuple[Path, int]
) -> None:
    folder, size = team
    assert len(list(folder.glob("interrupted-*"))) == size
    assert load_state(folder / "stopped" / STATE_FILE)[1]["status"]["iteration"] == ranks.STOPPED_AT
    train(ranks.job(folder / "stopped"))
    assert_close(folder / "stopped", alone / "synchronised")


def test_micro_batches_of_one_process_make_the_same_step(alone: Path, tmp_path: Path) -> None:
    train(ranks.job(tmp_path, model=ranks.plain(), micro_batch=2))
    assert_close(tmp_path, alone / "plain")


def test_counting_in_helpers_changes_nothing(alone: Path, tmp_path: Path) -> None:
    ranks.evaluated(ALONE, tmp_path, processes=2)
    for name in ("scores-0.json", "tallies.parquet", "kept.json"):
        assert (tmp_path / name).read_bytes() == (alone / "evaluated" / name).read_bytes()


# --- who gets what ---------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 8), st.none() | st.integers(1, 10))
def test_every_image_of_a_batch_is_computed_once_and_all_meet(images: int, size: int, at_most: int | None) -> None:
    try:
        parts = [Team(rank, size).parts(images, at_most) for rank in range(size)]
    except UsageError:
        rounds = 1 if at_most is None else -(-images // (at_most * size))
        assert images < size * rounds
        return
    assert len({len(own) for own in parts}) == 1
    found = np.concatenate([np.arange(images)[part] for own in zip(*parts, strict=True) for part in own])
    assert found.tolist() == list(range(images))
    sizes = [part.stop - part.start for own in parts for part in own]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 2 if at_most is None else max(sizes) <= at_most


@given(st.integers(0, 30), st.integers(1, 7))
def test_every_item_is_dealt_to_one_process(items: int, size: int) -> None:
    shares = [Team(rank, size).share(range(items)) for rank in range(size)]
    assert sorted(item for share in shares for item in share) == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_batch_that_is_too_small_says_so() -> None:
    training = tiny.recipe(batch_size=4).train
    require_images(Team(size=3), 7, training)
    with pytest.raises(UsageError, match=r"A batch of 3 images cannot be divided among 4 processes\. Give a smaller"):
        require_images(Team(size=4), 7, training)
    tight = tiny.recipe(batch_size=5, micro_batch=1).train
    with pytest.raises(
        UsageError, match=r"5 images cannot .* 2 processes, at most 1 at once\..*raise train.micro_batch"
    ):
        require_images(Team(size=2), 5, tight)


def test_alone_everything_is_the_identity() -> None:
    model, value = ranks.plain(), torch.ones(3)
    assert ALONE.wrapped(model, torch.device("cpu")) is model
    ALONE.add_up(value)
    assert (value.tolist(), ALONE.total(0.1), ALONE.told("x"), ALONE.gathered(4)) == ([1, 1, 1], 0.1, "x", [4])
    assert ALONE.share([1, 2]) == [1, 2]
    assert ALONE.parts(5, 2) == [slice(0, 2), slice(2, 4), slice(4, 5)]
