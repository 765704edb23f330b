"""The images that stand for all: by hand, whatever the networks predict."""

from __future__ import annotations

import numpy as np

from segbench.leaderboard.example_images import example_images
from segbench.metrics import Scorer
from tests.leaderboard import examples

CLASSES = {"a": 1, "b": 2, "c": 1, "d": 3, "e": 3, "f": 2, "g": 1}


def tallied(names: str, predicted: int = 0) -> Scorer:
    """Images whose truth has so many classes, given in that order; one class predicted everywhere."""
    scorer = Scorer(examples.CLASSES)
    for name in names:
        label = np.resize(np.arange(CLASSES[name], dtype=np.uint8), (2, 3))
        scorer.update(name, label, np.full((2, 3), predicted, np.uint8))
    return scorer


def test_each_third_gives_the_first_image_with_most_classes() -> None:
    # Thirds: a b c, d e, f g.
    assert example_images(tallied("abcdefg").tallies) == ("b", "d", "f")


def test_neither_order_nor_predictions_matter() -> None:
    assert example_images(tallied("gfedcba", predicted=2).tallies) == ("b", "d", "f")


def test_fewer_images_are_all_shown() -> None:
    assert example_images(tallied("ab").tallies) == ("a", "b")
