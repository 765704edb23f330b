from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import RecordError
from segbench.metrics.scores import scores_from_tallies, tolerance_of
from segbench.metrics.tallies import Tallies, tally_image
from segbench.record import BoundaryProtocol, Protocol, Scores
from tests.metrics import references
from tests.metrics.references import Map, map_pairs

A, B, C, D, V = 0, 1, 2, 3, 255
NAMES = ("a", "b", "c", "d")
TRUTH = np.array([[A, A, B], [A, V, B]])
GUESS = np.array([[A, A, B], [C, B, B]])
EXACT = {"tolerance": 0.0, "unit": "px"}


def protocol(**boundary: object) -> Protocol:
    return Protocol(boundary=BoundaryProtocol(**(EXACT | boundary)))  # type: ignore[arg-type]


def tallied(*pairs: tuple[Map, Map], names: tuple[str, ...] = NAMES, under: Protocol | None = None) -> Tallies:
    tolerance = tolerance_of((under or protocol()).boundary)
    tallies = Tallies(names, 255, tolerance)
    for number, (truth, guess) in enumerate(pairs):
        tallies.add(str(number), tally_image(truth, guess, len(names), 255, tolerance))
    return tallies


def scored(*pairs: tuple[Map, Map], **boundary: object) -> Scores:
    return scores_from_tallies(tallied(*pairs), protocol(**boundary))


def test_pixel_scores_worked_by_hand() -> None:
    # Labelled: a 3 (2 right, 1 taken for c), b 2 (both right). c is predicted only, d is nowhere.
    scores = scored((TRUTH, GUESS))
    assert scores.global_accuracy == 4 / 5
    assert [scores.per_class[name].accuracy for name in NAMES] == [2 / 3, 1, None, None]
    assert [scores.per_class[name].iou for name in NAMES] == [2 / 3, 1, 0, None]
    assert [scores.per_class[name].pixels for name in NAMES] == [3, 2, 0, 0]
    assert scores.class_accuracy == pytest.approx(5 / 6)
    assert scores.mean_iou == pytest.approx(5 / 9)
    assert (scores.num_images, scores.num_pixels) == (1, 5)


def test_absent_classes_may_count_as_zero() -> None:
    scores = scores_from_tallies(tallied((TRUTH, GUESS)), protocol().model_copy(update={"absent": "zero"}))
    assert scores.class_accuracy == pytest.approx(5 / 12)
    assert scores.mean_iou == pytest.approx(5 / 12)
    assert scores.per_class["d"].iou == 0


@pytest.mark.parametrize(
    ("void", "average", "expected"),
    [
        ("asis", "script", 2 / 5),
        ("asis", "paper-text", 3 / 5),
        ("masked", "script", 3 / 5),
        ("masked", "paper-text", 9 / 10),
    ],
)
@pytest.mark.parametrize("rule", ["matching", "distance"])
def test_boundary_f1_worked_by_hand(rule: str, void: str, average: str, expected: float) -> None:
    # Boundary pixels (row, column), radius 0:
    #   truth       a: 00 01 10    b: 01 11                        (the void pixel has none, but bounds a and b)
    #   prediction  a: 00 01       b: 00 01 10       c: 00 10      F1: a 4/5, b 2/5, c 0
    #   masked      a: 00 01       b: 01 11          c: 00 10      F1: a 4/5, b 1, c 0
    # script counts c, which the prediction invented; paper-text does not.
    assert scored((TRUTH, GUESS), rule=rule, void=void, average=average).boundary_f1 == pytest.approx(expected)


def test_boundary_f1_per_class_worked_by_hand() -> None:
    found = scored((TRUTH, GUESS)).per_class
    assert [found[name].boundary_f1 for name in NAMES] == [4 / 5, 2 / 5, 0, None]


def test_an_image_without_any_boundary() -> None:
    # All of it is a in both maps: no boundary pixel. By the script it adds 0 and stays in the divisor.
    plain = (np.zeros((2, 3), int), np.zeros((2, 3), int))
    assert scored((TRUTH, GUESS), plain).boundary_f1 == pytest.approx(1 / 5)
    assert scored((TRUTH, GUESS), plain, average="paper-text").boundary_f1 == pytest.approx(3 / 5)
    assert scored((TRUTH, GUESS), plain).per_class["a"].boundary_f1 == 4 / 5
    assert scored(plain).boundary_f1 == 0
    assert scored(plain, average="paper-text").boundary_f1 is None


def test_a_missed_class_scores_zero() -> None:
    # Truth: a, b beside each other; prediction: a only. Neither map's boundary has a counterpart.
    scores = scored((np.array([[A, A, B, B]]), np.zeros((1, 4), int)))
    assert scores.boundary_f1 == 0
    assert (scores.per_class["b"].iou, scores.per_class["b"].accuracy, scores.per_class["b"].boundary_f1) == (0, 0, 0)


def test_pixels_predicted_as_nothing_are_wrong() -> None:
    tallies = Tallies(("a", "b"), 255, None)
    tallies.add("x", tally_image(np.array([[A, A, B]]), np.array([[A, V, B]]), 2, 255, None, "wrong"))
    scores = scores_from_tallies(tallies, Protocol())
    assert scores.global_accuracy == 2 / 3
    assert (scores.per_class["a"].iou, scores.per_class["a"].accuracy) == (1 / 2, 1 / 2)
    assert scores.num_pixels == 3


def test_nothing_scored_is_undefined_not_nan() -> None:
    for pairs in ([], [(np.full((2, 2), V), np.zeros((2, 2), int))]):
        scores = scored(*pairs)
        assert (scores.global_accuracy, scores.class_accuracy, scores.mean_iou) == (None, None, None)
        assert all(one.iou is None for one in scores.per_class.values())
        json.loads(scores.model_dump_json(), parse_constant=pytest.fail)


def test_without_boundaries_their_scores_are_undefined() -> None:
    tallies = Tallies(("a", "b"), 255, None)
    tallies.add("x", tally_image(np.array([[A, B]]), np.array([[A, B]]), 2, 255, None))
    scores = scores_from_tallies(tallies, Protocol())
    assert (scores.mean_iou, scores.boundary_f1, scores.per_class["a"].boundary_f1) == (1, None, None)


def test_the_protocol_tells_the_size_of_the_images() -> None:
    assert scored((TRUTH, GUESS)).protocol.size == (2, 3)
    assert scored((TRUTH, GUESS), (TRUTH.T, GUESS.T)).protocol.size is None


def test_tallies_of_another_tolerance_or_ignore_index_are_refused() -> None:
    with pytest.raises(RecordError, match="Score the predictions again"):
        scores_from_tallies(tallied((TRUTH, GUESS)), protocol(tolerance=1.0))
    with pytest.raises(RecordError, match="ignore 255, the protocol 0"):
        scores_from_tallies(tallied((TRUTH, GUESS)), protocol().model_copy(update={"ignore_index": 0}))


def mean(values: list[Fraction | None]) -> Fraction | None:
    defined = [value for value in values if value is not None]
    return sum(defined, Fraction(0)) / len(defined) if defined else None


def reference_boundary_f1(pairs: list[tuple[Map, Map]], boundary: BoundaryProtocol) -> Fraction | None:
    images = []
    for truth, guess in pairs:
        counts = references.boundary_counts(truth, guess, 3, Fraction(str(boundary.tolerance)), unit=boundary.unit)
        f1 = [references.boundary_f1(row, boundary.rule, boundary.void) for row in counts.tolist()]
        if boundary.average == "paper-text":
            f1 = [value if (truth == k).any() else None for k, value in enumerate(f1)]
        image = mean(f1)
        images.append(Fraction(0) if image is None and boundary.average == "script" else image)
    return mean(images)


@given(
    st.lists(map_pairs(side=6), min_size=1, max_size=3),
    st.sampled_from(["matching", "distance"]),
    st.sampled_from(["asis", "masked"]),
    st.sampled_from(["script", "paper-text"]),
    st.sampled_from([(0.0, "px"), (1.5, "px"), (0.2, "diagonal")]),
)
def test_equals_the_slow_reference(
    pairs: list[tuple[Map, Map]], rule: str, void: str, average: str, tolerance: tuple[float, str]
) -> None:
    under = protocol(rule=rule, void=void, average=average, tolerance=tolerance[0], unit=tolerance[1])
    scores = scores_from_tallies(tallied(*pairs, names=("a", "b", "c"), under=under), under)
    counts = np.sum([references.confusion(*pair, num_classes=3)[0] for pair in pairs], axis=0)
    expected = reference_boundary_f1(pairs, under.boundary)
    assert scores.boundary_f1 == (None if expected is None else pytest.approx(float(expected)))
    ious = [
        Fraction(int(counts[k, k]), union)
        if (union := int(counts[k].sum() + counts[:, k].sum() - counts[k, k]))
        else None
        for k in range(3)
    ]
    recalls = [Fraction(int(counts[k, k]), total) if (total := int(counts[k].sum())) else None for k in range(3)]
    for found, values in ((scores.mean_iou, ious), (scores.class_accuracy, recalls)):
        value = mean(values)
        assert found == (None if value is None else pytest.approx(float(value)))


@given(st.lists(map_pairs(side=6), min_size=1, max_size=3))
def test_matching_never_beats_distance(pairs: list[tuple[Map, Map]]) -> None:
    matching, distance = (scored(*pairs, rule=rule) for rule in ("matching", "distance"))
    assert matching.boundary_f1 is not None and distance.boundary_f1 is not None
    assert matching.boundary_f1 <= distance.boundary_f1 + 1e-12


@given(st.lists(map_pairs(side=6), min_size=2, max_size=4))
def test_the_order_of_the_images_does_not_matter(pairs: list[tuple[Map, Map]]) -> None:
    assert scored(*pairs) == scored(*pairs[::-1])


@given(map_pairs(void=False))
def test_a_perfect_prediction_scores_one(pair: tuple[Map, Map]) -> None:
    truth, _ = pair
    scores = scored((truth, truth))
    assert (scores.global_accuracy, scores.class_accuracy, scores.mean_iou) == (1, 1, 1)
    assert scores.boundary_f1 == (0 if np.unique(truth).size == 1 else 1)
