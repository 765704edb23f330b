from __future__ import annotations

import pickle
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.errors import DataError, RecordError, UsageError
from segbench.metrics.confusion import PairCounts
from segbench.metrics.disc import Tolerance
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import ImageTally, Tallies, tally_image
from segbench.record import BoundaryProtocol, Protocol
from tests.metrics import references
from tests.metrics.references import Map, map_pairs

NAMES = ("road", "sky", "tree")


def tallied(pairs: list[tuple[Map, Map]], tolerance: Tolerance | None = Tolerance.parse("1px")) -> Tallies:  # noqa: B008
    tallies = Tallies(NAMES, 255, tolerance)
    for number, (truth, guess) in enumerate(pairs):
        tallies.add(f"image {number}", tally_image(truth, guess, 3, 255, tolerance))
    return tallies


def same(left: Tallies, right: Tallies) -> bool:
    """Whether two tallies hold the same numbers."""
    header = (left.class_names, left.ignore_index, left.tolerance, left.image_ids)
    images = zip(left.images, right.images, strict=True)
    return header == (right.class_names, right.ignore_index, right.tolerance, right.image_ids) and all(
        same_image(*both) for both in images
    )


def same_image(left: ImageTally, right: ImageTally) -> bool:
    pairs = all(
        np.array_equal(getattr(left.pairs, field.name), getattr(right.pairs, field.name))
        for field in fields(PairCounts)
    )
    boundary = [
        np.array_equal(left.boundary_classes, right.boundary_classes),
        (left.boundary is None) == (right.boundary is None),
        left.boundary is None or right.boundary is None or np.array_equal(left.boundary, right.boundary),
    ]
    return (left.height, left.width) == (right.height, right.width) and pairs and all(boundary)


@given(map_pairs())
def test_an_image_is_tallied_as_the_references_count_it(pair: tuple[Map, Map]) -> None:
    tally = tally_image(*pair, 3, 255, Tolerance.parse("1px"))
    assert tally.boundary is not None
    boundary = np.zeros((3, 9), np.int64)
    boundary[tally.boundary_classes] = tally.boundary
    counts = np.zeros((3, 3), np.int64)
    counts[tally.pairs.true, tally.pairs.predicted] = tally.pairs.count
    assert np.array_equal(counts, references.confusion(*pair, num_classes=3)[0])
    assert np.array_equal(boundary, references.boundary_counts(*pair, 3, Fraction(1), unit="px"))
    assert (tally.height, tally.width) == pair[0].shape


def test_only_what_occurs_is_kept() -> None:
    tally = tally_image(np.zeros((4, 5), int), np.zeros((4, 5), int), 1000)
    assert tally.pairs.count.tolist() == [20]
    assert tally.boundary_classes.size == 0


def test_a_tally_travels_between_processes() -> None:
    tally = tally_image(np.array([[0, 1]]), np.array([[0, 0]]), 2)
    assert same_image(pickle.loads(pickle.dumps(tally)), tally)


@settings(max_examples=20)
@given(st.lists(map_pairs(), max_size=3), st.sampled_from([None, Tolerance(), Tolerance.parse("1.5px")]))
def test_a_file_gives_back_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[Map, Map]], tolerance: Tolerance | None
) -> None:
    path = tmp_path_factory.mktemp("tallies") / "run.tallies.parquet"
    tallies = tallied(pairs, tolerance)
    tallies.to_parquet(path)
    assert same(Tallies.from_parquet(path), tallies)


def test_every_protocol_is_worked_out_from_a_file_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pairs: list[tuple[Map, Map]] = [
        (generator.integers(0, 3, (9, 7)), generator.integers(0, 3, (9, 7))) for _ in range(3)
    ]
    tallies = tallied(pairs)
    tallies.to_parquet(tmp_path / "t.parquet")
    read = Tallies.from_parquet(tmp_path / "t.parquet")
    found = set()
    for rule in ("matching", "distance"):
        for average in ("script", "paper-text"):
            boundary = BoundaryProtocol(rule=rule, average=average, tolerance=1, unit="px")
            under = Protocol(boundary=boundary)
            assert scores_from_tallies(read, under) == scores_from_tallies(tallies, under)
            found.add(scores_from_tallies(read, under).boundary_f1)
    assert len(found) > 1


@given(st.lists(map_pairs(), max_size=3), st.lists(map_pairs(), max_size=3))
def test_parts_add_up_to_the_whole(first: list[tuple[Map, Map]], second: list[tuple[Map, Map]]) -> None:
    whole = tallied(first + second)
    part = Tallies(NAMES, 255, whole.tolerance, whole.image_ids[len(first) :], whole.images[len(first) :])
    assert same(tallied(first) + part, whole)


def test_an_image_counts_once() -> None:
    tallies = tallied([(np.array([[0]]), np.array([[0]]))])
    with pytest.raises(DataError, match="Image image 0 was scored twice"):
        tallies.add("image 0", tallies.images[0])
    with pytest.raises(DataError, match="scored twice"):
        tallies + tallies
    assert len(tallies) == 1


def test_tallies_of_different_kinds_do_not_add_up() -> None:
    with pytest.raises(UsageError, match="cannot be added"):
        Tallies(NAMES) + Tallies(("other", "names", "here"))


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2), (0, 3)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="is not an image"):
        tally_image(np.zeros(shape, int), np.zeros(shape, int), 2)


def test_files_that_hold_no_tallies_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pytest.raises(RecordError, match=r"Cannot read tallies .*missing\.parquet"):
        Tallies.from_parquet(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    for name in ("text.parquet", "other.parquet"):
        with pytest.raises(RecordError, match=f"{name} does not hold tallies"):
            Tallies.from_parquet(tmp_path / name)


def test_the_tallies_of_a_split_are_small(tmp_path: Path) -> None:
    # As rich as CamVid's: 60 pairs of classes and 11 boundaries an image, numbers that do not repeat.
    generator = np.random.default_rng(0)
    tallies = Tallies(tuple(map(str, range(11))))
    for number in range(233):
        chosen = np.sort(generator.choice(121, 60, replace=False))
        counts = generator.lognormal(6, 2, 60).astype(np.int64) + 1
        pairs = PairCounts(chosen // 11, chosen % 11, counts, np.empty(0, np.int64), np.empty(0, np.int64))
        boundary = generator.integers(0, 2000, (11, 9))
        tallies.add(f"0001TP_{number:06}", ImageTally(360, 480, pairs, np.arange(11), boundary))
    tallies.to_parquet(tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 300 * 1024
