"""``segbench run --launcher slurm`` where Slurm says what a test wants: who gets a job, and what is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from segbench.launch.cell_files import Failure, read, write
from tests.cli.conftest import MODEL, Segbench
from tests.slurm_stubs import Stubs

OPTIONS = ("--time", "90min", "--partition", "gpu", "--gres", "gpu:1", "--sbatch", "mem=16G", "--sbatch", "exclusive")
ASKED = {"time": 90, "partition": "gpu", "gres": "gpu:1", "signal": "B:USR2@90", "mem": "16G", "exclusive": True}


@pytest.fixture
def slurm(command: tuple[str, ...], stubs: Stubs) -> tuple[str, ...]:
    """A run of two models by jobs; the queue is empty and takes everything."""
    stubs.says("sbatch", "Submitted batch job 17\n")
    stubs.says("squeue", "")
    return (*command, "--launcher", "slurm")


def submitted(stubs: Stubs) -> int:
    return sum(line.startswith("sbatch ") for line in stubs.asked)


def test_all_that_was_asked_for_is_in_the_batch_script(segbench: Segbench, slurm: tuple[str, ...]) -> None:
    code, out, err = segbench(*slurm, *OPTIONS, "--jobs", "1", "--threads", "2", "--out", "o", "--json")
    assert (code, err) == (0, "How they stand: segbench status o\n")
    jobs = json.loads(out)["jobs"]
    assert [(job["model"], job["job"], job["log"]) for job in jobs] == [
        (MODEL, "17_0", "o/runs/logs/slurm-17_0.log"),
        ("fcn-basic", "17_1", "o/runs/logs/slurm-17_1.log"),
    ]
    (script,) = Path("o/runs/slurm").glob("*/17_submission.sh")
    lines = script.read_text().splitlines()
    asked = {*ASKED.items(), ("array", "0-1%1"), ("requeue", True), ("open-mode", "append"), ("nodes", 1)}
    asked |= {("job-name", "segbench"), ("output", Path("o/runs/logs/slurm-%A_%a.log").absolute())}
    options = {f"--{key}" if value is True else f"--{key}={value}" for key, value in asked}
    assert {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")} == options
    assert lines[-1].startswith("exec ")


def test_a_job_is_a_worker_of_one_cell(segbench: Segbench, slurm: tuple[str, ...]) -> None:
    from submitit.core.utils import DelayedSubmission

    assert segbench(*slurm, "--threads", "2", "--device", "cuda", "--set", "train.lr=0.02").code == 0
    (folder,) = Path("runs/slurm").iterdir()
    jobs: list[Any] = [DelayedSubmission.load(folder / f"17_{task}_submitted.pkl").function for task in range(2)]
    given = ["run", "--dataset", "toy", "--seeds", "0", "--device", "cuda", "--threads", "2", "--out", "."]
    given += ["--recipe", "tiny", "--set", "train.lr=0.02", "--worker", "--"]
    command = [sys.executable, "-m", "segbench", *given]
    assert [job.command for job in jobs] == [[*command, MODEL], [*command, "fcn-basic"]]
    assert [job.folder.parent for job in jobs] == [Path("runs/toy").absolute()] * 2


def test_a_job_may_share_its_run_among_processes(segbench: Segbench, slurm: tuple[str, ...]) -> None:
    from submitit.core.utils import DelayedSubmission

    assert segbench(*slurm, "--nproc", "2", "--sync-batch-norm").code == 0
    (path,) = Path("runs/slurm").glob("*/17_1_submitted.pkl")
    job: Any = DelayedSubmission.load(path).function
    together = ["--launcher", "torchrun", "--nproc", "2", "--sync-batch-norm", "--worker", "--", "fcn-basic"]
    assert job.command[-len(together) :] == together
    code, out, err = segbench(*slurm, "--sync-batch-norm")
    assert (code, out) == (2, "")
    assert err == "Error: --sync-batch-norm needs several processes for each run. Example: --nproc 2\n"


def test_nobody_gets_a_second_job(segbench: Segbench, slurm: tuple[str, ...], stubs: Stubs) -> None:
    assert segbench(*slurm).code == 0
    stubs.says("squeue", "17_0|PENDING|Priority\n17_1|RUNNING|None\n")
    code, out, _ = segbench(*slurm, "--json")
    assert (code, submitted(stubs)) == (0, 1)
    assert json.loads(out)["jobs"] == []
    assert [one["reason"] for one in json.loads(out)["left_out"]] == ["job 17_0 is PENDING.", "job 17_1 is RUNNING."]
    assert f"{MODEL}.tiny seed 0 gets no job: job 17_0 is PENDING." in " ".join(segbench(*slurm).out.split())

    stubs.says("squeue", "17_0|PENDING|Priority\n")  # the other has ended, and left nothing
    stubs.says("sbatch", "Submitted batch job 18\n")
    (job,) = json.loads(segbench(*slurm, "--json").out)["jobs"]
    assert (job["model"], job["job"], submitted(stubs)) == ("fcn-basic", "18", 2)


def test_what_failed_gets_a_job_when_asked(segbench: Segbench, slurm: tuple[str, ...], stubs: Stubs) -> None:
    (cell, _) = json.loads(segbench(*slurm, "--dry-run", "--json").out)["cells"]
    failure = Failure("OSError: the disk is gone.", 3, "2026-01-01T00:00:00+00:00", "failure.log")
    write(Path(cell["folder"]), failure)
    code, out, err = segbench(*slurm, "--json")
    assert (code, [job["model"] for job in json.loads(out)["jobs"]]) == (1, ["fcn-basic"])
    assert f"Error: {MODEL}.tiny seed 0: it failed: OSError: the disk is gone. Log: {cell['folder']}/failure.log" in err
    code, out, _ = segbench(*slurm, "--retry-failed", "--json")
    assert (code, [job["model"] for job in json.loads(out)["jobs"]]) == (0, [MODEL, "fcn-basic"])
    assert read(Path(cell["folder"]), Failure) is None


def test_recipes_that_ask_for_different_things_are_arrays_of_their_own(
    segbench: Segbench, slurm: tuple[str, ...], prepared: Path
) -> None:
    (path,) = prepared.glob("toy/fcn-basic.tiny.toml")
    path.write_text(path.read_text() + '\n[slurm]\ntime = "4h"\ngres = "gpu:2"\n')
    values = json.loads(segbench(*slurm, "--seeds", "0,1", "--gres", "gpu:1", "--dry-run", "--json").out)
    usual = {"array": "0-1", "gres": "gpu:1", "signal": "B:USR2@90"}
    assert [array["sbatch"] for array in values["slurm"]] == [usual, usual | {"time": 240}]
    ids = {cell["cell_id"]: cell["model"] for cell in values["cells"]}
    assert [{ids[name] for name in array["cells"]} for array in values["slurm"]] == [{MODEL}, {"fcn-basic"}]
    assert not Path("runs/slurm").exists()
    text = segbench(*slurm, "--seeds", "0,1", "--jobs", "2", "--dry-run").out
    assert "sbatch --array=0-1%2 --time=240 --gres=gpu:2 --signal=B:USR2@90: fcn-basic.tiny seed 0, fcn-basic" in text


def test_what_slurm_does_not_take_is_one_line(segbench: Segbench, slurm: tuple[str, ...], stubs: Stubs) -> None:
    reason = "sbatch: error: Batch job submission failed: Invalid partition\n"
    stubs.says("sbatch", "", f"sbatch: error: invalid partition specified: x\n{reason}", 1)
    code, out, err = segbench(*slurm, "--partition", "x")
    assert (code, out, err) == (2, "", "Error: Slurm does not take the jobs: Invalid partition.\n")


def test_without_slurm_or_submitit_is_wrong_use(
    segbench: Segbench, slurm: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    code, out, err = segbench(*slurm)
    assert (code, out) == (2, "")
    assert err == (
        "Error: --launcher slurm needs Slurm's sbatch, which is not on this machine. "
        "Give the command on a machine from which jobs are submitted.\n"
    )
    assert segbench(*slurm, "--dry-run", *OPTIONS).code == 0
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, out, err = segbench(*slurm)
    assert (code, out) == (2, "")
    assert err == (
        "Error: --launcher slurm needs submitit, which is not installed. Install it: pip install 'segbench[slurm]'\n"
    )


@pytest.mark.parametrize("option", [OPTIONS[:2], OPTIONS[2:4], OPTIONS[4:6], OPTIONS[6:8], ("--wait",)])
def test_options_of_jobs_are_for_jobs(segbench: Segbench, command: tuple[str, ...], option: tuple[str, ...]) -> None:
    code, out, err = segbench(*command, *option)
    assert (code, out) == (2, "")
    assert err == f"Error: {option[0]} is for jobs of Slurm, not for --launcher local. Add --launcher slurm.\n"


@pytest.mark.parametrize(
    ("option", "answer"),
    [
        (("--time", "soon"), "slurm.time: no time; give a number with s, m, min, h, d, or HH:MM:SS (got"),
        (("--sbatch", "array=0-9"), "segbench sets it"),
        (("--sbatch", "Mem=1"), "slurm.sbatch.Mem"),
        (("--partition", ""), "slurm.partition: true, a whole number or one line of text is allowed"),
    ],
)
def test_a_wrong_option_is_said(
    segbench: Segbench, slurm: tuple[str, ...], stubs: Stubs, option: tuple[str, ...], answer: str
) -> None:
    code, out, err = segbench(*slurm, *option)
    assert (code, out) == (2, "")
    assert answer in err and err.count("\n") == 1
    assert submitted(stubs) == 0


def test_waiting_ends_when_nobody_is_left_who_would_end_the_runs(segbench: Segbench, slurm: tuple[str, ...]) -> None:
    code, out, err = segbench(*slurm, "--wait", "--json")
    assert code == 1
    assert [one["model"] for one in json.loads(out)["unfinished"]] == [MODEL, "fcn-basic"]
    assert "2 of 2 runs are not finished" in err


def test_status_names_jobs_and_why_they_wait(segbench: Segbench, slurm: tuple[str, ...], stubs: Stubs) -> None:
    assert segbench(*slurm).code == 0
    stubs.says("squeue", "17_0|PENDING|Priority\n17_1|TIMEOUT|None\n")
    jobs = {cell["model"]: cell["job"] for cell in json.loads(segbench("status", "--json").out)["cells"]}
    assert jobs == {
        MODEL: {"id": "17_0", "state": "PENDING", "reason": "Priority", "log": "runs/logs/slurm-17_0.log"},
        "fcn-basic": {"id": "17_1", "state": "TIMEOUT", "reason": None, "log": "runs/logs/slurm-17_1.log"},
    }
    out = segbench("status").out
    assert max(map(len, out.splitlines())) <= 80
    assert "17_0 PENDING" in out and "1 job waiting: Priority." in out
    ended = "fcn-basic.tiny seed 0: job 17_1 ended (TIMEOUT) before the run did. Log: runs/logs/slurm-17_1.log"
    assert ended in " ".join(out.split())
    stubs.says("squeue", "", "slurm_load_jobs error: Unable to contact slurm controller\n", 1)
    cells = json.loads(segbench("status", "--json").out)["cells"]
    assert [(cell["job"]["state"], cell["state"]) for cell in cells] == [(None, "waiting")] * 2
