"""The smallest scale of the paper's Table 1 by the real command: two of its sixteen runs, from nothing to the table.

The other networks take the same way, and all of them are built and trained by other tests; the whole scale would take
minutes.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.real_process import run_segbench

MODEL = "bilinear-interpolation"
SUITE = ("reproduce", "segnet-table1", "--scale", "smoke", "--only", MODEL)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_both_balancings_of_a_network_end_in_the_table(tmp_path: Path) -> None:
    found = json.loads(run_segbench(tmp_path, *SUITE, "--json")[0])
    board = tmp_path / "leaderboards"
    with (board / "segnet-table1-smoke.csv").open(encoding="utf-8") as file:
        rows = {row["balancing"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"median-frequency", "natural"}
    for one in found["rows"]:
        row, (run,) = rows[one["balancing"]], one["runs"]
        record = json.loads((board / f"records/synthetic-roads/{MODEL}/{run['run_id']}.json").read_text())
        assert (row["model"], row["scale"], row["run_ids"], row["seeds"]) == (MODEL, "smoke", run["run_id"], "0")
        assert float(row["ours_mean_iou"]) == record["scores"]["mean_iou"] > 0.1
        assert float(row["ours_train_mean_iou"]) == record["training"]["mean_iou"]
    # Weights of rare classes make the mean of the classes' accuracies larger.
    assert float(rows["median-frequency"]["ours_class_accuracy"]) > float(rows["natural"]["ours_class_accuracy"])
    text = (board / "segnet-table1-smoke.md").read_text(encoding="utf-8")
    assert text.split("\n\n")[2].startswith("These runs are no reproduction of the paper's numbers: another dataset")
    for name in ("segnet-table1-smoke.maps.png", "segnet-table1-smoke.curves.svg"):
        assert f"]({name})" in text
        assert 3_000 < (board / name).stat().st_size < 300_000
    run_segbench(tmp_path, "leaderboard", "--check")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    states = [cell["state"] for cell in json.loads(run_segbench(tmp_path, *SUITE, "--dry-run", "--json")[0])["cells"]]
    assert (states, len(before)) == (["done", "done"], 4)
