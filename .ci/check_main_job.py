"""Judges what the main job left in a folder: a test mIoU that is neither poor nor saturated, a table, pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

LOWEST, HIGHEST = 0.50, 0.90


def records(folder: Path) -> dict[str, float]:
    """Test mIoU by model, from every run record below ``folder``."""
    found = [json.loads(path.read_text()) for path in folder.rglob("records/*/*/*.json")]
    return {record["model"]: record["scores"]["mean_iou"] for record in found if record["split"] == "test"}


def findings(folder: Path) -> list[str]:
    """What is wrong, one line each; empty when all is well."""
    scores = records(folder)
    missing = [f"no record of {model}" for model in ("segnet-basic", "fcn-basic") if model not in scores]
    segnet = scores.get("segnet-basic", LOWEST)
    outside = [] if LOWEST <= segnet <= HIGHEST else [f"segnet-basic: mIoU {segnet} not in {LOWEST}..{HIGHEST}"]
    table = [] if any(folder.rglob("synthetic-roads*.md")) else ["no table"]
    small = [path for path in folder.rglob("*.png") if path.stat().st_size < 1000]
    pictures = [f"empty picture {path.name}" for path in small] if any(folder.rglob("*.png")) else ["no pictures"]
    return missing + outside + table + pictures


if __name__ == "__main__":
    sys.exit("\n".join(findings(Path(sys.argv[1]))) or None)
