"""``--launcher slurm`` on a real Slurm: jobs that are put back, preempted or cut off end as a local run does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import UsageError
from segbench.launch import slurm as launcher
from segbench.recipe import SlurmOptions
from tests import slurm
from tests.launch.empty_cells import cells_of
from tests.launch.test_processes import MODELS, RUN, STEPS, begin, ended, prepared_home, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(240)]

SLURM = (*RUN, "--launcher", "slurm", "--out")
GRID = ("--seeds", "0,1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared_home(tmp_path_factory.mktemp("slurm"))


class Scene:
    """All that takes its time, begun at once; each test looks at one part of it.

    Every job stays at step 6 of its first start until it is told to end, or the file of its name is gone.
    """

    def __init__(self, home: Path, cluster: slurm.Cluster) -> None:
        self.home, self.cluster = home, cluster
        limited = self.begin(*SLURM, "limited", "--time", "1min", "--sbatch", "signal=B:USR2@56", TOY_FAILS="fcn-basic")
        one = ("run", MODELS[0], *RUN[3:], "--launcher", "slurm", "--out", "preempted")
        preempted = self.begin(*one, "--partition", "low", "--gres", "gpu:1")
        self.grid = self.begin(*SLURM, "grid", *GRID, "--jobs", "3", "--wait")
        self.local = begin(home, *RUN, *GRID, "--out", "local")
        self.limited, self.preempted = ended(limited)[1], ended(preempted)[1]

    def begin(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        hold = self.home / f"hold-{arguments[arguments.index('--out') + 1] if '--out' in arguments else ''}"
        hold.touch()
        return begin(self.home, *arguments, TOY_HOLD=str(hold), **self.cluster.variables, **variables)

    def ended(self, *arguments: str) -> tuple[int, Any, str]:
        return ended(self.begin(*arguments))

    def log(self, job: dict[str, Any]) -> str:
        return Path(self.home, job["log"]).read_text()

    def again_and_done(self, job: dict[str, Any]) -> bool:
        return self.cluster.hurried(job["job"]) and Path(self.home, job["folder"], "done.json").exists()

    def record(self, job: dict[str, Any]) -> dict[str, Any]:
        """What the run of a job left."""
        done = json.loads((self.home / job["folder"] / "done.json").read_text())
        out = Path(job["folder"]).parts[0]
        record = json.loads((self.home / out / done["record"]).read_text())
        (found,) = records({"runs": [{"record": record}]}).values()
        return found

    @cached_property
    def undisturbed(self) -> dict[str, Any]:
        """The records of the local run, by cell."""
        code, values, err = ended(self.local)
        assert code == 0, err
        return records(values)


@pytest.fixture(scope="module")
def scene(home: Path, cluster: slurm.Cluster) -> Iterator[Scene]:
    scene = Scene(home, cluster)
    yield scene
    for process in (scene.local, scene.grid):
        process.kill()
        process.communicate()


def records(values: Any) -> dict[str, dict[str, Any]]:
    """What must be the same wherever a cell is computed."""
    found = [run["record"] for run in values["runs"]]
    same = ("run_id", "weights_sha256", "scores", "seed", "recipe", "dataset_fingerprint")
    return {record["cell_id"]: {key: record[key] for key in same} for record in found}


def held(out: Path) -> list[str]:
    """The jobs that have come to step 6."""
    found = [path.parent for path in out.glob("runs/toy/*/claim.json")]
    steps = {folder: json.loads((folder / "progress.json").read_text())["step"] for folder in found}
    return [json.loads((folder / "claim.json").read_text())["job"]["job"] for folder in found if steps[folder] == 5]


def test_a_grid_is_computed_by_an_array_as_by_one_process(scene: Scene) -> None:
    out, cluster = scene.home / "grid", scene.cluster
    until(lambda: len(held(out)) == 3)
    _, values, _ = scene.ended("status", "grid", "--json")
    jobs = {cell["job"]["id"]: cell["job"]["state"] for cell in values["cells"]}
    assert sorted(jobs.values()) == ["PENDING", "RUNNING", "RUNNING", "RUNNING"]
    table = scene.begin("status", "grid").communicate()[0]
    assert all(f"{job} {state}" in table for job, state in jobs.items()), table
    assert "1 job waiting: JobArrayTaskLimit." in table

    victim = held(out)[0]
    log = out / "runs" / "logs" / f"slurm-{victim}.log"
    cluster.ask("scontrol", "requeue", victim)
    (scene.home / "hold-grid").unlink()
    until(lambda: cluster.hurried(victim) and f"Job {victim}, start 2: " in log.read_text())
    code, values, err = ended(scene.grid)
    assert code == 0, err
    text = log.read_text()
    assert f"Job {victim} was told to end by SIGTERM." in text and "was left by a process that ended" not in text
    assert f"6 of {STEPS} iterations are done." in text
    assert len(records(values)) == 4
    assert records(values) == scene.undisturbed
    board = (out / "leaderboards" / "toy.csv").read_text()
    assert all(record["run_id"] in board for record in records(values).values())


def test_a_preempted_job_goes_on_from_its_checkpoint(scene: Scene) -> None:
    out, cluster, (job,) = scene.home / "preempted", scene.cluster, scene.preempted["jobs"]
    until(lambda: held(out) == [job["job"]])
    cluster.ask("sbatch", "--partition=high", "--gres=gpu:1", "--output=/dev/null", "--wrap=true")
    until(lambda: scene.again_and_done(job))
    log = scene.log(job)
    assert "DUE TO PREEMPTION" in log and "was told to end by SIGTERM." in log
    assert f"Job {job['job']}, start 2: " in log and f"6 of {STEPS} iterations are done." in log
    assert scene.record(job) == scene.undisturbed[job["cell_id"]]


def test_a_failed_cell_is_listed_with_its_reason_and_log(scene: Scene) -> None:
    _, job = scene.limited["jobs"]
    until((scene.home / job["folder"] / "failure.json").exists)
    table = scene.begin("status", "limited").communicate()[0]
    assert "fcn-basic.tiny seed 0: OSError: the disk is gone – " in " ".join(table.split())
    assert f"{job['folder']}/failure.log" in table
    assert "OSError: the disk is gone" in (scene.home / job["folder"] / "failure.log").read_text()


def test_the_time_limit_is_an_interruption(scene: Scene) -> None:
    job, _ = scene.limited["jobs"]
    until(lambda: scene.again_and_done(job), seconds=120)  # Slurm looks for limits twice a minute
    log = scene.log(job)
    assert f"Job {job['job']} was told to end by SIGUSR2. It goes on in its next start." in log
    assert f"Job {job['job']}, start 2: " in log and f"6 of {STEPS} iterations are done." in log
    assert scene.record(job) == scene.undisturbed[job["cell_id"]]


def test_what_slurm_does_not_take_is_one_line_and_leaves_nothing(
    cluster: slurm.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.variables.items():
        monkeypatch.setenv(name, value)
    cells = cells_of(tmp_path, 2)
    lines = {cell.cell_id: ["--version"] for cell in cells}
    with pytest.raises(UsageError, match=r"^Slurm does not take the jobs: Invalid partition name specified\.$"):
        launcher.submit(cells, lines, SlurmOptions(partition="nowhere"), tmp_path, ["segbench"])
    assert list((tmp_path / "runs" / "slurm").iterdir()) == []
