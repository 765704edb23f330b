"""How many processors there are to share work among."""

from __future__ import annotations

import os

__all__ = ["available_processors"]


def available_processors() -> int:
    """Processors that this process may use: those it is bound to, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
