"""In the place of torchrun and its processes: starts itself once a rank, and each does what the test names for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from segbench.launch.relay import Relay, taken_over_stdout


def rank(relay: Relay, number: int, action: str) -> int:
    """Does what was asked for and returns the exit code."""
    if action == "done":
        with relay.task("Training toy", 3, "steps") as bar:
            bar.advance(2)
            bar.show(loss=0.5)
            relay.event("epoch", {"loss": 0.5})
            relay.message("a line")
        relay.send("ended", rank=number, run_id="r", record="records/r.json", pictures=["p.png"], fresh=True)
    elif action == "follows":
        relay.send("ended", rank=number, run_id="r", record="records/r.json", pictures=[], fresh=True)
    elif action == "fails":
        sys.stderr.write("a traceback\n")
        relay.send("ended", rank=number, error="It is broken.")
        return 1
    elif action == "dies":
        time.sleep(0.2)
        os.kill(os.getpid(), 9)
    elif action == "suffers":
        # As who waits for one that dies: it fails a moment after.
        time.sleep(0.4)
        relay.send("ended", rank=number, error="Connection closed by peer.")
        return 1
    elif action == "leaves":
        return 3
    elif action == "waits":
        # Until standard input closes, as the lifeline does.
        sys.stdin.read()
        relay.send("ended", rank=number, interrupted=True)
    elif action == "hangs":
        time.sleep(60)
    return 0


def main() -> int:
    """Torchrun: one process for each action, ended together when one fails."""
    if "RANK" in os.environ:
        relay, number = taken_over_stdout(), int(os.environ["RANK"])
        relay.send("began", rank=number, pid=os.getpid())
        return rank(relay, number, sys.argv[-1].split(",")[number])
    actions = sys.argv[-1].split(",")
    assert sys.argv[sys.argv.index("--nproc-per-node") + 1] == f"{len(actions)}"
    command = [sys.executable, "-m", "tests.launch.fake_torchrun", sys.argv[-1]]
    if actions[0] == "orphaned":
        subprocess.Popen([*command[:-1], "hangs"], env=os.environ | {"RANK": "0"})
        time.sleep(0.5)
        os.kill(os.getpid(), 9)
    team = [subprocess.Popen(command, env=os.environ | {"RANK": f"{number}"}) for number in range(len(actions))]
    while all(process.poll() in (None, 0) for process in team) and any(process.poll() is None for process in team):
        time.sleep(0.02)
    time.sleep(0.3)
    for process in team:
        process.terminate()
    return max(abs(process.wait()) for process in team)


if __name__ == "__main__":
    sys.exit(main())
