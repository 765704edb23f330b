"""Every named protocol against numbers worked by hand, a slow reference, and the package itself where installed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segbench.errors import DataError, RecordError
from segbench.metrics import Scorer, Tallies, scores_from_tallies
from segbench.metrics.protocols import PROTOCOLS, SUMMARIES, pixel_text, protocol_of
from segbench.metrics.scorer import score
from segbench.record import PixelProtocol, Protocol, Scores, run_id
from tests.metrics import protocol_references as rules
from tests.metrics.references import Map, map_pairs

A, B, C, D, V = 0, 1, 2, 3, 255
# Two images. Pairs (truth, prediction): aa ab bb bb | Va VV     and     aa aa cb Vb
FIRST = (np.array([[A, A, B], [B, V, V]]), np.array([[A, B, B], [B, A, V]]))
SECOND = (np.array([[A, A, C, V]]), np.array([[A, A, B, B]]))


def scored(name: str, *pairs: tuple[Map, Map], classes: int = 4, **options: Any) -> Scores:
    scorer = Scorer(classes, protocol_of(name), **options)
    for number, (truth, guess) in enumerate(pairs):
        scorer.update(f"{number}", truth, guess)
    return scorer.scores()


def ious(scores: Scores) -> list[float | None]:
    return [found.iou for found in scores.per_class.values()]


def accuracies(scores: Scores) -> list[float | None]:
    return [found.accuracy for found in scores.per_class.values()]


def test_segbench_worked_by_hand() -> None:
    # Labelled pixels: a 4 (3 right, 1 taken for b), b 2 (both right), c 1 (taken for b); d is nowhere.
    # Unions: a 4, b 2 + 2 taken = 4, c 1.
    scores = scored("segbench", FIRST, SECOND)
    assert scores.global_accuracy == 5 / 7
    assert accuracies(scores) == [3 / 4, 1, 0, None]
    assert ious(scores) == [3 / 4, 2 / 4, 0, None]
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)


def test_segnet_script_worked_by_hand() -> None:
    # The same matrix; d counts 0 and the divisor is 4.
    scores = scored("segnet-script", FIRST, SECOND)
    assert scores.global_accuracy == 5 / 7
    assert scores.class_accuracy == pytest.approx((3 / 4 + 1 + 0 + 0) / 4)
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 4 + 0 + 0) / 4)
    assert ious(scores) == [3 / 4, 2 / 4, 0, 0]


def test_segnet_script_drops_predictions_that_are_no_class() -> None:
    # a: 3 labelled, 1 right, 1 as void, 1 as class 9: its row in the matrix is 1, so is its union. b: 1 of 1.
    # Of 4 labelled pixels 2 are right. c: all of it (1 pixel) as class 9, so its row is empty and it counts 0.
    pair = (np.array([[A, A, A, B, C]]), np.array([[A, V, 9, B, 9]]))
    scores = scored("segnet-script", pair, classes=3)
    assert scores.global_accuracy == 2 / 5
    assert accuracies(scores) == [1, 1, 0]
    assert ious(scores) == [1, 1, 0]
    assert [found.pixels for found in scores.per_class.values()] == [3, 1, 1]
    # smp-macro, which also takes such predictions, counts them as wrong: a 1/3, b 1, c 0.
    assert ious(scored("smp-macro", pair, classes=3)) == [1 / 3, 1, 0]


def test_paper_text_worked_by_hand() -> None:
    # Truth: a a b; prediction: a c b. Class c is invented. Outlines with radius 0 (1 x 3 pixels, right neighbour
    # decides): truth a {1}, b {1}; prediction a {0}, c {0, 1}, b {1}. F1: a 0, b 1, c 0.
    pair = (np.array([[A, A, B]]), np.array([[A, C, B]]))
    found = [score(pair[1], pair[0], 3, protocol=name, tolerance="0px") for name in ("segbench", "paper-text")]
    assert [scores.boundary_f1 for scores in found] == [pytest.approx(1 / 3), pytest.approx(1 / 2)]
    assert found[0].mean_iou == found[1].mean_iou


def test_torchmetrics_worked_by_hand() -> None:
    # Void is class 4. First image, pairs aa ab bb bb Va VV:
    #   a: both 1, either 3 (aa ab Va): 1/3     b: both 2, either 3: 2/3     void: both 1, either 2: 1/2
    # Second image, aa aa cb Vb:  a: 2/2    b: 0/2    c: 0/1    void: 0/1
    # Mean over the seven pairs; the per-class IoU averages over the images that hold the class.
    scores = scored("torchmetrics-miou", FIRST, SECOND)
    assert scores.mean_iou == pytest.approx((1 / 3 + 2 / 3 + 1 / 2 + 1 + 0 + 0 + 0) / 7)
    assert ious(scores) == [pytest.approx((1 / 3 + 1) / 2), pytest.approx((2 / 3 + 0) / 2), 0, None]
    assert (scores.global_accuracy, scores.class_accuracy) == (None, None)
    assert scores.num_pixels == 7


def test_smp_macro_worked_by_hand() -> None:
    # The matrix of segbench; d, which is nowhere, counts 1.
    scores = scored("smp-macro", FIRST, SECOND)
    assert scores.global_accuracy == 5 / 7
    assert scores.class_accuracy == pytest.approx((3 / 4 + 1 + 0 + 1) / 4)
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 4 + 0 + 1) / 4)


def void_guesses(pair: tuple[Map, Map], seed: int, values: tuple[int, ...]) -> tuple[Map, Map]:
    """The pair with some of the prediction replaced by other values."""
    truth, guess = pair
    generator = np.random.default_rng(seed)
    chosen = generator.choice(values, guess.shape).astype(np.uint8)
    return truth, np.where(generator.random(guess.shape) < 0.2, chosen, guess).astype(np.uint8)


some_pairs = st.lists(map_pairs(classes=3, side=6), min_size=1, max_size=3)


@given(some_pairs, st.integers(0, 9))
def test_torchmetrics_rule(pairs: list[tuple[Map, Map]], seed: int) -> None:
    pairs = [void_guesses(pair, seed, (0, 3, V)) for pair in pairs]
    scores = scored("torchmetrics-miou", *pairs)
    assert scores.mean_iou == pytest.approx(float(rules.torchmetrics_mean_iou(pairs, 4)), abs=1e-12)
    expected = rules.torchmetrics_per_class(pairs, 4)
    assert ious(scores) == [None if value is None else pytest.approx(float(value)) for value in expected]


@given(some_pairs, st.integers(0, 9))
def test_smp_rule(pairs: list[tuple[Map, Map]], seed: int) -> None:
    pairs = [void_guesses(pair, seed, (0, 3, 9, V)) for pair in pairs]
    assume(any((truth != V).any() for truth, _ in pairs))
    found = scored("smp-macro", *pairs)
    for name, value in rules.segmentation_models(pairs, 4).items():
        assert getattr(found, name) == pytest.approx(float(value), abs=1e-12)


@given(some_pairs, st.integers(0, 9))
def test_segnet_script_rule(pairs: list[tuple[Map, Map]], seed: int) -> None:
    pairs = [void_guesses(pair, seed, (0, 3, 9, V)) for pair in pairs]
    assume(any((truth != V).any() for truth, _ in pairs))
    found = scored("segnet-script", *pairs)
    for name, value in rules.segnet_script(pairs, 4).items():
        assert getattr(found, name) == pytest.approx(float(value), abs=1e-12)


@given(some_pairs)
def test_without_void_and_absent_classes_the_matrix_protocols_agree(pairs: list[tuple[Map, Map]]) -> None:
    pairs = [(np.where(truth == V, guess, truth), guess) for truth, guess in pairs]
    pairs.append((np.array([[A, B, C]]), np.array([[B, B, B]])))
    found = [scored(name, *pairs, classes=3) for name in ("segbench", "segnet-script", "smp-macro")]
    assert len({(scores.global_accuracy, scores.class_accuracy, scores.mean_iou) for scores in found}) == 1


def test_void_predictions_are_refused_where_the_protocol_does_not_know_them() -> None:
    pair = (np.array([[A, B]]), np.array([[V, B]]))
    for name in ("segbench", "paper-text"):
        with pytest.raises(DataError, match="the ignore index 255 at row 0, column 0"):
            scored(name, pair)
        assert scored(name, pair, void_predictions="wrong").global_accuracy == 1 / 2
    for name in ("segnet-script", "torchmetrics-miou", "smp-macro"):
        scored(name, pair)
        with pytest.raises(DataError, match="the ignore index"):
            scored(name, pair, void_predictions="error")
    with pytest.raises(DataError, match="9 at row 0"):
        scored("segbench", (np.array([[A]]), np.array([[9]])), void_predictions="wrong")


def test_tallies_that_lack_predictions_on_void_say_so() -> None:
    scorer = Scorer(4, protocol_of("segbench"), void_predictions="wrong")
    scorer.update("frame-1", *FIRST)
    old = Tallies(scorer.tallies.class_names)
    old.add("frame-1", replace(scorer.tallies.images[0], on_void=None))
    assert scores_from_tallies(old, Protocol()) == scorer.scores()
    with pytest.raises(
        RecordError, match=r"torchmetrics-miou counts predictions on void.*frame-1 lack.*segbench score"
    ):
        scores_from_tallies(old, PROTOCOLS["torchmetrics-miou"])
    # Where no pixel is void there is nothing to lack.
    whole = Tallies(("0", "1"))
    whole.add("x", replace(tally_of(np.array([[A, B]]), np.array([[A, A]])), on_void=None))
    assert scores_from_tallies(whole, PROTOCOLS["torchmetrics-miou"]).mean_iou == pytest.approx((1 / 2 + 0) / 2)


def tally_of(truth: Map, guess: Map) -> Any:
    scorer = Scorer(2)
    scorer.update("x", truth, guess)
    return scorer.tallies.images[0]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_tallies_on_disk_give_the_same_scores(name: str, tmp_path: Path) -> None:
    scorer = Scorer(4, protocol_of(name), void_predictions="wrong")
    for number, pair in enumerate((FIRST, SECOND)):
        scorer.update(f"{number}", *pair)
    scorer.tallies.to_parquet(tmp_path / "t.parquet")
    assert scores_from_tallies(Tallies.from_parquet(tmp_path / "t.parquet"), scorer.protocol) == scorer.scores()


def test_every_protocol_is_data_that_tells_it_from_the_others() -> None:
    assert PROTOCOLS.keys() == SUMMARIES.keys()
    rest = [json.dumps({**value.model_dump(mode="json"), "name": ""}, sort_keys=True) for value in PROTOCOLS.values()]
    assert len({*rest}) == len(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert Protocol.model_validate_json(protocol.model_dump_json()) == protocol
        assert pixel_text(protocol).endswith(".")


def test_the_default_protocol_is_written_as_before() -> None:
    values = Protocol().model_dump(mode="json")
    assert [*values] == ["name", "version", "size", "ignore_index", "absent", "boundary"]
    assert run_id("cell", "weights", Protocol()) == "a36be75a11b1"
    changed = Protocol(pixels=PixelProtocol(void="class"))
    assert changed.model_dump(mode="json")["pixels"] == {"void": "class", "average": "split", "outside": "refused"}


def installed(package: str) -> Any:
    return pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.mark.parametrize("batch", [1, 3])
def test_torchmetrics_itself(batch: int) -> None:
    segmentation = installed("torchmetrics.segmentation")
    import torch

    generator = np.random.default_rng(3)
    truth = generator.choice([0, 1, 2, V], (6, 9, 8), p=[0.5, 0.3, 0.05, 0.15]).astype(np.uint8)
    truth[3:5] = np.where(truth[3:5] == 2, 0, truth[3:5])
    guess = np.where(generator.random(truth.shape) < 0.4, generator.integers(0, 3, truth.shape), truth)
    guess = guess.astype(np.uint8)
    fed = [torch.from_numpy(np.minimum(maps, 4).astype(np.int64)) for maps in (guess, truth)]
    ours = scored("torchmetrics-miou", *zip(truth, guess, strict=True))
    for per_class in (False, True):
        metric = segmentation.MeanIoU(num_classes=5, input_format="index", per_class=per_class)
        for start in range(0, 6, batch):
            metric.update(*(maps[start : start + batch] for maps in fed))
        found = metric.compute()
        if per_class:
            assert found[:4].tolist() == pytest.approx(
                [-1 if value is None else value for value in ious(ours)], abs=1e-6
            )
        else:
            assert float(found) == pytest.approx(ours.mean_iou, abs=1e-6)


def test_segmentation_models_itself() -> None:
    metrics = installed("segmentation_models_pytorch.metrics")
    import torch

    generator = np.random.default_rng(4)
    truth = generator.choice([0, 1, V], (5, 9, 8)).astype(np.uint8)
    guess = generator.choice([0, 1, 3, V], (5, 9, 8), p=[0.4, 0.4, 0.1, 0.1]).astype(np.uint8)
    fed = [torch.from_numpy(maps.astype(np.int64)) for maps in (guess, truth)]
    stats = metrics.get_stats(*fed, mode="multiclass", ignore_index=V, num_classes=5)
    ours = scored("smp-macro", *zip(truth, guess, strict=True), classes=5)
    assert float(metrics.iou_score(*stats, reduction="macro")) == pytest.approx(ours.mean_iou, abs=1e-6)
    assert float(metrics.recall(*stats, reduction="macro")) == pytest.approx(ours.class_accuracy, abs=1e-6)
    assert float(metrics.recall(*stats, reduction="micro")) == pytest.approx(ours.global_accuracy, abs=1e-6)


def test_protocols_load_no_torch() -> None:
    code = "import sys, segbench.metrics.protocols, segbench.metrics.audit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0
