from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segbench.errors import DataError, UnknownNameError, UsageError
from segbench.metrics import Scorer
from segbench.metrics.scorer import file_pairs, score
from segbench.record import Protocol
from tests.metrics.references import Map, map_pairs

LABEL = np.array([[0, 0, 1, 1], [0, 255, 1, 1]], np.uint8)
GUESS = np.array([[0, 1, 1, 1], [0, 0, 1, 1]], np.uint8)


def scorer_of(pairs: list[tuple[Map, Map]], first: int = 0) -> Scorer:
    scorer = Scorer(["a", "b", "c"])
    for number, (label, prediction) in enumerate(pairs, first):
        scorer.update(f"image {number}", label, prediction)
    return scorer


@given(st.lists(map_pairs(), max_size=3), st.lists(map_pairs(), max_size=3))
def test_scorers_of_parts_add_up_to_the_whole(first: list[tuple[Map, Map]], second: list[tuple[Map, Map]]) -> None:
    assert (scorer_of(first) + scorer_of(second, len(first))).scores() == scorer_of(first + second).scores()


def test_scores_name_the_classes_and_the_protocol() -> None:
    scores = scorer_of([(LABEL, GUESS)]).scores()
    assert list(scores.per_class) == ["a", "b", "c"]
    assert scores.protocol == Protocol(size=(2, 4))
    assert (scores.num_images, scores.num_pixels) == (1, 7)


def test_a_number_of_classes_names_them_by_number() -> None:
    scorer = Scorer(3)
    scorer.update("x", LABEL, GUESS)
    assert list(scorer.scores().per_class) == ["0", "1", "2"]


def test_an_error_names_the_image_and_adds_nothing() -> None:
    scorer = Scorer(2)
    with pytest.raises(DataError, match=r"^frame-7: The label holds 9 at row 0, column 1; allowed are 0 to 1"):
        scorer.update("frame-7", np.array([[0, 9]]), np.array([[0, 0]]))
    with pytest.raises(DataError, match=r"^frame-7: The prediction is 1 x 3 but its label is 1 x 2"):
        scorer.update("frame-7", np.array([[0, 0]]), np.array([[0, 0, 0]]))
    assert len(scorer) == 0
    scorer.update("frame-7", np.array([[0, 1]]), np.array([[0, 0]]))
    with pytest.raises(DataError, match="frame-7 was scored twice"):
        scorer.update("frame-7", np.array([[0, 1]]), np.array([[0, 0]]))


def test_classes_need_names_of_their_own() -> None:
    with pytest.raises(UsageError, match="Two classes are called 'road'"):
        Scorer(["road", "sky", "road"])
    with pytest.raises(UsageError, match="0 classes cannot be scored"):
        Scorer([])


def test_scorers_of_different_protocols_do_not_add_up() -> None:
    with pytest.raises(UsageError, match="different protocols"):
        Scorer(2) + Scorer(2, Protocol(ignore_index=0))


def test_boundaries_can_be_left_out() -> None:
    scorer = Scorer(2, boundary=False)
    scorer.update("x", LABEL, GUESS)
    scores = scorer.scores()
    assert scores.boundary_f1 is None and scores.mean_iou is not None


def write(folder: Path, **maps: Map) -> Path:
    folder.mkdir(exist_ok=True)
    for name, values in maps.items():
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


def test_arrays_stacks_files_and_folders_score_the_same(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels", one=LABEL, two=GUESS)
    predictions = write(tmp_path / "predictions", one=GUESS, two=GUESS)
    truths, guesses = [LABEL, GUESS], [GUESS, GUESS]
    expected = score(guesses, truths, 2)
    assert expected.num_images == 2
    assert score(np.stack(guesses), np.stack(truths), 2) == expected
    assert score(iter(guesses), iter(truths), 2) == expected
    assert score(predictions, str(labels), 2) == expected
    names = ("one.png", "two.png")
    assert score([predictions / name for name in names], [str(labels / name) for name in names], 2) == expected
    assert score(predictions / "one.png", labels / "one.png", 2) == score(GUESS, LABEL, 2)


def test_options_bear_the_names_of_the_command_line() -> None:
    scores = score(
        GUESS,
        LABEL,
        2,
        boundary_rule="distance",
        boundary_void="masked",
        boundary_average="paper-text",
        tolerance="1.5px",
    )
    boundary = scores.protocol.boundary
    assert (boundary.rule, boundary.void, boundary.average) == ("distance", "masked", "paper-text")
    assert (boundary.tolerance, boundary.unit) == (1.5, "px")
    assert score(GUESS, LABEL, 2, tolerance=0.01).protocol.boundary.tolerance == 0.01
    assert score(GUESS, LABEL, 2, class_names=["x", "y"]).per_class.keys() == {"x", "y"}
    assert score(GUESS, LABEL, 2, protocol=Protocol()) == score(GUESS, LABEL, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundary_rule": "matchin"}, "Unknown boundary rule 'matchin'. Did you mean matching"),
        ({"protocol": "segbnch"}, "Unknown protocol 'segbnch'. Did you mean segbench"),
        ({"boundary_void": "x"}, "asis, masked"),
    ],
)
def test_unknown_names_are_answered_with_the_known(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        score(GUESS, LABEL, 2, **options)


def test_a_protocol_object_decides_alone() -> None:
    with pytest.raises(UsageError, match="A protocol object decides"):
        score(GUESS, LABEL, 2, protocol=Protocol(), tolerance="1px")
    with pytest.raises(UsageError, match="3 class names were given for 2"):
        score(GUESS, LABEL, 2, class_names=["a", "b", "c"])


def test_more_labels_than_predictions_are_refused() -> None:
    with pytest.raises(DataError, match="only 1 predictions"):
        score([GUESS], [LABEL, LABEL], 2)
    with pytest.raises(DataError, match="only 1 labels"):
        score([GUESS, GUESS], [LABEL], 2)


def test_scoring_loads_no_torch() -> None:
    code = (
        "import sys, numpy as np; from segbench.metrics import Scorer; s = Scorer(2);"
        "s.update('x', np.eye(9, dtype=int), np.ones((9, 9), int)); s.scores(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0


def test_folders_score_the_same_with_any_number_of_processes(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    truth = generator.choice([0, 1, 2, 255], (12, 8, 9), p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
    guess = generator.integers(0, 3, truth.shape).astype(np.uint8)
    labels = write(tmp_path / "labels", **{f"m{number:02d}": values for number, values in enumerate(truth)})
    predictions = write(tmp_path / "predictions", **{f"m{number:02d}": values for number, values in enumerate(guess)})
    found = [score(predictions, labels, 3, jobs=jobs) for jobs in (1, 2, 3, None)]
    assert found == [score(guess, truth, 3)] * 4
    scorers = [Scorer(3), Scorer(3)]
    for scorer, jobs in zip(scorers, (1, 3), strict=True):
        scorer.update_all(file_pairs(predictions, labels), jobs)
        scorer.tallies.to_parquet(tmp_path / f"{jobs}.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()

    Image.fromarray(np.full((8, 9), 7, np.uint8)).save(predictions / "m05.png")
    Image.fromarray(np.full((8, 9), 8, np.uint8)).save(predictions / "m09.png")
    for jobs in (1, 2, 3):
        with pytest.raises(DataError, match=r"^m05: The prediction holds 7 at row 0"):
            score(predictions, labels, 3, jobs=jobs)


def test_other_sizes_are_refused_or_fitted() -> None:
    half = GUESS[:, ::2]
    with pytest.raises(DataError, match=r"is 2 x 2 but its label is 2 x 4 .*or let --resize nearest fit them"):
        score(half, LABEL, 2)
    scorer = Scorer(2, resize="nearest")
    scorer.update("a", LABEL, half)
    scorer.update("b", LABEL, GUESS)
    assert scorer.resized == 1
    # Columns 0, 0, 1, 1 of [[0, 1], [0, 1]]: the label itself.
    assert scorer.tallies.images[0].pairs.count.tolist() == [3, 4]
    assert score(half, LABEL, 2, resize="nearest").mean_iou == 1
    assert (scorer + scorer_named("c")).resized == 1
    with pytest.raises(UnknownNameError, match="Known: nearest"):
        score(half, LABEL, 2, resize="bilinear")  # type: ignore[arg-type]


def scorer_named(name: str) -> Scorer:
    scorer = Scorer(2, resize="nearest")
    scorer.update(name, LABEL, GUESS)
    return scorer


def test_a_folder_against_something_else_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "predictions", one=GUESS)
    with pytest.raises(UsageError, match="scored against another folder"):
        score(folder, [LABEL], 2)
