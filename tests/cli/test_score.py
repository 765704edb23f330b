"""``segbench score``: options, folders, and a prepared split as the truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.metrics import Tallies, scores_from_tallies
from segbench.metrics.protocols import protocol_of
from segbench.metrics.scorer import score
from tests.cli.conftest import Segbench
from tests.data import toy


def save(folder: str, **maps: list[list[int]]) -> None:
    Path(folder).mkdir()
    for name, values in maps.items():
        Image.fromarray(np.array(values, np.uint8)).save(Path(folder) / f"{name}.png")


@pytest.fixture
def folders(home: Path) -> None:
    save("truth", a=[[0, 0], [1, 255]], b=[[1, 1], [1, 1]])
    save("maps", a=[[0, 1], [1, 1]], b=[[1, 1], [0, 1]])


ARGUMENTS = ("score", "maps", "--labels", "truth", "--num-classes", "2")


def test_two_folders(segbench: Segbench, folders: None) -> None:
    code, out, err = segbench(*ARGUMENTS, "--json")
    values = json.loads(out)
    assert (code, err) == (0, "")
    # Truth by row, prediction by column: [[1, 1], [1, 4]].
    assert values["global_accuracy"] == pytest.approx(5 / 7)
    assert values["mean_iou"] == pytest.approx((1 / 3 + 4 / 6) / 2)
    assert values["num_images"] == 2
    assert values == score("maps", "truth", num_classes=2).model_dump(mode="json")


def test_the_table(segbench: Segbench, folders: None) -> None:
    code, out, _ = segbench(*ARGUMENTS)
    assert code == 0
    assert out.splitlines()[0] == "maps against truth"
    assert next(line.split()[:3] for line in out.splitlines() if line.startswith("mean")) == ["mean", "65.0", "50.0"]


def test_options_change_the_protocol(segbench: Segbench, folders: None) -> None:
    options = ("--boundary-rule", "distance", "--boundary-void", "masked", "--boundary-average", "paper-text")
    out = segbench(
        *ARGUMENTS, *options, "--tolerance", "4.5px", "--ignore-index", "9", "--num-classes", "256", "--json"
    ).out
    protocol = json.loads(out)["protocol"]
    assert protocol["ignore_index"] == 9
    assert protocol["boundary"] == {
        "rule": "distance",
        "void": "masked",
        "average": "paper-text",
        "tolerance": 4.5,
        "unit": "px",
    }


def test_void_predictions(segbench: Segbench, folders: None) -> None:
    Image.fromarray(np.array([[255, 0], [1, 1]], np.uint8)).save("maps/a.png")
    ended = segbench(*ARGUMENTS)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: a: ")
    assert segbench(*ARGUMENTS, "--void-predictions", "wrong").code == 0
    assert segbench(*ARGUMENTS, "--void-predictions", "never") == (
        2,
        "",
        "Error: Unknown --void-predictions 'never'. Known: error, wrong.\n",
    )


def test_a_prepared_split_is_the_truth(segbench: Segbench, toy_dataset: None) -> None:
    assert segbench("prepare", "toy", "--quiet").code == 0
    Path("maps").mkdir()
    for position in (3, 4):
        label = toy.label(position, toy.SIZES[position % 3])
        Image.fromarray(np.where(label == 255, 0, label)).save(f"maps/toy_{position:03d}.png")
    code, out, _ = segbench("score", "maps", "--dataset", "toy", "--json")
    values = json.loads(out)
    assert (code, values["mean_iou"], values["num_images"]) == (0, 1.0, 2)
    assert [*values["per_class"]] == ["sky", "road", "car"]

    Path("maps/toy_003.png").rename("maps/other.png")
    assert segbench("score", "maps", "--dataset", "toy", "--quiet") == (
        2,
        "",
        "Error: maps lacks 1 of 2 label maps: toy_003. maps holds 1 that toy test does not: other. "
        "Every label needs a prediction of the same name.\n",
    )
    Image.fromarray(toy.label(3, toy.SIZES[0])).save("maps/toy_003.png")
    assert segbench("score", "maps", "--dataset", "toy", "--quiet").err == (
        "Error: maps holds 1 that toy test does not: other. Every label needs a prediction of the same name.\n"
    )
    assert segbench("score", "maps", "--dataset", "toy", "--ignore-index", "0").err.startswith(
        "Error: --ignore-index comes with --labels"
    )


def many(count: int, side: int = 8) -> None:
    """Folders ``truth`` and ``maps`` of ``count`` images of noise, three classes."""
    generator = np.random.default_rng(0)
    for folder in ("truth", "maps"):
        save(folder, **{f"m{number:03d}": generator.integers(0, 3, (side, side)).tolist() for number in range(count)})


OF_THREE = ("score", "maps", "--labels", "truth", "--num-classes", "3")


def test_any_number_of_jobs_gives_the_same_result(segbench: Segbench) -> None:
    many(16)
    found = [segbench(*OF_THREE, "--jobs", jobs, "--json") for jobs in ("1", "2", "3")]
    assert len({*found}) == 1 and found[0].code == 0
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save("maps/m011.png")
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save("maps/m014.png")
    for jobs in ("1", "2", "3"):
        assert segbench(*OF_THREE, "--jobs", jobs) == (
            2,
            "",
            "Error: m011: The prediction holds 9 at row 0, column 0; allowed are 0 to 2 and 255 (ignored).\n",
        )
    assert segbench(*OF_THREE, "--jobs", "0").err.startswith("Error: --jobs 0 is no number of processes")


def test_a_zip_and_a_run_are_predictions(segbench: Segbench, folders: None) -> None:
    expected = segbench(*ARGUMENTS, "--json").out
    Path("run").mkdir()
    with zipfile.ZipFile("run/predictions.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.write(f"maps/{name}", name)
    for predictions in ("run", "run/predictions.zip"):
        assert segbench("score", predictions, *ARGUMENTS[2:], "--json").out == expected


def test_other_sizes_are_resized_when_asked(segbench: Segbench, folders: None) -> None:
    Image.fromarray(np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)).save("maps/a.png")
    refused = segbench(*ARGUMENTS)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "Error: a: The prediction is 2 x 4 but its label is 2 x 2 (height x width). "
        "Give class ids of size 2 x 2, or let --resize nearest fit them.\n"
    )
    ended = segbench(*ARGUMENTS, "--resize", "nearest", "--json")
    # Columns 1 and 3 stay: [[0, 1], [0, 1]] on [[0, 0], [1, void]] has 1 of 3 right, b has 3 of 4.
    assert json.loads(ended.out)["global_accuracy"] == pytest.approx(4 / 7)
    assert ended.err == "1 of 2 predictions were fitted to their labels' size (nearest).\n"
    assert segbench(*ARGUMENTS, "--resize", "area").err == "Error: Unknown --resize 'area'. Known: nearest.\n"


def test_named_protocols_and_their_tallies(segbench: Segbench, folders: None) -> None:
    Image.fromarray(np.array([[255, 0], [1, 1]], np.uint8)).save("maps/a.png")
    ended = segbench(*ARGUMENTS, "--protocol", "segnet-script", "--tallies", "kept.parquet", "--json")
    assert ended.err == "1 labelled pixels are predicted as no class.\n"
    values = json.loads(ended.out)
    assert values["protocol"]["name"] == "segnet-script"
    kept = Tallies.from_parquet(Path("kept.parquet"))
    for name in ("segnet-script", "torchmetrics-miou", "smp-macro"):
        again = scores_from_tallies(kept, protocol_of(name)).model_dump(mode="json")
        assert again == json.loads(segbench(*ARGUMENTS, "--protocol", name, "--json").out)
    assert values == scores_from_tallies(kept, protocol_of("segnet-script")).model_dump(mode="json")
    assert segbench(*ARGUMENTS, "--tallies", "nowhere/kept.parquet") == (
        2,
        "",
        "Error: --tallies nowhere/kept.parquet is no file in an existing folder. Example: --tallies maps.parquet\n",
    )
    assert "Did you mean segnet-script" in segbench(*ARGUMENTS, "--protocol", "segnet").err


def test_protocols_are_listed(segbench: Segbench) -> None:
    rows = json.loads(segbench("list", "protocols", "--json").out)
    assert [row["name"] for row in rows] == [
        "segbench",
        "segnet-script",
        "paper-text",
        "torchmetrics-miou",
        "smp-macro",
    ]
    assert rows[1]["protocol"]["absent"] == "zero"


def process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "segbench", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(parent: int) -> list[int]:
    """Processes whose parent is ``parent``."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            process, rest = place.parent.name, place.read_text().rpartition(")")[2].split()
            found += [int(process)] if int(rest[1]) == parent else []
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_all_processes_without_a_traceback(segbench: Segbench) -> None:
    many(300, side=48)
    running = process(*OF_THREE, "--jobs", "2")
    workers: list[int] = []
    for _ in range(600):
        workers = children(running.pid)
        if len(workers) == 2:
            break
        time.sleep(0.05)
    assert len(workers) == 2
    os.killpg(running.pid, signal.SIGINT)
    out, error = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert error.startswith("Error: interrupted.") and error.count("\n") == 1
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
