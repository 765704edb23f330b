"""``segbench run``: the plan, the failures, the report; and one run from nothing to its board."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.cli.run_request import RunRequest
from segbench.engine.checkpoint import WEIGHTS_FILE, load_weights
from segbench.errors import NonFiniteLossError
from segbench.progress import Progress
from segbench.registry import DATASETS
from tests.cli.conftest import MODEL, Segbench
from tests.leaderboard import examples

Fake = Callable[[Callable[[Any], None]], list[Any]]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a function in the place of training: it may raise, and else a record is made of nothing."""
    from segbench.engine import pipeline

    seen: list[Any] = []

    def install(train: Callable[[Any], None]) -> list[Any]:
        def run_cell(cell: Any, out: Path, *, device: str, tensorboard: bool, trials: Any, progress: Progress) -> Any:
            seen.append((cell.recipe.model, cell.seed, device, tensorboard))
            train(cell)
            record = examples.named(0.4, model=cell.recipe.model, seed=cell.seed)
            return pipeline.Result(record, out / "record.json", [out / "picture.png"], fresh=True)

        monkeypatch.setattr(pipeline, "run_cell", run_cell)
        return seen

    return install


def test_the_plan_runs_nothing(segbench: Segbench, command: tuple[str, ...], fake: Fake) -> None:
    seen = fake(lambda cell: None)
    code, out, err = segbench(*command, "--seeds", "0,1,0", "--dry-run", "--json")
    assert (code, err, seen) == (0, "", [])
    cells = json.loads(out)["cells"]
    assert [(cell["model"], cell["seed"], cell["state"]) for cell in cells] == [
        (MODEL, 0, "new"),
        ("fcn-basic", 0, "new"),
        (MODEL, 1, "new"),
        ("fcn-basic", 1, "new"),
    ]
    assert len({cell["cell_id"] for cell in cells}) == 4
    assert all(0 < cell["seconds"] < 60 and cell["iterations"] == 4 for cell in cells)
    unknown = ("record", "memory_mib", "claim", "failure")
    assert [cell[name] for cell in cells for name in unknown] == [None] * 16
    assert not Path("runs").exists()
    assert cells[0]["folder"].startswith("runs/toy/bilinear-interpolation.tiny-s0-")
    Path(cells[0]["folder"]).mkdir(parents=True)
    (Path(cells[0]["folder"]) / "state.safetensors").touch()
    states = [cell["state"] for cell in json.loads(segbench(*command, "--dry-run", "--json").out)["cells"]]
    assert states == ["partly", "new"]
    text = segbench(*command, "--dry-run").out
    assert text.splitlines()[0] == "2 runs"
    assert "Training and scoring that is left, by a few steps timed here: " in text
    assert cells[0]["cell_id"] in text


def test_options_reach_the_run(segbench: Segbench, command: tuple[str, ...], fake: Fake) -> None:
    seen = fake(lambda cell: None)
    code, out, err = segbench(*command, "--seeds", "3", "--device", "cpu", "--tensorboard", "--json", "--out", "o")
    assert code == 0, err
    assert seen == [(MODEL, 3, "cpu", True), ("fcn-basic", 3, "cpu", True)]
    assert [run["path"] for run in json.loads(out)["runs"]] == ["o/record.json", "o/record.json"]
    assert json.loads(out)["failed"] == []
    assert "Record   o/record.json\n" in err


def test_a_recipe_file_for_another_model_is_wrong_use(segbench: Segbench, prepared: Path) -> None:
    path = str(prepared / "toy" / "fcn-basic.tiny.toml")
    assert segbench("run", MODEL, "--dataset", "toy", "--recipe", path) == (
        2,
        "",
        f"Error: Recipe {path} is for fcn-basic on toy, not for {MODEL} on toy. "
        f"Run: segbench run fcn-basic --dataset toy --recipe {path}\n",
    )


def test_changes_make_another_cell(segbench: Segbench, command: tuple[str, ...]) -> None:
    def cells(*more: str) -> list[str]:
        return [cell["cell_id"] for cell in json.loads(segbench(*command, "--dry-run", "--json", *more).out)["cells"]]

    assert not {*cells()} & {*cells("--set", "train.lr=0.02", "--set", "train.batch_size=1")}
    assert cells() == cells("--set", "train.lr=0.01")


def test_one_failure_does_not_stop_the_others(segbench: Segbench, command: tuple[str, ...], fake: Fake) -> None:
    def train(cell: Any) -> None:
        if cell.recipe.model == MODEL:
            raise NonFiniteLossError("The loss is nan at step 3.", "Lower it: --set train.lr=0.001")

    seen = fake(train)
    code, out, err = segbench(*command, "--json")
    assert (code, len(seen)) == (1, 2)
    values = json.loads(out)
    assert [run["record"]["model"] for run in values["runs"]] == ["fcn-basic"]
    assert [(failed["model"], failed["error"]) for failed in values["failed"]] == [
        (MODEL, "The loss is nan at step 3. Lower it: --set train.lr=0.001")
    ]
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert errors == [
        f"Error: {MODEL}.tiny seed 0: The loss is nan at step 3. Lower it: --set train.lr=0.001",
        f"Error: 1 of 2 runs failed: {MODEL}.tiny seed 0.",
    ]


def test_what_failed_is_listed_and_not_tried_again_unless_asked(
    segbench: Segbench, command: tuple[str, ...], fake: Fake
) -> None:
    def train(cell: Any) -> None:
        if len(seen) == 1:
            raise NonFiniteLossError("The loss is nan at step 3.")

    seen = fake(train)
    assert segbench(*command, "--json").code == 1
    code, out, err = segbench(*command, "--json")
    (failed,) = json.loads(out)["failed"]
    assert (code, failed["error"]) == (1, "The loss is nan at step 3.")
    assert [model for model, *_ in seen] == [MODEL, "fcn-basic", "fcn-basic"]  # the fake leaves no record
    assert f"seed 0: failed at an earlier try: The loss is nan at step 3. Log: {failed['log']}." in err
    assert Path(failed["log"]).read_text().startswith("Traceback")
    assert segbench(*command, "--retry-failed", "--json").code == 0
    assert seen[3][0] == MODEL


def test_an_unknown_launcher_is_wrong_use(segbench: Segbench, command: tuple[str, ...]) -> None:
    line = "Error: Unknown launcher 'locals'. Did you mean local?\n"
    assert segbench(*command, "--launcher", "locals") == (2, "", line)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--nproc", "2"), "--nproc goes with --launcher torchrun. Example: --launcher torchrun --nproc 2"),
        (("--sync-batch-norm",), "--sync-batch-norm goes with --launcher torchrun. Example: --launcher torchrun"),
        (("--launcher", "torchrun"), "--launcher torchrun needs a number of processes. Example: --launcher torchrun"),
        (("--launcher", "torchrun", "--nproc", "2", "--jobs", "2"), "--jobs goes with --launcher local."),
        (("--launcher", "torchrun", "--nproc", "2"), "A batch of 1 image cannot be divided among 2 processes."),
        (
            ("--launcher", "torchrun", "--nproc", "2", "--set", "train.micro_batch=1"),
            "A batch of 1 image cannot be divided among 2 processes, at most 1 at once. Give a smaller --nproc, or",
        ),
    ],
)
def test_what_a_launcher_cannot_do_is_wrong_use(
    segbench: Segbench, command: tuple[str, ...], fake: Fake, more: tuple[str, ...], line: str
) -> None:
    seen = fake(lambda cell: None)
    code, out, err = segbench(*command, *more)
    assert (code, out, seen) == (2, "", [])
    assert err.startswith(f"Error: {line}")


def test_a_process_is_told_what_was_asked_for() -> None:
    asked = RunRequest(["a", "b"], "toy", "r.toml", "0,1", ["train.lr=1"], "cpu", None, True, Path("o"))
    assert asked.arguments("--cell", "c", threads=3) == [
        *("run", "--dataset", "toy", "--seeds", "0,1", "--device", "cpu", "--threads", "3", "--out", "o"),
        *("--recipe", "r.toml", "--set", "train.lr=1", "--tensorboard", "--cell", "c", "--worker", "--", "a", "b"),
    ]


def test_a_bug_in_one_run_is_said_to_be_one(segbench: Segbench, command: tuple[str, ...], fake: Fake) -> None:
    def train(cell: Any) -> None:
        raise ZeroDivisionError("division by zero")

    fake(train)
    code, out, err = segbench(*command)
    assert (code, out) == (1, "")
    assert f"Error: {MODEL}.tiny seed 0: ZeroDivisionError: division by zero – this is a bug in segbench." in err


def test_ctrl_c_stops_all(segbench: Segbench, command: tuple[str, ...], fake: Fake) -> None:
    def train(cell: Any) -> None:
        raise KeyboardInterrupt

    seen = fake(train)
    ended = segbench(*command)
    assert (ended.code, ended.out, len(seen)) == (130, "", 1)
    assert ended.err == "Error: interrupted. The same command goes on where it stopped.\n"


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--device", "gpu"), "Unknown device 'gpu'. Use cpu, cuda or cuda:N."),
        (
            ("--set", "loss.class_weights=published"),
            f"Recipe {MODEL}.tiny-modified: no class weights were published for toy small. "
            "Use loss.class_weights = 'median-frequency' or 'none'.",
        ),
        (
            ("--set", "dataset_variant=other"),
            "toy other is not prepared. Run: segbench prepare toy --variant other",
        ),
    ],
)
def test_what_can_be_known_is_said_before_training(
    segbench: Segbench, command: tuple[str, ...], fake: Fake, more: tuple[str, ...], line: str
) -> None:
    seen = fake(lambda cell: None)
    assert segbench(*command, *more) == (2, "", f"Error: {line}\n")
    assert seen == []


def test_the_training_split_is_scored_where_the_recipe_asks(segbench: Segbench, prepared: Path) -> None:
    recipe = str(prepared / "toy" / f"{MODEL}.tiny.toml")
    command = ("run", MODEL, "--dataset", "toy", "--recipe", recipe, "--json")
    without = json.loads(segbench(*command).out)["runs"][0]["record"]
    asked = json.loads(segbench(*command, "--set", "evaluate.training_split=true").out)["runs"][0]["record"]
    assert without["training"] is None
    (weights,) = Path("runs/toy").glob(f"*{asked['cell_id']}")
    train = json.loads(segbench("evaluate", str(weights), "--dataset", "toy", "--split", "train", "--json").out)
    assert asked["training"] == {name: train[name] for name in ("global_accuracy", "class_accuracy", "mean_iou")}


def test_threads_are_told_to_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from segbench.cli.run import _use_threads

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    _use_threads(None)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    _use_threads(3)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("3", "3")


def test_from_a_recipe_to_the_board_and_what_can_be_done_with_it(
    segbench: Segbench, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("run", MODEL, "--dataset", "toy", "--recipe", str(prepared / "toy" / f"{MODEL}.tiny.toml"))
    code, out, err = segbench(*command, "--json")
    assert code == 0, err
    (first,) = json.loads(out)["runs"]
    record = first["record"]
    places = [Path(first["path"]), *map(Path, first["pictures"]), *map(Path, json.loads(out)["boards"])]
    assert all(path.stat().st_size > 100 for path in places)
    assert first["path"] == f"leaderboards/records/toy/{MODEL}/{record['run_id']}.json"
    assert [path.name for path in places[-2:]] == ["toy.md", "toy.csv"]

    again = segbench(*command, "--json")
    assert (again.code, json.loads(again.out)["runs"]) == (0, [{**first, "fresh": False}])
    shown = segbench(*command)
    assert record["run_id"] in shown.out
    plan = json.loads(segbench(*command, "--dry-run", "--json").out)
    assert (plan["left"], plan["seconds"]) == (0, 0)
    assert (plan["cells"][0]["state"], plan["cells"][0]["record"]) == ("done", record["run_id"])

    (weights,) = Path("runs/toy").iterdir()
    assert load_weights(weights / WEIGHTS_FILE)[1].preprocess["lrn"] == [5, 1e-4, 0.75]
    code, out, _ = segbench("evaluate", str(weights), "--dataset", "toy", "--json")
    assert (code, json.loads(out)) == (0, record["scores"])
    certain = json.loads(segbench("evaluate", str(weights), "--dataset", "toy", "--uncertainty", "--json").out)
    everything = certain["uncertainty"].pop("accuracy_at_confidence")[-1]
    assert everything["accuracy"]["entropy"] == pytest.approx(record["scores"]["global_accuracy"])
    assert certain.pop("uncertainty")["samples"] is None
    assert certain == record["scores"]
    shown = segbench("evaluate", str(weights), "--dataset", "toy", "--uncertainty")
    assert "Expected calibration error" in shown.out and "by entropy" in shown.out
    refused = segbench("evaluate", str(weights), "--dataset", "toy", "--samples", "50")
    assert refused == (2, "", f"Error: {MODEL} has no option 'samples'. Known: width.\n")

    code, out, _ = segbench("predict", "--weights", str(weights), "--dataset", "toy", "-o", "maps", "--json")
    assert code == 0, err
    maps = [Path(path) for path in json.loads(out)["label_maps"]]
    assert [path.name for path in maps] == ["toy_003.png", "toy_004.png"]
    assert all((Path("maps/overlays") / path.name).is_file() for path in maps)

    code, out, _ = segbench("score", "maps", "--dataset", "toy", "--json")
    assert (code, json.loads(out)) == (0, record["scores"])

    code, out, _ = segbench("leaderboard", "--json")
    assert [row["run_id"] for board in json.loads(out)["boards"] for row in board["rows"]] == [record["run_id"]]
    assert segbench("leaderboard", "--check").code == 0
    assert segbench("leaderboard", "--format", "html", "--photographs").code == 0
    page = Path("leaderboards/toy.html").read_text(encoding="utf-8")
    assert 'alt="Errors of toy_00' in page and 'alt="Photograph of toy_00' in page
    assert "Boundary F1 by tolerance" in page and "Not to be passed on." in page
    monkeypatch.setitem(DATASETS._specs, "toy", replace(DATASETS["toy"], redistributable=True))
    assert segbench("leaderboard", "--format", "html").code == 0
    page = Path("leaderboards/toy.html").read_text(encoding="utf-8")
    assert 'alt="Image of toy_00' in page and "Not to be passed on." not in page
    assert segbench("leaderboard", "--check").code == 0
    Path("leaderboards/toy.md").write_text("edited")
    code, out, err = segbench("leaderboard", "--check")
    assert code == 1
    assert out.startswith("leaderboards/toy.md differs from its records at line 1.")
