"""Kills preparations at random moments and finishes them; prints what was seen. A test starts it as a process.

Every trial forks a process that prepares, kills it with SIGKILL after a random time, one to three times over the same
home, and then lets one prepare finish; the folder has to be that of a clean one, byte for byte.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from segbench.data import preparation, shards
from segbench.registry import DATASETS
from tests.data import toy
from tests.data.trees import contents

TRIALS = 60


def prepare_in_child(home: Path, jobs: int, seconds: float | None) -> bool:
    """Prepares in a process of its own and kills that after ``seconds``; whether it got to its end."""
    process = os.fork()
    if process == 0:
        os.environ["SEGBENCH_HOME"] = str(home)
        try:
            preparation.prepare("toy", jobs=jobs)
            os._exit(0)
        except BaseException:
            os._exit(1)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def trial(home: Path, jobs: int, usual: float, draw: random.Random) -> tuple[int, int]:
    """The number of kills that hit, and of shards that the last prepare found finished."""
    hits = 0
    for _ in range(draw.randint(1, 3)):
        hits += not prepare_in_child(home, jobs, draw.uniform(0, 1.1 * usual))
        assert not (home / "data/toy/small").exists() or (home / "data/toy/small/manifest.json").is_file()
    kept = len(list(home.glob("data/toy/.small.shards.partial/*/*.json")))
    assert prepare_in_child(home, jobs, None)
    return hits, kept


def main(scratch: Path) -> None:
    """Runs all trials."""
    shards.MAX_SHARD_BYTES = 30_000
    DATASETS.add(toy.SPEC)
    samples = [toy.sample(position, (24, 32)) for position in range(120)]
    toy.replacement.append(toy.ToySource({"train": samples[:90], "validation": samples[90:100], "test": samples[100:]}))
    draw = random.Random(15)
    usual = {}
    for jobs in (1, 2):
        start = time.monotonic()
        prepare_in_child(scratch / "clean", jobs, None)
        usual[jobs] = time.monotonic() - start
        shutil.move(scratch / "clean" / "data/toy/small", scratch / f"clean{jobs}")
    clean = contents(scratch / "clean1")
    assert clean == contents(scratch / "clean2")
    seen = {"trials": 0, "hits": 0, "resumed": 0, "shards": sum(name.endswith(".arrow") for name in clean)}
    for number in range(TRIALS):
        home, jobs = scratch / str(number), 1 + number % 2
        hits, kept = trial(home, jobs, usual[jobs], draw)
        assert contents(home / "data/toy/small") == clean, number
        assert sorted(path.name for path in (home / "data/toy").iterdir()) == [".small.lock", "small"]
        seen["trials"] += 1
        seen["hits"] += hits
        seen["resumed"] += kept > 0
        shutil.rmtree(home)
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
