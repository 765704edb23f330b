"""A Slurm of one node on this machine: daemons as plain processes on loopback, with keys, ports and folders of theirs.

Jobs are real jobs of the real Slurm; only accounting and cgroups, which need a system's set-up, are left out.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cluster", "is_installed", "processes_of", "started"]

SECONDS = 30.0
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
# Debian has the daemons where only root looks by default.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# A job waits as long as its credential is valid before it starts again: 5 s is the least that Slurm takes.
CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
KillWait=20
GresTypes=gpu
NodeName=node0 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=65536 Gres=gpu:1 State=UNKNOWN
PartitionName=steady Nodes=node0 Default=YES PriorityTier=10 PreemptMode=OFF
PartitionName=gpu Nodes=node0 PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=node0 PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=node0 PriorityTier=10 PreemptMode=OFF
"""


@dataclass(frozen=True)
class Cluster:
    """A Slurm that runs.

    Attributes:
        folder: All that it writes.
        variables: What a process needs to reach it.
    """

    folder: Path
    variables: dict[str, str]

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env=os.environ | self.variables, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def state(self, job: str) -> str:
        """Slurm's word for how a job stands; empty where it is not known."""
        lines = self.ask("squeue", "--noheader", "--array", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split(maxsplit=1) for line in lines).get(job, "")

    def hurried(self, job: str) -> bool:
        """Lets a job that was put back start without the time that it would wait; whether it does not wait any more."""
        waits = self.state(job) == "PENDING"
        if waits:
            # It may have started by itself meanwhile, which scontrol takes for an error.
            _whatever(self, "scontrol", "update", f"JobId={job}", "StartTime=now")
        return not waits

    def clear(self) -> None:
        """Cancels all jobs and waits for them to be gone."""
        self.ask("scancel", f"--user={getpass.getuser()}")
        until(lambda: not self.ask("squeue", "--noheader"), 2 * SECONDS)


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Waits for something to come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def is_installed() -> bool:
    """Whether all programs are there."""
    return all(shutil.which(name, path=PATH) for name in PROGRAMS)


@contextmanager
def started() -> Iterator[Cluster]:
    """A cluster; its jobs and daemons are gone when the block ends."""
    # The name of a socket has about a hundred letters at most.
    with tempfile.TemporaryDirectory(prefix="segbench-slurm-") as name, ExitStack() as stack:
        folder = Path(name)
        _configure(folder)
        cluster = Cluster(folder, {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH})
        for command in _daemons(folder):
            stack.enter_context(_daemon(command, cluster))
        until(lambda: "idle" in _whatever(cluster, "sinfo", "--noheader"))
        stack.callback(cluster.clear)
        yield cluster


def _configure(folder: Path) -> None:
    folder.chmod(0o755)
    for part in ("state", "spool"):
        (folder / part).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    controller_port, node_port = _free_ports()
    text = CONFIGURATION.format(
        folder=folder,
        host=socket.gethostname(),
        user=getpass.getuser(),
        controller_port=controller_port,
        node_port=node_port,
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _daemons(folder: Path) -> Iterator[list[str]]:
    places = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    options = [f"--{option}={folder / name}" for option, name in places.items()]
    yield ["munged", "--foreground", "--force", f"--log-file={folder / 'munge.log'}", *options]
    yield ["slurmctld", "-D", "-c", "-f", str(folder / "slurm.conf")]
    yield ["slurmd", "-D", "-N", "node0", "-f", str(folder / "slurm.conf")]


@contextmanager
def _daemon(command: list[str], cluster: Cluster) -> Iterator[None]:
    """A process that is ended; one that needs the socket of munge is not started before it is there."""
    if command[0] != "munged":
        until((cluster.folder / "munge.socket").exists)
    with (cluster.folder / f"{command[0]}.out").open("wb") as out:
        process = subprocess.Popen(
            command, env=os.environ | cluster.variables, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _whatever(cluster: Cluster, *command: str) -> str:
    """What a command prints, while the daemons may not answer yet."""
    variables = os.environ | cluster.variables
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False).stdout


def processes_of(cluster: Cluster) -> list[str]:
    """The command lines of all processes that belong to a cluster: its daemons and what its jobs run."""
    mark, found = str(cluster.folder).encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if mark in line or mark in variables:
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found
