"""The process of a job: it passes the word on, waits for the cell to be saved, and decides what becomes of the job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segbench.launch.cell_files import CLAIM_FILE, Done, Failure, read, write
from segbench.launch.claims import acquire
from tests.launch.test_processes import until
from tests.slurm_stubs import Stubs

CHECKOUT = Path(__file__).parents[2]
JOB = """
import json, sys
from pathlib import Path
from segbench.launch.slurm_job import CellJob
command, folder, root, log = json.loads(sys.argv[1])
CellJob(command, Path(folder), Path(root), log)()
"""
# A worker that says that it is here, waits for its input to close, saves and ends as an interrupted one does.
SAVES = "import sys; print('here', flush=True); sys.stdin.read(); open(STATE, 'wb').close(); sys.exit(130)"
ENDS = "import sys; print('here', flush=True); sys.stdin.read(); sys.exit(130)"


class Job:
    """One start of a job that runs a line of Python as its worker."""

    def __init__(self, root: Path, code: str) -> None:
        self.root, self.folder = root, root / "runs" / "toy" / "cell"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = root / "slurm-17_3.log"
        code = code.replace("STATE", repr(str(self.folder / "state.safetensors")))
        given = [[sys.executable, "-c", code], str(self.folder), str(root), str(root / "slurm-{job}.log")]
        job = {"SLURM_CLUSTER_NAME": "loopback", "SLURM_JOB_ID": "20", "SLURM_CPUS_ON_NODE": "1"}
        job |= {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3", "PYTHONPATH": str(CHECKOUT)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", JOB, json.dumps(given)], env=os.environ | job, stdout=log, stderr=log
            )

    def told(self, number: int) -> Job:
        """Sends a signal when the worker is there."""
        until(lambda: "here" in self.log.read_text().splitlines())
        self.process.send_signal(number)
        return self

    @property
    def code(self) -> int:
        return self.process.wait(60)

    @property
    def failure(self) -> Failure | None:
        return read(self.folder, Failure)


def requeued(stubs: Stubs) -> bool:
    return "scontrol requeue 17_3" in stubs.asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_job_that_is_told_to_end_saves_and_puts_itself_back(stubs: Stubs, tmp_path: Path, number: int) -> None:
    stubs.says("squeue", "17_3|RUNNING|None\n")
    job = Job(tmp_path, SAVES).told(number)
    assert job.code == 130
    assert (job.folder / "state.safetensors").exists() and requeued(stubs) and job.failure is None
    name = signal.Signals(number).name
    assert f"Job 17_3 was told to end by {name}. It goes on in its next start." in job.log.read_text()


def test_a_cancelled_job_saves_and_stays_cancelled(stubs: Stubs, tmp_path: Path) -> None:
    stubs.says("squeue", "17_3|COMPLETING|None\n")
    job = Job(tmp_path, SAVES).told(signal.SIGTERM)
    assert job.code == 130
    assert (job.folder / "state.safetensors").exists() and not requeued(stubs) and job.failure is None


def test_a_limit_that_leaves_no_time_for_a_checkpoint_is_a_failure(stubs: Stubs, tmp_path: Path) -> None:
    stubs.says("squeue", "17_3|RUNNING|None\n")
    for _ in range(2):
        job = Job(tmp_path, ENDS).told(signal.SIGUSR2)
        assert (job.code, job.failure, requeued(stubs)) == (130, None, True)
        job.log.unlink()
        (stubs.folder / "asked").unlink()
    job = Job(tmp_path, ENDS).told(signal.SIGUSR2)
    assert (job.code, requeued(stubs)) == (130, False)
    assert job.failure is not None
    assert job.failure.error == (
        "The time limit of its job ended it 3 times, with no checkpoint between (is it long enough?)."
    )
    assert (job.folder / job.failure.log).read_text() == f"{job.failure.error}\n"


def test_preemption_before_the_first_checkpoint_is_no_failure_however_often(stubs: Stubs, tmp_path: Path) -> None:
    stubs.says("squeue", "17_3|RUNNING|None\n")
    for _ in range(4):
        job = Job(tmp_path, ENDS).told(signal.SIGTERM)
        assert (job.code, job.failure) == (130, None)
        job.log.unlink()


def test_a_worker_that_ends_without_a_word_leaves_a_failure(stubs: Stubs, tmp_path: Path) -> None:
    code = "import sys; print('Error: camvid is not prepared. Run: segbench prepare camvid', flush=True); sys.exit(2)"
    job = Job(tmp_path, code)
    assert job.code == 2 and not requeued(stubs)
    assert job.failure is not None
    assert job.failure.error == (
        "Its process in job 17_3 ended with exit code 2. "
        "It said last: Error: camvid is not prepared. Run: segbench prepare camvid"
    )
    assert "camvid is not prepared" in (job.folder / job.failure.log).read_text()


def test_a_worker_that_is_killed_leaves_a_failure(tmp_path: Path) -> None:
    job = Job(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert job.code == 1
    assert job.failure is not None and job.failure.error == "Its process in job 17_3 was ended by SIGKILL."


def test_a_failure_that_the_worker_left_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "toy" / "cell"
    failure = Failure("OSError: the disk is gone", 3, "2026-01-01T00:00:00+00:00", "failure.log")
    write(folder, failure)
    job = Job(tmp_path, "import sys; sys.exit(1)")
    assert (job.code, job.failure) == (1, failure)


def test_a_cell_that_another_process_has_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "toy" / "cell"
    acquire(folder / CLAIM_FILE)
    job = Job(tmp_path, "import sys; sys.exit(2)")
    assert (job.code, job.failure) == (2, None)


def test_what_is_done_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "toy" / "cell"
    (tmp_path / "record").touch()
    write(folder, Done("1" * 12, "record", []))
    job = Job(tmp_path, "import sys; sys.exit(2)")
    assert (job.code, job.failure) == (2, None)
    assert Job(tmp_path, "").code == 0


def test_the_worker_has_the_threads_that_the_job_was_granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job = Job(tmp_path, "import os; print('threads', os.environ['OMP_NUM_THREADS'], flush=True)")
    assert job.code == 0
    assert "threads 1\n" in job.log.read_text()


def test_the_worker_ends_with_the_job(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    job = Job(tmp_path, f"import sys; print('here', flush=True); sys.stdin.read(); open({str(gone)!r}, 'w').close()")
    job.told(signal.SIGKILL)
    assert job.code == -signal.SIGKILL
    until(gone.exists)
