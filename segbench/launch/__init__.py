"""Grids of runs: which cells there are, who computes which, and the engines that start processes for them.

A cell is claimed by a file in its folder (:mod:`segbench.launch.claims`), so any number of processes and machines that
share the folder can work on one grid. Each of them runs the same loop (:mod:`segbench.launch.grid`); an engine
(:mod:`segbench.launch.local`) only decides where these processes start.
"""

from __future__ import annotations

__all__: list[str] = []
