from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segbench.errors import UsageError
from segbench.metrics import resampling
from segbench.metrics.resampling import Resampling, choose_resampling
from tests.metrics.test_sequences import CAMVID, frames


def drawn(chosen: Resampling) -> NDArray[np.float64]:
    return np.concatenate(list(chosen.weights()))


def runs(*lengths: int) -> tuple[tuple[int, ...], ...]:
    starts = np.cumsum([0, *lengths])
    return tuple(tuple(range(start, start + length)) for start, length in zip(starts, lengths, strict=False))


@pytest.mark.parametrize("chosen", [Resampling(37, resamples=500), Resampling(37, runs(20, 17), 6, 500)])
def test_each_resample_has_as_many_images_as_there_are(chosen: Resampling) -> None:
    weights = drawn(chosen)
    assert weights.shape == (500, 37)
    assert set(weights.sum(axis=1)) == {37}


def test_images_are_drawn_as_the_multinomial_distribution_says() -> None:
    # Each weight is binomial (n draws, probability 1/n): mean 1, variance 1 - 1/n; two of them correlate by -1/(n - 1).
    weights = drawn(Resampling(10, resamples=40_000))
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.02)
    assert weights.var(axis=0) == pytest.approx(0.9, abs=0.03)
    correlations = np.asarray(np.corrcoef(weights.T))
    assert correlations[np.triu_indices(10, 1)] == pytest.approx(-1 / 9, abs=0.03)


@pytest.mark.parametrize("lengths", [(12,), (20, 16), (3, 3, 3, 3), (2, 11, 5, 1)])
def test_every_frame_is_drawn_equally_often(lengths: tuple[int, ...]) -> None:
    weights = drawn(Resampling(sum(lengths), runs(*lengths), 4, 40_000))
    assert weights.mean(axis=0) == pytest.approx(weights.mean(), abs=0.04)
    assert weights.mean() == pytest.approx(1, abs=0.15)


def test_blocks_are_consecutive_and_go_round_within_their_run() -> None:
    # One block of 3 frames: six runs of frames are possible, three in each run of three frames, as a whole.
    chosen = Resampling(8, runs(5, 3), 3, 1000)
    (block,) = {tuple(row) for row in drawn(Resampling(3, runs(3), 3, 1000))}
    assert block == (1, 1, 1)
    table = resampling._Blocks(chosen.runs, 3)
    starts = {(int(b), int(n)) for b, n in zip(table.begin, table.length, strict=True)}
    assert starts == {(0, 5), (5, 3)}
    one = Resampling(5, runs(5), 3, 1000)
    found = {tuple(np.flatnonzero(row >= 1).tolist()) for row in drawn(one)}
    # Two blocks, of 3 and of 2 frames: never a single frame, and 4, 0 are neighbours.
    assert {len(frames) for frames in found} == {3, 4, 5}
    assert (0, 1, 4) in found


def test_single_images_are_the_blocks_of_one_frame() -> None:
    blocks, single = drawn(Resampling(10, runs(10), 1, 40_000)), drawn(Resampling(10, resamples=40_000))
    assert blocks.var(axis=0) == pytest.approx(single.var(axis=0), abs=0.04)


@pytest.mark.parametrize("made", [(7, ()), (7, runs(7))])
def test_the_same_seed_draws_the_same(made: tuple[int, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = drawn(Resampling(*made, 3, 1000, seed=5))
    assert (whole != drawn(Resampling(*made, 3, 1000, seed=6))).any()
    monkeypatch.setattr(resampling, "_CHUNK", 100)
    assert (whole == drawn(Resampling(*made, 3, 1000, seed=5))).all()


def test_draws_are_the_raw_output_of_pcg64() -> None:
    # 64 bits are two draws; a draw is the upper part of 32 bits times n.
    raw = np.random.PCG64(3).random_raw(2)
    halves = [int(word) >> 32 for word in raw] + [int(word) & (2**32 - 1) for word in raw]
    expected = np.bincount([half * 4 >> 32 for half in halves], minlength=4)
    assert drawn(Resampling(4, resamples=100, seed=3))[0].tolist() == expected.tolist()


def test_the_first_resample_never_changes() -> None:
    assert drawn(Resampling(12))[0].tolist() == [3, 0, 1, 2, 0, 0, 1, 2, 0, 1, 2, 0]
    assert drawn(Resampling(12, runs(2, 10), 4))[1].tolist() == [0, 0, 2, 1, 0, 0, 1, 1, 2, 3, 2, 2]


# --- the choice ------------------------------------------------------------------------------------------------------


def test_camvid_is_drawn_in_blocks() -> None:
    chosen = choose_resampling(CAMVID)
    assert ([len(run) for run in chosen.runs], chosen.block_length) == ([62, 171], 13)
    assert 12**3 < 8 * 233 <= 13**3
    assert "2 runs of consecutive frames" in chosen.sentence
    assert "blocks of 13 frames (twice the cube root of their number)" in chosen.sentence
    assert "cube root" not in choose_resampling(CAMVID, 20).sentence


def test_a_block_is_no_longer_than_the_longest_run() -> None:
    assert choose_resampling(frames("a_", 0, 30, 5) + [f"x{number}y" for number in range(100)]).block_length == 5


def test_images_without_a_video_are_drawn_one_by_one_and_that_is_said() -> None:
    chosen = choose_resampling(["2007_000033", "2007_000042"])
    assert (chosen.runs, chosen.block_length) == ((), 1)
    assert "taken as independent: their names tell of no video" in chosen.sentence


def test_the_length_of_blocks_may_be_given() -> None:
    assert choose_resampling(CAMVID, 20).block_length == 20
    assert choose_resampling(CAMVID, 1).runs == ()
    assert choose_resampling(frames("test-", 0, 1, 9), 3).block_length == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], None), "no image"),
        ((CAMVID, 0), "Blocks of 0 frames"),
        ((["a", "b"], 3), "not consecutive frames"),
        ((CAMVID, None, 10), "10 resamples are too few"),
        ((CAMVID, None, 1000, -1), "seed -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    ids, blocks, *rest = arguments
    with pytest.raises(UsageError, match=message):
        choose_resampling(ids, blocks, **dict(zip(("resamples", "seed"), rest, strict=False)))
