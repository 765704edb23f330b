"""Pictures beside a table: the maps are the predictions and the truth, pixel for pixel; the curves are the records'."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.leaderboard.rendering import check_boards, write_boards
from segbench.leaderboard.reproduction import Reproduction, build_reproduction
from segbench.leaderboard.reproduction_curves import curves_path, draw_curves
from segbench.leaderboard.reproduction_maps import WIDTH, maps_path
from segbench.leaderboard.store import load_records, save_result, tallies_under
from segbench.leaderboard.truths import Truth
from segbench.overlay import GAP, LINE, MARGIN, PAPER, colourise
from segbench.record import RunRecord
from segbench.suite import find_suite
from tests.leaderboard import examples

SUITE = find_suite("segnet-table1")
ENDED = examples.CURVE.model_copy(update={"epoch": [20, 40]})
HEADING = MARGIN + 36 + LINE


def saved(root: Path, *places: int) -> list[examples.Run]:
    """Runs of the cells at these places of the half scale; each has predictions of its own."""
    cells = SUITE.cells("half")
    runs = [
        examples.run(0, 0.1 + 0.05 * place, cells[place].recipe, scale="half", curve=ENDED, weights=f"{place:02d}" * 32)
        for place in places
    ]
    for run in runs:
        save_result(root, run.record, run.scorer.tallies, run.predictions.items(), examples.PALETTE)
    return runs


def reproduction(root: Path) -> Reproduction:
    found = build_reproduction(SUITE, "half", load_records(root), tallies_under(root))
    assert found is not None
    return found


def truth(run: examples.Run) -> Truth:
    return Truth(run.labels.__getitem__)


def shown(path: Path, row: int, column: int) -> np.ndarray:
    """A map of the sheet, RGB; the maps of the examples are 41 pixels wide and are enlarged to ``WIDTH``."""
    height = round(WIDTH * 30 / 41)
    left, top = MARGIN + column * (WIDTH + GAP), HEADING + row * (height + LINE + GAP)
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.asarray(image.convert("RGB"))[top : top + height, left : left + WIDTH]


def enlarged(label: np.ndarray) -> np.ndarray:
    """As Pillow enlarges without blending."""
    size = (WIDTH, round(WIDTH * 30 / 41))
    return np.asarray(Image.fromarray(colourise(label, examples.PALETTE)).resize(size, Image.Resampling.NEAREST))


def test_maps_are_the_truth_and_each_networks_predictions(tmp_path: Path) -> None:
    first, second, natural = saved(tmp_path, 0, 1, 8)
    write_boards(tmp_path, lambda record: truth(first))
    path, (image, *_) = maps_path(tmp_path, found := reproduction(tmp_path)), found.examples
    np.testing.assert_array_equal(shown(path, 0, 0), enlarged(first.labels[image]))
    np.testing.assert_array_equal(shown(path, 0, 1), enlarged(first.predictions[image]))
    np.testing.assert_array_equal(shown(path, 0, 2), enlarged(second.predictions[image]))
    np.testing.assert_array_equal(shown(path, 3, 1), enlarged(natural.predictions[image]))
    assert (shown(path, 3, 2) == PAPER).all()  # the second network has no run with natural balancing
    assert check_boards(tmp_path) == []


def test_without_the_dataset_there_is_no_truth_but_none_is_taken_away(tmp_path: Path) -> None:
    (run,) = saved(tmp_path, 0)
    asked: list[RunRecord] = []

    def find_truth(record: RunRecord) -> Truth:
        asked.append(record)
        return truth(run)

    path = maps_path(tmp_path, found := reproduction(tmp_path))
    write_boards(tmp_path)
    np.testing.assert_array_equal(shown(path, 0, 0), enlarged(run.predictions[found.examples[0]]))
    assert path not in write_boards(tmp_path).files
    assert path in write_boards(tmp_path, find_truth).files
    np.testing.assert_array_equal(shown(path, 0, 0), enlarged(run.labels[found.examples[0]]))
    before = path.read_bytes()
    write_boards(tmp_path)
    write_boards(tmp_path, find_truth)
    assert (path.read_bytes(), len(asked)) == (before, 1)

    saved(tmp_path, 0, 1)
    assert check_boards(tmp_path)[-1] == (
        f"{path} shows other runs than the records. Draw it anew: segbench leaderboard"
    )
    assert path in write_boards(tmp_path).files
    assert check_boards(tmp_path) == []


@pytest.mark.parametrize("of", [maps_path, curves_path], ids=["maps", "curves"])
def test_a_picture_that_the_table_links_has_to_be_there(tmp_path: Path, of: object) -> None:
    saved(tmp_path, 0)
    write_boards(tmp_path)
    path = of(tmp_path, reproduction(tmp_path))  # type: ignore[operator]
    assert f"]({path.name})" in (tmp_path / "segnet-table1-half.md").read_text(encoding="utf-8")
    path.unlink()
    assert check_boards(tmp_path) == [f"{path} is missing. Draw it: segbench leaderboard"]


def test_a_damaged_picture_is_drawn_anew(tmp_path: Path) -> None:
    saved(tmp_path, 0)
    write_boards(tmp_path)
    path = maps_path(tmp_path, reproduction(tmp_path))
    path.write_bytes(path.read_bytes()[:200])
    assert [path.name in line for line in check_boards(tmp_path)] == [True]
    assert path in write_boards(tmp_path).files


def test_curves_have_a_line_a_run_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    saved(tmp_path, 0, 1, 8)
    found = reproduction(tmp_path)
    text = draw_curves(found)
    assert text == draw_curves(found)
    for name in ("bilinear-interpolation", "SegNet-Basic", "Median frequency balancing", "Natural balancing"):
        assert len(re.findall(rf">{name}", text)) == 1
    # Marks of two validations of three runs, for scores and losses, and two in the legend.
    assert (
        len(re.findall(r'<use xlink:href="#[^"]+" x="[\d.]+" y="[\d.]+" style="fill: #(?:1f5fa8|c8641e)', text)) == 14
    )
