"""Intervals against a loop over resamples, figures worked by hand, laws, and coverage by simulation."""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segbench.errors import RecordError, UsageError
from segbench.metrics.image_sums import ImageSums, score_values
from segbench.metrics.protocols import PROTOCOLS
from segbench.metrics.resampling import Resampling, choose_resampling
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.statistics import Interval, ScoreIntervals, bootstrap, interval, seed_spread, tail
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, BoundaryProtocol, Protocol
from tests.metrics.tallied import NAMES, again, from_shares, noisy

NAMED = [protocol for name, protocol in PROTOCOLS.items() if name != "segbench"]
COMBINED = [
    Protocol(absent=absent, boundary=BoundaryProtocol(rule=rule, void=void, average=average))  # type: ignore[arg-type]
    for absent, rule, void, average in itertools.product(
        ("null", "zero"), ("matching", "distance"), ("asis", "masked"), ("script", "paper-text")
    )
]


def listed(found: ScoreIntervals) -> list[Interval]:
    overall = [getattr(found, name) for name in SCORE_NAMES]
    classes = [getattr(one, name) for name in ("accuracy", "iou", "boundary_f1") for one in found.per_class.values()]
    return overall + classes


@pytest.mark.parametrize("protocol", [*NAMED, *COMBINED], ids=[*PROTOCOLS][1:] + [str(n) for n in range(16)])
def test_resamples_score_as_their_images_do(protocol: Protocol) -> None:
    """Against scores_from_tallies on tallies in which images are repeated."""
    tallies = noisy(1)
    weights = np.concatenate(list(Resampling(len(tallies), resamples=100).weights()))[:25]
    table = ImageSums(tallies, protocol).weighted(weights)
    for row, drawn in enumerate(weights):
        wanted = list(score_values(scores_from_tallies(again(tallies, drawn), protocol)))
        assert [value is not None for value in wanted] == table.defined[:, row].tolist()
        assert table.values[:, row] == pytest.approx([value or 0.0 for value in wanted], abs=1e-8)
    assert not np.isnan(table.values).any()


def test_intervals_are_order_statistics_of_the_resamples() -> None:
    tallies, chosen = noisy(2), Resampling(9, resamples=199)
    weights = np.concatenate(list(chosen.weights()))
    resamples = [scores_from_tallies(again(tallies, drawn), Protocol()) for drawn in weights]
    found = bootstrap(tallies, Protocol(), chosen)
    estimates = list(score_values(scores_from_tallies(tallies, Protocol())))
    # Of 199 resamples the 5th from either end: 5 of 200 intervals between them lie outside, 2.5 %.
    for one, estimate, values in zip(
        listed(found), estimates, zip(*map(score_values, resamples), strict=True), strict=True
    ):
        defined = sorted(value for value in values if value is not None)
        assert (one.estimate, one.resamples, one.level) == (estimate, len(defined), 0.95)
        if len(defined) == 199:
            assert [one.low, one.high] == pytest.approx([defined[4], defined[-5]])
        assert one.standard_deviation == pytest.approx(statistics.pstdev(defined))


def test_a_case_worked_by_hand() -> None:
    # Two images of 2000 pixels, all right and half right: the resamples have accuracy 1, 1/2, or 3/4 twice as often.
    found = bootstrap(from_shares(np.array([[1.0, 1.0], [0.5, 0.5]])), Protocol())
    accuracy = found.global_accuracy
    assert (accuracy.estimate, accuracy.low, accuracy.high) == (0.75, 0.5, 1.0)
    # Variance: 1/4 of the resamples are 1/4 above, 1/4 are 1/4 below.
    assert accuracy.standard_deviation == pytest.approx((2 / 4 * (1 / 4) ** 2) ** 0.5, abs=0.003)
    assert accuracy.half_width == 0.25
    # IoU of each class in the three: 1/1, (3/4) / (2 - 3/4), (1/2) / (2 - 1/2).
    assert [found.mean_iou.estimate, found.mean_iou.low, found.mean_iou.high] == pytest.approx([3 / 5, 1 / 3, 1])
    assert (found.boundary_f1.estimate, found.boundary_f1.low, found.boundary_f1.resamples) == (None, None, 0)


def test_one_image_is_always_itself() -> None:
    found = bootstrap(from_shares(np.array([[0.9, 0.7]])), Protocol())
    assert (found.global_accuracy.low, found.global_accuracy.high) == (0.8, 0.8)
    assert found.global_accuracy.standard_deviation == 0


def test_a_class_that_few_images_have_is_left_out_where_none_of_them_is_drawn() -> None:
    tallies = Tallies(NAMES[:3], tolerance=None)
    rare, common = np.array([[0, 1, 2]]), np.array([[0, 1, 1]])
    from segbench.metrics.tallies import tally_image

    for number, truth in enumerate([rare, common, common]):
        tallies.add(str(number), tally_image(truth, truth, 3, 255, None))
    protocols = Protocol(absent="null"), Protocol(absent="zero")
    null, zero = (bootstrap(tallies, protocol, Resampling(3)) for protocol in protocols)
    # No draw of three is the first image in 8 of 27 resamples.
    assert null.per_class["c"].iou.resamples == pytest.approx(10_000 * 19 / 27, rel=0.03)
    assert (null.per_class["c"].iou.low, null.per_class["c"].iou.high, null.mean_iou.low) == (1, 1, 1)
    assert (zero.per_class["c"].iou.low, zero.per_class["c"].iou.resamples) == (0, 10_000)
    assert zero.mean_iou.low == pytest.approx(2 / 3)


def test_a_class_that_is_nowhere_has_no_interval() -> None:
    tallies = Tallies(("a", "b", "nowhere"), tolerance=None)
    for name, image in from_shares(np.array([[0.5, 0.5], [0.25, 0.75]])):
        tallies.add(name, image)
    found = bootstrap(tallies, Protocol()).per_class["nowhere"].iou
    assert (found.estimate, found.low, found.high, found.standard_deviation, found.resamples) == (
        None,
        None,
        None,
        None,
        0,
    )
    assert found.half_width is None


@settings(max_examples=20)
@given(st.permutations(range(9)))
def test_the_order_of_images_is_only_that(order: list[int]) -> None:
    """The same weights on the same images give the same scores."""
    tallies, protocol = noisy(3), Protocol()
    names = [tallies.image_ids[place] for place in order]
    weights = next(Resampling(9, resamples=100).weights())
    own, other = ImageSums(tallies, protocol).weighted(weights), ImageSums(tallies, protocol, names)
    moved = other.weighted(np.ascontiguousarray(weights[:, order]))
    assert (own.values == moved.values).all() and (own.defined == moved.defined).all()


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = (asdict(bootstrap(noisy(4), Protocol())) for _ in range(2))
    assert first == second
    other = bootstrap(noisy(4), Protocol(), Resampling(9, seed=1))
    assert asdict(other)["mean_iou"] != first["mean_iou"]


def test_more_images_give_narrower_intervals() -> None:
    drawn = shares(np.random.default_rng(5), 400, 0.0)
    few, many = (bootstrap(from_shares(drawn[:images]), Protocol()).mean_iou.half_width for images in (25, 400))
    assert few is not None and many is not None
    assert few / many == pytest.approx(4, rel=0.25)


def test_the_share_beyond_each_end() -> None:
    assert [tail(count) for count in (1, 38, 39, 199, 9_999, 10_000)] == [0, 0, 0, 4, 249, 249]
    found = interval(0.5, np.arange(39.0), "by hand")
    assert (found.low, found.high) == (0, 38)


def test_tallies_of_no_image_are_refused() -> None:
    with pytest.raises(UsageError, match="no image"):
        bootstrap(Tallies(NAMES), Protocol())


def test_a_protocol_whose_rules_are_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def stricter(tallies: Tallies, protocol: Protocol) -> Any:
        scores = scores_from_tallies(tallies, protocol)
        return scores.model_copy(update={"mean_iou": (scores.mean_iou or 0) / 2})

    monkeypatch.setattr("segbench.metrics.image_sums.scores_from_tallies", stricter)
    with pytest.raises(RecordError, match="no intervals for scores by protocol 'segbench'"):
        bootstrap(noisy(0), Protocol())


# --- seeds -----------------------------------------------------------------------------------------------------------


def test_the_spread_over_seeds_worked_by_hand() -> None:
    found = seed_spread([0.4, 0.5, None, 0.6])
    assert [found.count, found.mean] == pytest.approx([3, 0.5])
    assert found.standard_deviation == pytest.approx(0.1)


def test_one_seed_has_no_spread() -> None:
    assert (seed_spread([0.4]).mean, seed_spread([0.4]).standard_deviation) == (0.4, None)
    assert seed_spread([None]).mean is None


# --- coverage --------------------------------------------------------------------------------------------------------

MEAN, SPREAD = 0.7, 0.05


def shares(rng: np.random.Generator, frames: int, correlation: float) -> NDArray[np.float64]:
    """Shares of right pixels of one video, [n,2]: normal, each correlated with the one before it."""
    noise = rng.standard_normal((frames, 2))
    noise[1:] *= (1 - correlation**2) ** 0.5
    for frame in range(1, frames):
        noise[frame] += correlation * noise[frame - 1]
    return np.clip(MEAN + SPREAD * noise, 0, 1)


def covered(found: ScoreIntervals) -> list[bool]:
    """Whether the intervals of global accuracy and mean IoU hold the values that infinitely many images would have."""
    ends = [(found.global_accuracy, MEAN), (found.mean_iou, MEAN / (2 - MEAN))]
    return [one.low <= true <= one.high for one, true in ends if one.low is not None and one.high is not None]


@pytest.mark.slow
def test_intervals_of_independent_images_hold_the_true_value_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    drawn = [from_shares(shares(rng, 80, 0.0)) for _ in range(400)]
    found = [covered(bootstrap(tallies, Protocol(), Resampling(80, resamples=399))) for tallies in drawn]
    # 400 trials at 95 %: three standard deviations are 3.3 %.
    assert np.mean(found, axis=0) == pytest.approx(0.95, abs=0.033)


@pytest.mark.slow
def test_frames_of_a_video_need_blocks() -> None:
    """Two videos of 120 frames, correlation 2/3 from frame to frame: single images are far too sure, blocks are not."""
    rng = np.random.default_rng(1)
    ids = [f"{video}_{30 * frame:06d}" for video in "ab" for frame in range(120)]
    counts = {"single": [], "blocks": []}  # type: dict[str, list[list[bool]]]
    for _ in range(300):
        tallies = from_shares(np.concatenate([shares(rng, 120, 2 / 3) for _ in "ab"]), ids)
        for name, length in (("single", 1), ("blocks", None)):
            counts[name].append(covered(bootstrap(tallies, Protocol(), choose_resampling(ids, length, resamples=399))))
    single, blocks = (np.mean(counts[name], axis=0) for name in ("single", "blocks"))
    assert (single < 0.75).all()
    assert (blocks > 0.88).all() and (blocks < 0.98).all()
    assert (abs(blocks - 0.95) < abs(single - 0.95) / 3).all()


# --- speed -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_resamples_of_camvids_test_split_take_less_than_two_seconds() -> None:
    tallies = noisy(6, 233)
    big = Tallies(tuple(f"class {k}" for k in range(11)), tolerance=tallies.tolerance)
    for name, image in tallies:
        big.add(name, image)
    start = time.process_time()
    bootstrap(big, Protocol())
    assert time.process_time() - start < 2
