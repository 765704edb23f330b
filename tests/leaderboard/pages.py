"""Pages of handmade runs, with and without truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segbench.leaderboard import store
from segbench.leaderboard.page import Evidence, to_html
from segbench.leaderboard.page_pictures import chosen_images, examples
from segbench.leaderboard.table import Board, Row, build_boards
from segbench.leaderboard.truths import Truth
from tests.leaderboard.examples import PALETTE, RECIPE, Run, run, with_paper

NASTY = "<script>alert(1)</script> \"q\" 'r' & co"


def saved(root: Path, runs: Sequence[Run]) -> list[Board]:
    """The boards of runs that are filed under ``root``."""
    for one in runs:
        store.save_result(root, one.record, one.scorer.tallies, one.predictions.items(), PALETTE)
    return build_boards([one.record for one in runs], store.tallies_under(root))


def evidence(
    root: Path, row: Row, runs: Sequence[Run], *, truth: bool = True, photographs: bool = False, free: bool = False
) -> Evidence:
    """What the page shows of a run; ``free`` images may be passed on."""
    (one,) = (one for one in runs if one.record.run_id == row.run_id)
    grey = np.full((30, 41, 3), 77, np.uint8)
    shown = (lambda _: grey) if photographs or free else None
    known = Truth(one.labels.__getitem__, shown, free) if truth else None
    tallies = one.scorer.tallies
    chosen = chosen_images(tallies, row.record.scores.protocol)
    pictures, palette = examples(chosen, store.result_files(root, row.record).predictions, known)
    return Evidence(tallies, pictures, palette, [(1, 0.25), (2, 0.5), (4, 0.75)] if truth else None)


def page(root: Path, runs: Sequence[Run], **shown: bool) -> str:
    """The page of runs."""
    boards = saved(root, runs)
    return to_html(boards, lambda row: evidence(root, row, runs, **shown))


def several(count: int) -> list[Run]:
    """Runs of decreasing quality: every third by a recipe of another name, the last at another scale."""
    paper = with_paper().model_copy(update={"variant": "paper"})
    names = ["FCN-Basic", NASTY, "SegNet-Basic-with-a-name-that-is-rather-long-for-a-phone"]
    return [
        run(
            number,
            0.1 + 0.6 * number / count,
            paper if number % 3 == 0 else RECIPE,
            paper_name=names[number % 3],
            parameters=1000 * (count - number),
            scale="half" if number and number == count - 1 else "full",
        )
        for number in range(count)
    ]
