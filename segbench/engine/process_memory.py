"""The peak of a process that does nothing but create a network, run it once and take one training step.

Run as a module it reads what to measure as JSON from its input and writes what it found to its output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from segbench.errors import SegbenchError

__all__ = ["measure_process"]


def measure_process(values: dict[str, Any], threads: int) -> tuple[float | None, float | None]:
    """Peak resident MiB of a fresh process after inference, and after a training step.

    Args:
        values: A model's name or address and the arguments of ``segbench.engine.subject.Settings``.
        threads: Of one operation.

    Raises:
        SegbenchError: The process ended in another way; with the last line it said.
    """
    command = [sys.executable, "-m", "segbench.engine.process_memory"]
    text = json.dumps({**values, "threads": threads})
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        raise SegbenchError(f"The process that measures memory ended early: {last}.", "Use --no-process-memory.")
    inference, training = json.loads(ended.stdout)
    return inference, training


def _main() -> None:
    import torch

    from segbench.engine.allocator import keep_freed_memory
    from segbench.engine.peak_memory import process_peak_mib
    from segbench.engine.subject import Settings, create_subject

    values = json.load(sys.stdin)
    torch.set_num_threads(values.pop("threads"))
    name, settings = values.pop("model"), Settings.from_json(values)
    compute = settings.compute()
    keep_freed_memory(compute.device)
    subject = create_subject(name, settings, compute)
    subject.infer()
    inference, training = process_peak_mib(), None
    if subject.trainable:
        subject.train_step()
        training = process_peak_mib()
    json.dump([inference, training], sys.stdout)


if __name__ == "__main__":
    _main()
