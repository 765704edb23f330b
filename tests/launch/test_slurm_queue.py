"""What Slurm is asked, how its answers are read, and what is made of no answer."""

from __future__ import annotations

import pytest

from segbench.launch import slurm_queue
from segbench.launch.slurm_queue import JobStart, JobState, cluster_name, has_ended, job_states, put_back, this_start
from tests.slurm_stubs import Stubs

START = JobStart("loopback", "17_3", 1)
UNKNOWN = "slurm_load_jobs error: Invalid job id specified\n"


@pytest.fixture(autouse=True)
def stubbed(stubs: Stubs) -> None:
    """No test asks a Slurm that happens to be here."""


def test_jobs_and_tasks_of_arrays_are_asked_for_at_once(stubs: Stubs) -> None:
    stubs.says("squeue", "17_3|RUNNING|None\n17_4|PENDING|JobArrayTaskLimit\n18|FAILED|NonZeroExitCode\n")
    assert job_states(["18", "17_4", "17_3", "17_3", "99"]) == {
        "17_3": JobState("RUNNING"),
        "17_4": JobState("PENDING", "JobArrayTaskLimit"),
        "18": JobState("FAILED", "NonZeroExitCode"),
        "99": JobState(""),
    }
    (asked,) = stubs.asked
    assert "--jobs=17,18,99 " in asked and "--array" in asked and "--states=all" in asked


def test_nothing_is_asked_where_there_are_no_jobs(stubs: Stubs) -> None:
    assert job_states([]) == {}
    assert stubs.asked == []


def test_a_job_that_was_forgotten_is_told_from_no_answer(stubs: Stubs) -> None:
    stubs.says("squeue", "", UNKNOWN, 1)
    assert job_states(["17"]) == {"17": JobState("")}
    stubs.says("squeue", "", "slurm_load_jobs error: Unable to contact slurm controller\n", 1)
    assert job_states(["17"]) is None


def test_without_slurm_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert job_states(["17"]) is None
    assert cluster_name() is None
    assert not has_ended(START)
    assert not put_back("17")


@pytest.mark.parametrize(
    ("state", "alive", "over"),
    [
        ("RUNNING", True, False),
        ("COMPLETING", True, False),
        ("SUSPENDED", True, False),
        ("PENDING", True, True),
        ("REQUEUED", True, True),
        ("TIMEOUT", False, True),
        ("CANCELLED", False, True),
        ("OUT_OF_MEMORY", False, True),
    ],
)
def test_a_job_in_the_queue_lives_but_its_earlier_start_does_not(
    stubs: Stubs, state: str, alive: bool, over: bool
) -> None:
    stubs.says("squeue", f"17_3|{state}|None\n")
    assert JobState(state).alive == alive
    assert has_ended(START) == over


def test_a_job_that_slurm_has_forgotten_has_ended(stubs: Stubs) -> None:
    stubs.says("squeue", "", UNKNOWN, 1)
    assert has_ended(START)


def test_a_job_of_another_cluster_may_live(stubs: Stubs) -> None:
    stubs.says("squeue", "", UNKNOWN, 1)
    assert not has_ended(JobStart("elsewhere", "17_3", 0))


def test_the_controller_is_not_asked_in_every_round(stubs: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    stubs.says("squeue", "17_3|RUNNING|None\n")
    assert [has_ended(START) for _ in range(3)] == [False] * 3
    assert len([line for line in stubs.asked if line.startswith("squeue")]) == 1
    stubs.says("squeue", "17_3|TIMEOUT|None\n")
    monkeypatch.setattr(slurm_queue, "ASK_AGAIN_S", 0.0)
    assert has_ended(START)
    assert len([line for line in stubs.asked if line.startswith("squeue")]) == 2


def test_only_a_job_whose_fate_is_open_is_put_back(stubs: Stubs) -> None:
    stubs.says("squeue", "17_3|COMPLETING|None\n")
    assert not put_back("17_3")
    stubs.says("squeue", "17_3|RUNNING|None\n")
    assert put_back("17_3")
    assert [line for line in stubs.asked if line.startswith("scontrol")] == ["scontrol requeue 17_3"]
    stubs.says("scontrol", "", "Requested operation is presently disabled for job 17\n", 1)
    assert not put_back("17_3")


VARIABLES = {"SLURM_CLUSTER_NAME": "loopback", "SLURM_JOB_ID": "20"}
TASK = {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}


@pytest.mark.parametrize(
    ("variables", "start"),
    [
        ({}, None),
        (VARIABLES, JobStart("loopback", "20", 0)),
        (VARIABLES | TASK, JobStart("loopback", "17_3", 0)),
        (VARIABLES | TASK | {"SLURM_RESTART_COUNT": "2"}, JobStart("loopback", "17_3", 2)),
    ],
)
def test_a_process_knows_its_job(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], start: JobStart | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert this_start() == start


def test_an_earlier_start_is_one_of_the_same_job() -> None:
    first, second = JobStart("loopback", "17_3", 0), JobStart("loopback", "17_3", 1)
    assert first.came_before(second)
    assert not second.came_before(first) and not first.came_before(first) and not first.came_before(None)
    assert not first.came_before(JobStart("loopback", "17_4", 1))
    assert not first.came_before(JobStart("elsewhere", "17_3", 1))
