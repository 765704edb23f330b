from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.metrics import Scorer
from segbench.metrics.audit import Audit, audit_tallies
from segbench.metrics.protocols import PROTOCOLS, protocol_of
from segbench.record import SCORE_NAMES
from tests.metrics.references import Map, map_pairs
from tests.metrics.test_protocols import FIRST, SECOND


def audited(*pairs: tuple[Map, Map], classes: int | list[str] = 4, tolerance: str = "0.0075") -> Audit:
    scorer = Scorer(classes, protocol_of(tolerance=tolerance), void_predictions="wrong")
    for number, (truth, guess) in enumerate(pairs):
        scorer.update(f"{number}", truth, guess)
    return audit_tallies(scorer.tallies)


def test_each_protocol_gets_its_own_scores() -> None:
    found = audited(FIRST, SECOND)
    assert [*found.scores] == [*PROTOCOLS]
    for name, scores in found.scores.items():
        scorer = Scorer(4, protocol_of(name), void_predictions="wrong")
        for number, pair in enumerate((FIRST, SECOND)):
            scorer.update(f"{number}", *pair)
        assert scores == scorer.scores()


def test_sentences_worked_by_hand() -> None:
    # segbench has IoU 3/4, 1/2 and 0 (see test_protocols): mean 41.67 %. Step by step to torchmetrics:
    #   void pixels are Va VV Vb, 3 of 10. Va widens the union of a to 5, Vb that of b to 5:
    #     3/5, 2/5, 0: mean 33.33 (-8.33)
    #   void is a class: both 1, either 3: 1/3. Mean of the four 33.33 (+0.00)
    #   by pairs (1/3 + 2/3 + 1/2 + 1) / 7 = 35.71 (+2.38)
    # d is in no map: 0 more to divide by 4 (31.25) for the script, 1 more for smp (56.25).
    found = {(one.protocol, one.score): one for one in audited(FIRST, SECOND, classes=["a", "b", "c", "d"]).differences}
    pairs = found["torchmetrics-miou", "mean_iou"]
    assert pairs.points == pytest.approx(250 / 7 - 125 / 3)
    assert pairs.sentence == (
        "torchmetrics-miou: mean IoU is 35.71 instead of 41.67 (−5.95 points): predictions on void pixels (30.00 % of "
        "all) count against the class they name (−8.33); IoU is taken in each image and averaged over (image, class) "
        "pairs, not over classes (+2.38)."
    )
    assert found["torchmetrics-miou", "class_accuracy"].points is None
    script = found["segnet-script", "mean_iou"]
    assert script.sentence == (
        "segnet-script: mean IoU is 31.25 instead of 41.67 (−10.42 points): a class without a divisor counts 0 instead "
        "of being left out (absent from the truth: 1 of 4 classes (d)) (−10.42)."
    )
    assert found["smp-macro", "mean_iou"].points == pytest.approx(225 / 4 - 125 / 3)


def test_a_protocol_that_changes_nothing_says_why() -> None:
    pair = (np.array([[0, 0, 1]]), np.array([[0, 1, 1]]))
    found = audited(pair, classes=2)
    assert {one.protocol for one in found.differences} == {"torchmetrics-miou"}
    assert found.equal["segnet-script"] == (
        "the same scores as segbench on these maps: no labelled pixel is predicted as no class, and no class is absent."
    )
    assert found.equal["paper-text"].endswith(": no class is predicted in an image whose truth lacks it.")


def test_pixels_predicted_as_no_class_leave_the_script_s_matrix() -> None:
    # a: 1 of 3 right, 2 as void. segbench: accuracy and IoU of a 1/3. The script: 1/1. b: 1 of 1 in both.
    found = audited((np.array([[0, 0, 0, 1]]), np.array([[0, 255, 255, 1]])), classes=2)
    script = {one.score: one for one in found.differences if one.protocol == "segnet-script"}
    assert script.keys() == {"class_accuracy", "mean_iou"}
    assert script["mean_iou"].causes[0].rule == "2 labelled pixels predicted as no class leave the matrix"
    assert script["mean_iou"].points == pytest.approx(100 * (1 - 2 / 3))


@given(st.lists(map_pairs(classes=3, side=6), min_size=1, max_size=3))
def test_the_shares_of_a_difference_add_up(pairs: list[tuple[Map, Map]]) -> None:
    found = audited(*pairs)
    base = found.scores["segbench"]
    told = {(one.protocol, one.score) for one in found.differences}
    for name, scores in found.scores.items():
        for score in SCORE_NAMES:
            assert ((name, score) in told) == (getattr(scores, score) != getattr(base, score))
    for one in found.differences:
        if one.points is not None:
            before, after = getattr(base, one.score), getattr(found.scores[one.protocol], one.score)
            assert sum(cause.points for cause in one.causes) == pytest.approx(one.points)
            assert one.points == pytest.approx(100 * (after - before))
    assert found.equal.keys() == PROTOCOLS.keys() - {"segbench"} - {one.protocol for one in found.differences}
