"""Claims: a file that one process at a time can own, on any file system, NFS too.

A claim is made by ``link(2)``, which either happens or does not, and the file is complete from its first moment. Its
owner renews the time of the file. A claim is stale when its process has ended (seen at once on the same machine), or
when its time is older than ``STALE_AFTER_S`` (the only sign from another machine). For a job of Slurm on another
machine there are two more: a later start of the same job sees at once that it is one, and when the owner has been
silent for ``ASK_AFTER_S`` the controller is asked.

A stale claim is replaced, never removed: whoever wants to replace it first claims the right to replace this very one,
by a file with the token of the stale claim in its name, and then looks again. So of many that see the same stale claim
one wins, and one that looked too early finds another token and lets go. Who dies in between leaves a stale right, which
is replaced in the same way.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from segbench.launch.identity import machine, start_time
from segbench.launch.slurm_queue import JobStart, has_ended, this_start

__all__ = [
    "ASK_AFTER_S",
    "HEARTBEAT_S",
    "STALE_AFTER_S",
    "Claim",
    "Holder",
    "acquire",
    "holder_of",
    "is_stale",
    "waited_for",
]

HEARTBEAT_S = 2.0
ASK_AFTER_S = 10.0
STALE_AFTER_S = 120.0
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_TICKET, _RIGHT = ".ticket", ".recovery"


@dataclass(frozen=True)
class Holder:
    """Who made a claim; no host name.

    Attributes:
        token: 16 random hex digits, new for each claim.
        started: When the process started, in clock ticks since the boot.
        machine: See :func:`segbench.launch.identity.machine`.
        job: The job of Slurm that it belongs to.
    """

    token: str
    pid: int
    started: int | None
    machine: str
    job: JobStart | None = None

    @property
    def is_here(self) -> bool:
        """Whether its process id can be looked up from here."""
        return bool(self.machine) and self.machine == machine()


@dataclass
class Claim:
    """A claim of this process.

    Attributes:
        path: The claim's file.
        replaced: The holder of the stale claim that stood there before.
    """

    path: Path
    token: str
    replaced: Holder | None = None

    def renew(self) -> bool:
        """Says that the owner lives; ``False`` where the claim has been lost to another."""
        try:
            os.utime(self.path)
        except FileNotFoundError:
            return False
        return _token_at(self.path) == self.token

    def release(self) -> None:
        """Gives the claim back; one that was lost is left to its new owner."""
        if _token_at(self.path) == self.token:
            self.path.unlink(missing_ok=True)


def acquire(path: Path) -> Claim | None:
    """Claims ``path`` for this process; ``None`` where somebody else has it.

    Raises:
        OSError: The folder cannot be written.
    """
    seen = holder_of(path)
    if seen is not None and not is_stale(path, seen):
        return None
    mine = Holder(secrets.token_hex(8), os.getpid(), start_time(os.getpid()), machine(), this_start())
    ticket = path.with_name(f".{mine.token}{_TICKET}")
    path.parent.mkdir(parents=True, exist_ok=True)
    ticket.write_text(_dumped(mine), encoding="ascii")
    try:
        if not _take(path, ticket, mine):
            return None
        if seen is not None:
            _sweep(path.parent, mine)
        return Claim(path, mine.token, seen)
    finally:
        ticket.unlink(missing_ok=True)


def waited_for(path: Path, poll_s: float = 0.05) -> Claim:
    """Claims ``path``, and waits as long as others have it."""
    while (claim := acquire(path)) is None:
        time.sleep(poll_s)
    return claim


def holder_of(path: Path) -> Holder | None:
    """Who made the claim ``path``; ``None`` where there is none.

    A file that a loss of power left empty is a claim of nobody known, and becomes stale with time.
    """
    try:
        with path.open("rb") as file:
            text, inode = file.read(), os.fstat(file.fileno()).st_ino
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return None
        raise
    try:
        values = json.loads(text)
        job = JobStart(**values["job"]) if "job" in values else None
        return Holder(values["token"], values["pid"], values["started"], values["machine"], job)
    except (ValueError, KeyError, TypeError):
        return Holder(f"unreadable-{inode}", 0, None, "")


def _dumped(holder: Holder) -> str:
    return json.dumps({key: value for key, value in asdict(holder).items() if key != "job" or value is not None})


def is_stale(path: Path, holder: Holder, now: float | None = None) -> bool:
    """Whether the owner of a claim has ended, or must be taken to have ended.

    Args:
        now: Seconds since the epoch by the clock that gives files their times; this machine's if left out.
    """
    if holder.is_here:
        return start_time(holder.pid) != holder.started or holder.started is None
    try:
        renewed = path.stat().st_mtime
    except FileNotFoundError:
        return False
    silent_s = (time.time() if now is None else now) - renewed
    return silent_s > STALE_AFTER_S or (holder.job is not None and _is_over(holder.job, silent_s))


def _is_over(job: JobStart, silent_s: float) -> bool:
    return job.came_before(this_start()) or (silent_s > ASK_AFTER_S and has_ended(job))


def _take(path: Path, ticket: Path, mine: Holder) -> bool:
    if _link(ticket, path, mine):
        return True
    holder = holder_of(path)
    if holder is None or not _is_stale_beside(path, holder, ticket):
        return False
    right = path.with_name(f".{holder.token}{_RIGHT}")
    if not _take(right, ticket, mine):
        return False
    try:
        if _token_at(path) != holder.token:
            return False
        return _replace(ticket, path, mine)
    finally:
        right.unlink(missing_ok=True)


def _is_stale_beside(path: Path, holder: Holder, ticket: Path) -> bool:
    """By the time of a new file, which is from the server as the claim's is: clocks of machines need not agree."""
    try:
        return is_stale(path, holder, ticket.stat().st_mtime)
    except FileNotFoundError:
        return False  # swept by somebody who owns the claim by now


def _link(ticket: Path, path: Path, mine: Holder) -> bool:
    try:
        _linked_or_copied(ticket, path)
    except FileExistsError:
        # An answer that NFS lost is asked for again, and then says that our own link exists.
        return _token_at(path) == mine.token
    except FileNotFoundError:
        return False  # somebody owns the claim by now, and swept
    return True


def _linked_or_copied(ticket: Path, path: Path) -> None:
    """On a file system without hard links the file is made exclusively; one that a kill leaves empty becomes stale."""
    try:
        os.link(ticket, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        text = ticket.read_bytes()
        with path.open("xb") as file:
            file.write(text)


def _replace(ticket: Path, path: Path, mine: Holder) -> bool:
    """Puts a second link of the ticket, which may be needed once more, into the place of a stale claim."""
    second = path.with_name(f".{mine.token}.{secrets.token_hex(4)}{_TICKET}")
    if not _link(ticket, second, mine):
        return False
    second.replace(path)
    return True


def _sweep(folder: Path, mine: Holder) -> None:
    """Removes what those who died on the way to a claim left; who lives and loses a ticket has come too late."""
    for ending in (_TICKET, _RIGHT):
        for path in folder.glob(f".*{ending}"):
            if mine.token not in path.name:
                path.unlink(missing_ok=True)


def _token_at(path: Path) -> str | None:
    holder = holder_of(path)
    return None if holder is None else holder.token
