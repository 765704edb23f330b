"""One of the processes that torchrun starts for a cell: it meets the others, computes with them, says how it ended."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from segbench.launch.relay import TEXT_CHARACTERS, Relay, taken_over_stdout
from segbench.progress import SILENT

if TYPE_CHECKING:
    from segbench.engine.pipeline import Cell
    from segbench.record import Trial

__all__ = ["compute_as_rank", "rank_device"]

FAILED = 1


def compute_as_rank(
    find: Callable[[], tuple[Cell, Sequence[Trial]]],
    out: Path,
    device: str,
    *,
    sync_batch_norm: bool,
    tensorboard: bool,
    explain: Callable[[Exception], str],
) -> NoReturn:
    """Computes a cell with the processes beside this one, and ends this process.

    Args:
        find: Makes the cell, and what was tried before for its record; what it raises is told as what training raises.
        out: Folder that holds ``runs`` and ``leaderboards``.
        device: ``auto``, ``cpu`` or ``cuda``: each process takes a GPU of its own.
        explain: The one line of an error.
    """
    relay, rank = taken_over_stdout(), int(os.environ["RANK"])
    relay.send("began", rank=rank, pid=os.getpid())
    code = 0
    try:
        relay.send("ended", rank=rank, **_computed(relay, *find(), out, device, sync_batch_norm, tensorboard))
    except KeyboardInterrupt:
        relay.send("ended", rank=rank, interrupted=True)
    except Exception as error:
        traceback.print_exc()
        relay.send("ended", rank=rank, error=explain(error)[:TEXT_CHARACTERS])
        code = FAILED
    sys.stderr.flush()
    # Threads of the communication may not outlive the interpreter, and there is nothing left to be put in order.
    os._exit(code)


def _computed(
    relay: Relay,
    cell: Cell,
    trials: Sequence[Trial],
    out: Path,
    device: str,
    sync_batch_norm: bool,
    tensorboard: bool,
) -> dict[str, object]:
    from segbench.engine import pipeline
    from segbench.engine.distributed import joined
    from segbench.engine.environment import choose_compute

    place = rank_device(device)
    with joined(choose_compute(place).device, sync_batch_norm=sync_batch_norm) as team:
        progress = relay if team.leads else SILENT
        wanted = tensorboard and team.leads
        result = pipeline.run_cell(
            cell, out, device=place, tensorboard=wanted, trials=trials, progress=progress, team=team
        )
    pictures = [str(path.relative_to(out)) for path in result.pictures]
    record = str(result.path.relative_to(out))
    return {"run_id": result.record.run_id, "record": record, "pictures": pictures, "fresh": result.fresh}


def rank_device(device: str) -> str:
    """The device of this process: a GPU of its own, by its number on this machine, where GPUs are meant."""
    import torch

    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    return f"cuda:{os.environ['LOCAL_RANK']}" if on_gpu else device
