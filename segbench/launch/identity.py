"""Who a process is, said without a host name, and whether it still lives."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["machine", "start_time"]

PROC = Path("/proc")


@cache
def machine() -> str:
    """16 hex digits for this boot of this machine and this container; empty where the system does not tell.

    Process ids mean the same only where this is the same: two containers of one machine have ids of their own.
    """
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = (PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:16]


def start_time(pid: int) -> int | None:
    """When a process of this machine started, in clock ticks since the boot; ``None`` where it has ended.

    A process id is used again after a while; id and start time together are not.
    """
    try:
        text = (PROC / f"{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program, which may hold anything, ends with the last bracket.
    fields = text.rpartition(")")[2].split()
    ended = fields[0] in ("Z", "X", "x")
    return None if ended else int(fields[19])
