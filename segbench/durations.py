"""Lengths of time as people write them: ``90s``, ``30min``, ``2h``, ``1.5d``, or as Slurm prints them."""

from __future__ import annotations

import re

__all__ = ["UNITS", "seconds_of"]

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """The seconds that a text means.

    Args:
        text: A number with one of ``UNITS``, or ``HH:MM:SS`` with or without ``DAYS-`` before it.

    Raises:
        ValueError: It is neither; the message says what may stand there.
    """
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip())
    if number is not None and number[2] in UNITS:
        return float(number[1]) * UNITS[number[2]]
    clock = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", text.strip())
    if clock is None:
        raise ValueError(f"no time; give a number with {', '.join(UNITS)}, or HH:MM:SS")
    days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
