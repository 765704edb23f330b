"""Processors divided among processes."""

from __future__ import annotations

from segbench.processors import available_processors

__all__ = ["thread_variables", "threads_each"]

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def threads_each(processes: int) -> int:
    """The threads of one of several processes, at least one.

    Sums in floating point depend on how they are divided among threads: on a CPU the weights of a cell are the same
    bit for bit only where the number of threads is the same, which every record holds. To compare runs of different
    launchers bit for bit, give both the same ``--threads``.
    """
    return max(1, available_processors() // processes)


def thread_variables(threads: int) -> dict[str, str]:
    """What tells the numerical libraries, which read it when they are first loaded."""
    return dict.fromkeys(_VARIABLES, f"{threads}")
