from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.metrics.sequences import find_sequences


def frames(prefix: str, start: int, step: int, count: int) -> list[str]:
    return [f"{prefix}{start + step * index:06d}" for index in range(count)]


CAMVID = frames("0001TP_", 8550, 30, 62) + frames("Seq05VD_f", 0, 30, 171)


def test_camvids_test_split_is_two_runs() -> None:
    runs = find_sequences(CAMVID)
    assert [len(run) for run in runs] == [62, 171]
    assert runs[0] == list(range(62))


def test_a_gap_ends_a_run() -> None:
    names = frames("a_", 0, 30, 5) + frames("a_", 300, 30, 4)
    assert find_sequences(names) == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]


def test_an_image_that_is_no_frame_is_a_run_of_its_own() -> None:
    names = ["still", *frames("a_", 0, 2, 4), "b_000007"]
    assert find_sequences(names) == [[0], [1, 2, 3, 4], [5]]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["2007_000033", "2007_000042", "2007_000061", "2007_000123", "2007_000129", "2008_000002"],
        frames("test-", 2_000_000, 1, 80),
        frames("img-", 1, 1, 5050),
        frames("a_", 0, 30, 3),
        ["a", "b", "c", "d", "e"],
    ],
    ids=["none", "voc2012", "synthetic-roads", "sunrgbd", "too few", "no numbers"],
)
def test_names_that_tell_of_no_video(names: list[str]) -> None:
    assert find_sequences(names) == []


def test_numbered_images_are_frames_where_that_is_said() -> None:
    assert find_sequences(frames("test-", 5, 1, 6), smallest_step=1) == [[0, 1, 2, 3, 4, 5]]


@given(st.permutations(frames("a_", 90, 30, 6) + frames("b", 0, 7, 5) + ["still", "2007_000001"]))
def test_every_image_is_in_one_run_in_the_order_of_the_frames(names: list[str]) -> None:
    runs = find_sequences(names)
    assert sorted(position for run in runs for position in run) == list(range(len(names)))
    found = {tuple(names[position] for position in run) for run in runs if len(run) > 1}
    assert found == {tuple(frames("a_", 90, 30, 6)), tuple(frames("b", 0, 7, 5))}
