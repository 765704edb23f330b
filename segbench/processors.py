"""How many processors there are to share work among."""

from __future__ import annotations

import os

__all__ = ["available_processors"]


def available_processors() -> int:
    """Processors that this process may use: those it is bound to, where the system tells.

    In a job of Slurm no more than it was granted, which not every cluster binds it to.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return min(bound, max(1, int(granted))) if granted.isdecimal() else bound
