"""Datasets: their facts and samples, their preparation, and the raw cache that training reads.

Importing this registers every dataset; a new one is a file and a line here.
"""

from __future__ import annotations

from segbench.data import camvid, sunrgbd, synthetic_roads, voc2012  # noqa: F401

__all__: list[str] = []
