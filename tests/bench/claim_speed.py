"""Cells a second that 8 processes claim and end in one grid folder, when the cells have nothing to do.

1,000 cells; the time is from the common start to the end of the last process, and each cell must have been computed
once. The best of several rounds counts: a busy machine only takes away.
Run: python tests/bench/claim_speed.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.launch.empty_cells import measure

PROCESSES = 8
CELLS = 1000
ROUNDS = 5


def one_round() -> float:
    """Cells a second of one grid."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), PROCESSES, CELLS, kills=0)
    assert found["cells"] == found["computed"] == CELLS and found["met"] == found["litter"] == 0, found
    return found["cells_per_s"]


if __name__ == "__main__":
    rates = sorted(one_round() for _ in range(ROUNDS))
    print(
        f"{PROCESSES} processes, {CELLS} empty cells, {ROUNDS} rounds: {rates[-1]:.0f} cells/s, slowest {rates[0]:.0f}"
    )
