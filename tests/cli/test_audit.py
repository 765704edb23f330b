"""``segbench audit``: one set of maps under every protocol, beside the packages that follow one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segbench.metrics.protocols import PROTOCOLS
from segbench.metrics.scorer import score
from tests.cli.conftest import Segbench
from tests.cli.test_score import save
from tests.metrics.protocol_references import torchmetrics_mean_iou

CHECKOUT = Path(__file__).parents[2]
ARGUMENTS = ("audit", "maps", "--labels", "truth", "--num-classes", "3")
TRUTH = {"a": [[0, 0], [1, 255]], "b": [[1, 1], [1, 0]]}
MAPS = {"a": [[0, 1], [1, 1]], "b": [[1, 1], [0, 0]]}


@pytest.fixture
def folders(home: Path) -> None:
    save("truth", **TRUTH)
    save("maps", **MAPS)


def test_every_protocol_side_by_side(segbench: Segbench, folders: None) -> None:
    code, out, err = segbench(*ARGUMENTS, "--no-peers", "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert [*values["scores"]] == [*PROTOCOLS]
    for name, scores in values["scores"].items():
        assert scores == score("maps", "truth", num_classes=3, protocol=name).model_dump(mode="json")
    assert values["peers"] == []
    # Class 2 is nowhere: of the means over 2 classes and over 3, the second is a third smaller.
    script = next(
        one for one in values["differences"] if (one["protocol"], one["score"]) == ("segnet-script", "mean_iou")
    )
    assert script["points"] == pytest.approx(-100 * values["scores"]["segbench"]["mean_iou"] / 3)
    assert [cause["points"] for cause in script["causes"]] == [pytest.approx(script["points"])]


def test_the_table_and_the_sentences(segbench: Segbench, folders: None) -> None:
    lines = segbench(*ARGUMENTS, "--no-peers").out.splitlines()
    assert lines[0] == "maps against truth"
    # Matrix by truth: [[2, 1], [1, 3]] of 7 labelled pixels; unions 4 and 5.
    assert next(line.split() for line in lines if line.startswith("segbench"))[1:4] == ["71.43", "70.83", "55.00"]
    assert next(line.split() for line in lines if line.startswith("torchmetrics-miou"))[1:3] == ["–", "–"]
    assert any(line.startswith("segnet-script: mean IoU is 36.67 instead of 55.00 (−18.33 points):") for line in lines)
    assert any(line.startswith("paper-text: the same scores as segbench on these maps:") for line in lines)


def test_errors_are_those_of_score(segbench: Segbench, folders: None) -> None:
    save("few", a=MAPS["a"])
    assert segbench("audit", "few", *ARGUMENTS[2:]).err.startswith("Error: few lacks 1 of 2 label maps: b.")
    assert segbench("audit", "maps").err.startswith("Error: Give either --dataset or --labels.")
    save("void", a=[[255, 0], [1, 1]], b=MAPS["b"])
    assert segbench("audit", "void", *ARGUMENTS[2:]).err.startswith("Error: a: The prediction holds the ignore index")
    assert segbench("audit", "void", *ARGUMENTS[2:], "--void-predictions", "wrong", "--no-peers").code == 0


Impostor = Callable[[str], None]


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Impostor]:
    """Puts a package in reach that calls itself torchmetrics and answers with some code."""

    def away() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == "torchmetrics"}

    def write(answer: str) -> None:
        package = tmp_path / "packages" / "torchmetrics"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "segmentation.py").write_text(
            "class MeanIoU:\n"
            "    def __init__(self, num_classes, input_format):\n"
            "        assert (num_classes, input_format) == (4, 'index')\n"
            "        self.seen = []\n"
            "    def update(self, preds, target):\n"
            "        self.seen.append((preds.tolist(), target.tolist()))\n"
            f"    def compute(self):\n        {answer}\n"
        )
        monkeypatch.syspath_prepend(package.parent)

    real = away()
    yield write
    away()
    sys.modules.update(real)


def test_a_peer_that_disagrees_is_exit_code_1(segbench: Segbench, folders: None, impostor: Impostor) -> None:
    impostor("return 0.25")
    ended = segbench(*ARGUMENTS, "--json")
    found = json.loads(ended.out)["peers"][0]
    assert (ended.code, found["package"], found["theirs"], found["agrees"]) == (1, "torchmetrics", 0.25, False)
    shown = segbench(*ARGUMENTS)
    assert shown.code == 1
    assert "itself: mean IoU 25.0000 DISAGREES with our torchmetrics-miou" in shown.out


def test_a_peer_is_fed_the_maps_with_void_as_one_more_class(
    segbench: Segbench, folders: None, impostor: Impostor
) -> None:
    pairs = [(np.array(TRUTH[name]), np.array(MAPS[name])) for name in TRUTH]
    rule = float(torchmetrics_mean_iou(pairs, 3))
    fed = [([MAPS[name]], [[[3 if value == 255 else value for value in row] for row in TRUTH[name]]]) for name in TRUTH]
    impostor(f"assert self.seen == {fed}; return {rule}")
    ended = segbench(*ARGUMENTS, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["peers"][0]["agrees"] is True


def test_a_peer_that_breaks_is_told(segbench: Segbench, folders: None, impostor: Impostor) -> None:
    impostor("raise RuntimeError('no luck')")
    ended = segbench(*ARGUMENTS)
    assert ended.code == 0
    assert "gives no number: RuntimeError: no luck" in ended.err


def test_torchmetrics_itself_agrees(segbench: Segbench, folders: None) -> None:
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    ended = segbench(*ARGUMENTS, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)["peers"][0]
    assert (found["package"], found["agrees"]) == ("torchmetrics", True)
    assert found["tolerance"] < 1e-6


CODE = """
import sys
from segbench.cli import main
try:
    main(sys.argv[1:])
finally:
    assert "torch" not in sys.modules
"""


def test_torch_is_loaded_for_a_peer_alone(folders: None) -> None:
    without = [find_spec(name) is None for name in ("torchmetrics", "segmentation_models_pytorch")]
    for option in ["--no-peers", *(["--peers"] if all(without) else [])]:
        command = [sys.executable, "-c", CODE, *ARGUMENTS, option]
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}
        )
        assert ended.returncode == 0, ended.stderr
