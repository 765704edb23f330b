"""Draws README's picture of a board: ``python -m tests.board_picture`` from the root of the checkout, with Chromium.

It is a part of the page that ``segbench leaderboard --format html`` writes, untouched. The picture names the runs that
can be seen on it, so that a test can tell when these are no longer on the board.
"""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.chromium import find_chromium, started

__all__ = ["PICTURE", "RUNS", "pictured_runs"]

CHECKOUT = Path(__file__).parents[1]
DATASET = "synthetic-roads"
PICTURE = CHECKOUT / "leaderboards" / f"{DATASET}.board.png"
RUNS = "runs"
WIDTH, MARGIN, COLOURS = 1200, 8, 256
# From the heading of the first board to the end of its first row of charts.
EDGES = (
    "(() => { const edge = (one, side) => one.getBoundingClientRect()[side] + scrollY;"
    "const board = document.querySelector('.board');"
    "return [edge(board.querySelector('h2'), 'top'), edge(board.querySelector('.charts figure'), 'bottom')]; })()"
)
IDS = "[...document.querySelectorAll('#board-1 tbody tr')].map((row) => row.dataset.run).join(' ')"


def pictured_runs(path: Path = PICTURE) -> list[str]:
    """The ids of the runs on the picture."""
    with Image.open(path) as picture:
        return str(picture.info[RUNS]).split()


def main() -> None:
    """Draws the page, and the picture from it."""
    command = find_chromium()
    if command is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Path(folder, "page.html")
        arguments = ["leaderboard", "--format", "html", "--dataset", DATASET, "-o", str(page), "--quiet"]
        subprocess.run([sys.executable, "-m", "segbench", *arguments], cwd=CHECKOUT, check=True)
        with started(command, Path(folder, "profile")) as browser:
            tab = browser.tab(WIDTH)
            tab.open(page)
            top, bottom = tab.run(EDGES)
            clip = {"x": 0, "y": top - MARGIN, "width": WIDTH, "height": bottom - top + 2 * MARGIN, "scale": 1}
            shot = tab.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
            _save(base64.b64decode(shot["data"]), tab.run(IDS))


def _save(content: bytes, runs: str) -> None:
    """Few colours make a small file."""
    notes = PngInfo()
    notes.add_text(RUNS, runs)
    with Image.open(io.BytesIO(content)) as picture:
        few = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(PICTURE, optimize=True, pnginfo=notes)


if __name__ == "__main__":
    main()
