"""One owner at a time: whoever lives keeps a claim, whoever died loses it, and of many that see that one wins."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from segbench.launch import claims
from segbench.launch.claims import ASK_AFTER_S, STALE_AFTER_S, acquire, holder_of, is_stale, waited_for
from segbench.launch.identity import machine, start_time
from tests.slurm_stubs import Stubs

DEAD = 2**22 + 1  # above the largest process id


def put(path: Path, token: str = "a" * 16, pid: int = DEAD, where: str | None = None, age: float = 0.0) -> None:
    """A claim of another process, last renewed ``age`` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"token": token, "pid": pid, "started": 1, "machine": machine() if where is None else where}
    path.write_text(json.dumps(values))
    os.utime(path, (time.time() - age,) * 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cell" / "claim.json"


def names(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.iterdir())


def test_a_claim_is_held_until_it_is_given_back(path: Path) -> None:
    claim = acquire(path)
    assert claim is not None and claim.replaced is None
    assert names(path) == ["claim.json"]
    assert acquire(path) is None
    assert claim.renew()
    claim.release()
    assert names(path) == []
    assert acquire(path) is not None


def test_a_claim_names_no_host(path: Path) -> None:
    acquire(path)
    values = json.loads(path.read_text())
    assert values.keys() == {"token", "pid", "started", "machine"}
    assert (values["pid"], values["started"]) == (os.getpid(), start_time(os.getpid()))
    assert os.uname().nodename not in path.read_text()


def test_a_dead_process_of_this_machine_loses_its_claim_at_once(path: Path) -> None:
    put(path)
    claim = acquire(path)
    assert claim is not None and claim.replaced is not None
    assert claim.replaced.token == "a" * 16
    assert names(path) == ["claim.json"]
    found = holder_of(path)
    assert found is not None and found.token == claim.token


def test_another_process_with_the_same_id_is_not_the_owner(path: Path) -> None:
    put(path, pid=os.getpid())  # it started at another time
    assert acquire(path) is not None


def test_a_living_process_keeps_its_claim_however_long_it_stands_still(path: Path) -> None:
    claim = acquire(path)
    assert claim is not None
    os.utime(path, (time.time() - 100 * STALE_AFTER_S,) * 2)
    assert acquire(path) is None


@pytest.mark.parametrize(("age", "taken"), [(STALE_AFTER_S - 20, False), (STALE_AFTER_S + 20, True)])
def test_on_another_machine_silence_is_the_only_sign(path: Path, age: float, taken: bool) -> None:
    put(path, pid=os.getpid(), where="f" * 16, age=age)
    assert (acquire(path) is not None) == taken


JOB = {"cluster": "loopback", "job": "17_3", "restart": 0}


def put_job(path: Path, age: float) -> None:
    """A claim of the first start of a job on another machine."""
    put(path, where="f" * 16)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"job": JOB}))
    os.utime(path, (time.time() - age,) * 2)


def in_start(monkeypatch: pytest.MonkeyPatch, number: int, task: str = "3") -> None:
    """Makes this process one of that array."""
    job = {"CLUSTER_NAME": "loopback", "JOB_ID": "20", "ARRAY_JOB_ID": "17", "ARRAY_TASK_ID": task}
    for name, value in {**job, "RESTART_COUNT": f"{number}"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


def test_a_job_says_which_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_start(monkeypatch, 2)
    assert acquire(path) is not None
    assert json.loads(path.read_text())["job"] == JOB | {"restart": 2}
    found = holder_of(path)
    assert found is not None and found.job is not None and found.job.restart == 2


@pytest.mark.parametrize(("number", "task", "taken"), [(1, "3", True), (0, "3", False), (1, "4", False)])
def test_the_next_start_of_a_job_takes_over_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, stubs: Stubs, number: int, task: str, taken: bool
) -> None:
    put_job(path, age=0)
    in_start(monkeypatch, number, task)
    assert (acquire(path) is not None) == taken
    assert stubs.asked == []


@pytest.mark.parametrize(
    ("age", "state", "taken"),
    [
        (ASK_AFTER_S - 5, "FAILED", False),
        (ASK_AFTER_S + 5, "FAILED", True),
        (ASK_AFTER_S + 5, "PENDING", True),
        (ASK_AFTER_S + 5, "RUNNING", False),
        (STALE_AFTER_S + 20, "RUNNING", True),
    ],
)
def test_slurm_is_asked_for_a_job_that_has_become_silent(
    path: Path, stubs: Stubs, age: float, state: str, taken: bool
) -> None:
    put_job(path, age)
    stubs.says("squeue", f"17_3|{state}|None\n")
    assert (acquire(path) is not None) == taken


def test_slurm_is_not_asked_for_those_who_are_no_jobs(path: Path, stubs: Stubs) -> None:
    put(path, where="f" * 16, age=ASK_AFTER_S + 5)
    assert acquire(path) is None
    assert stubs.asked == []


@pytest.mark.parametrize(("age", "taken"), [(0, False), (STALE_AFTER_S + 20, True)])
@pytest.mark.parametrize("text", ["", "[1]", '{"token": "x"}'])
def test_a_file_that_a_loss_of_power_emptied_becomes_stale(path: Path, text: str, age: float, taken: bool) -> None:
    path.parent.mkdir()
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    assert (acquire(path) is not None) == taken


def test_who_died_while_replacing_a_dead_one_is_replaced_too(path: Path) -> None:
    put(path, "a" * 16)
    put(path.with_name(f".{'a' * 16}.recovery"), "b" * 16)
    put(path.with_name(f".{'b' * 16}.recovery"), "c" * 16)
    claim = acquire(path)
    assert claim is not None
    assert names(path) == ["claim.json"]


def test_one_who_is_replacing_a_dead_one_is_not_disturbed(path: Path) -> None:
    put(path, "a" * 16)
    right = path.with_name(f".{'a' * 16}.recovery")
    os.link(_own(path.with_name("own")), right)
    assert acquire(path) is None
    right.unlink()
    assert acquire(path) is not None


def _own(path: Path) -> Path:
    assert acquire(path) is not None
    return path


def test_one_that_looked_too_early_lets_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, "a" * 16)
    link = claims._link

    def replaced_meanwhile(ticket: Path, target: Path, mine: claims.Holder) -> bool:
        if target.name.endswith(".recovery"):
            put(path, "b" * 16)
        return link(ticket, target, mine)

    monkeypatch.setattr(claims, "_link", replaced_meanwhile)
    assert acquire(path) is None
    found = holder_of(path)
    assert found is not None and found.token == "b" * 16
    assert names(path) == ["claim.json"]


def test_an_answer_that_was_lost_is_no_loss(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError

    monkeypatch.setattr(os, "link", twice)
    assert acquire(path) is not None


def test_without_hard_links_a_claim_is_as_good(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    put(path)
    claim = acquire(path)
    assert claim is not None and claim.replaced is not None
    assert acquire(path) is None
    assert names(path) == ["claim.json"]
    claim.release()
    assert acquire(path) is not None


def test_a_lost_claim_is_noticed_and_left_to_its_new_owner(path: Path) -> None:
    claim = acquire(path)
    assert claim is not None
    put(path, "b" * 16)
    assert not claim.renew()
    claim.release()
    found = holder_of(path)
    assert found is not None and found.token == "b" * 16
    path.unlink()
    assert not claim.renew()


def test_waiting_ends_when_the_claim_is_given_back(path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from segbench.launch.claims import acquire\n"
        "claim = acquire(Path(sys.argv[1])); print('mine', flush=True); time.sleep(0.3); claim.release()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"mine\n"
    start = time.monotonic()
    waited_for(path)
    assert time.monotonic() - start > 0.1
    other.communicate()


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    started = start_time(child.pid)
    assert started is not None
    deadline = time.monotonic() + 20
    while start_time(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Path(f"/proc/{child.pid}").exists()  # not waited for yet
    assert start_time(child.pid) is None
    child.wait()


def test_staleness_by_a_clock_that_is_given(path: Path) -> None:
    put(path, where="f" * 16)
    holder = holder_of(path)
    assert holder is not None
    renewed = path.stat().st_mtime
    assert not is_stale(path, holder, renewed + STALE_AFTER_S)
    assert is_stale(path, holder, renewed + STALE_AFTER_S + 1)


def _contend(folder: Path, rounds: int, go: float, wins: Path) -> None:
    while time.time() < go:
        pass
    won = [number for number in range(rounds) if acquire(folder / f"{number}" / "claim.json") is not None]
    wins.write_text(" ".join(map(str, won)))
    time.sleep(5)  # lives until all have tried


def test_of_many_that_see_a_dead_owner_exactly_one_wins(tmp_path: Path) -> None:
    rounds, go = 150, time.time() + 0.5
    for number in range(rounds):
        put(tmp_path / f"{number}" / "claim.json", f"{number:016x}")
    context = multiprocessing.get_context("fork")
    jobs = [(tmp_path, rounds, go, tmp_path / f"wins{process}") for process in range(6)]
    team = [context.Process(target=_contend, args=job) for job in jobs]
    for process in team:
        process.start()
    wins = [job[3] for job in jobs]
    deadline = time.monotonic() + 60
    while not all(path.exists() for path in wins) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.1)
    won = Counter(int(number) for path in wins for number in path.read_text().split())
    for process in team:
        process.kill()
        process.join()
    assert won == dict.fromkeys(range(rounds), 1)
    assert list(tmp_path.glob("*/.*")) == []
