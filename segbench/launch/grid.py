"""The loop that every process of a grid runs: claim a cell, compute it, say how it ended; then the next one."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from segbench.errors import ProcessLostError
from segbench.launch.cell_files import CLAIM_FILE, Deaths, Done, Failure, GridCell, Position, has, read, remove, write
from segbench.launch.claims import Claim, acquire, holder_of
from segbench.launch.deaths import count_death, failed_now
from segbench.launch.heartbeat import Watched, beating
from segbench.progress import SILENT, Progress

__all__ = ["Ending", "Grid", "finished", "forget_failures", "known_failures"]

POLL_S = 1.0

C = TypeVar("C", bound=GridCell)


@dataclass(frozen=True)
class Ending(Generic[C]):
    """How a cell stands when the loop is through with it.

    Attributes:
        done: ``None`` where it failed or was left out.
        failure: ``None`` where it is done or was left out.
        here: Whether it was computed by this call.
        fresh: Whether it ended, here or elsewhere, while this call waited or worked.
    """

    cell: C
    done: Done | None = None
    failure: Failure | None = None
    here: bool = False
    fresh: bool = False


@dataclass
class Grid(Generic[C]):
    """Cells that any number of processes work on; each cell is computed by one of them.

    Attributes:
        cells: In the order in which they are begun.
        root: Folder that holds ``runs`` and ``leaderboards``.
        work: Computes a cell, or goes on with it.
        describe: The one line of an error.
        name: What people call a cell.
        retry: Failures by cell id that are forgotten; those that come later are not.
        admit: Asked before a cell is begun; where it says no the cell is left out.
        ended: Told of each cell's ending.
    """

    cells: Sequence[C]
    root: Path
    work: Callable[[C, Progress], Done]
    describe: Callable[[Exception], str]
    name: Callable[[C], str]
    retry: Mapping[str, Failure]
    progress: Progress = SILENT
    admit: Callable[[C], bool] = lambda cell: True
    ended: Callable[[Ending[C]], None] = lambda ending: None

    def run(self) -> list[Ending[C]]:
        """Computes what nobody else computes, waits for the rest; returns the endings in the order of the cells.

        Cells that other processes have are passed over and asked for again later. Those whose processes die meanwhile
        are taken over.

        Raises:
            KeyboardInterrupt: Ctrl-C; the claim was given back.
            ProcessLostError: A process that computes a cell with others was killed; the claim was given back.
        """
        endings: dict[str, Ending[C]] = {}
        waiting, told = list(self.cells), set[str]()
        first = True
        while waiting:
            ended = [ending for cell in waiting if (ending := self._try(cell, first)) is not None]
            endings |= {ending.cell.cell_id: ending for ending in ended}
            waiting = [cell for cell in waiting if cell.cell_id not in endings]
            if waiting and not ended:
                self._tell(waiting, told)
                time.sleep(POLL_S)
            first = False
        return [endings[cell.cell_id] for cell in self.cells]

    def _tell(self, waiting: Sequence[C], told: set[str]) -> None:
        for cell in waiting:
            holder = holder_of(cell.folder / CLAIM_FILE)
            if holder is not None and holder.token not in told:
                told.add(holder.token)
                where = f"process {holder.pid}" if holder.is_here else "a process on another machine"
                self.progress.message(f"{self.name(cell)} is being run by {where}; waiting for it.")

    def _try(self, cell: C, first: bool) -> Ending[C] | None:
        """How the cell ended, or ``None`` where another process has it."""
        ending = self._known(cell, fresh=not first)
        if ending is None and not self.admit(cell):
            ending = Ending(cell)
        if ending is None:
            ending = self._claimed(cell)
        if ending is not None:
            self.ended(ending)
        return ending

    def _known(self, cell: C, fresh: bool) -> Ending[C] | None:
        done = finished(cell.folder, self.root)
        if done is not None:
            return Ending(cell, done, fresh=fresh)
        failure = read(cell.folder, Failure)
        if failure is not None and failure != self.retry.get(cell.cell_id):
            return Ending(cell, failure=failure, fresh=fresh)
        return None

    def _claimed(self, cell: C) -> Ending[C] | None:
        claim = acquire(cell.folder / CLAIM_FILE)
        if claim is None:
            return None
        try:
            # It may have ended between the look and the claim.
            return self._known(cell, fresh=True) or self._begin(cell, claim)
        finally:
            claim.release()

    def _begin(self, cell: C, claim: Claim) -> Ending[C] | None:
        remove(cell.folder, Failure)
        if claim.replaced is not None:
            failure = count_death(cell.folder, "Its process ended without a word", "is there enough memory?")
            if failure is not None:
                return self._failed(cell, failure)
            self.progress.message(f"{self.name(cell)} was left by a process that ended; going on with it.")
        return self._compute(cell, claim)

    def _compute(self, cell: C, claim: Claim) -> Ending[C] | None:
        before = read(cell.folder, Position)
        watched = Watched(self.progress, before.step if before else 0)
        lost = None
        try:
            with beating(claim, cell.folder, watched) as lost:
                done = self.work(cell, watched)
        except KeyboardInterrupt:
            if lost is None or not lost.is_set():
                raise
            self.progress.message(f"{self.name(cell)} was taken over by another process while this one stood still.")
            return None
        except ProcessLostError:
            # No fault of the cell: whoever comes next goes on with it.
            raise
        except Exception as error:
            failure = failed_now(cell.folder, self.describe(error), traceback.format_exc(), watched.step)
            return self._failed(cell, failure)
        write(cell.folder, done)
        for leftover in (Deaths, Position):
            remove(cell.folder, leftover)
        return Ending(cell, done, here=True, fresh=True)

    def _failed(self, cell: C, failure: Failure) -> Ending[C]:
        write(cell.folder, failure)
        remove(cell.folder, Deaths)
        return Ending(cell, failure=failure, here=True, fresh=True)


def finished(folder: Path, root: Path) -> Done | None:
    """What a cell's folder says of its end, if the record is still there."""
    done = read(folder, Done) if has(folder, Done) else None
    return done if done is not None and (root / done.record).exists() else None


def known_failures(cells: Sequence[GridCell]) -> dict[str, Failure]:
    """The failures of earlier commands by cell id."""
    found = {cell.cell_id: read(cell.folder, Failure) for cell in cells}
    return {name: failure for name, failure in found.items() if failure is not None}


def forget_failures(cells: Sequence[GridCell]) -> None:
    """Lets the processes that are started next try again what failed; a cell that somebody has is left to them."""
    for cell in cells:
        if has(cell.folder, Failure) and (claim := acquire(cell.folder / CLAIM_FILE)) is not None:
            remove(cell.folder, Failure)
            claim.release()
