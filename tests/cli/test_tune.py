"""``segbench tune``: trials that never see the test split, kept in a file, and put into the record of the final run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from segbench.data import raw_cache
from segbench.launch.cell_files import CLAIM_FILE
from segbench.launch.claims import acquire
from tests.cli.conftest import MODEL, Segbench
from tests.cli.conftest import RECIPE as LAST
from tests.data import toy

# A trial is scored where images select.
RECIPE = LAST.replace('select = "last"\n', "")
COMMAND = ("tune", MODEL, "--dataset", "toy", "--recipe", "tiny")
FILE = Path(f"runs/toy/{MODEL}.trials.json")


@pytest.fixture
def prepared(segbench: Segbench, toy_dataset: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy dataset with validation images, and a recipe that is found as the shipped ones are."""
    samples = [toy.sample(position, (32, 48)) for position in range(5)]
    source = toy.ToySource({"train": samples[:2], "validation": samples[2:4], "test": samples[4:]})
    monkeypatch.setattr(toy, "replacement", [source])
    assert segbench("prepare", "toy", "--quiet").code == 0
    folder = Path("recipes").absolute()
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / f"{MODEL}.tiny.toml").write_text(RECIPE.format(model=MODEL), encoding="utf-8")
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: folder)


@pytest.mark.usefixtures("prepared")
def test_trials_end_in_the_record_of_the_final_run(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    open_split = raw_cache.open_split

    def watched(prepared: Any, split: str, *more: Any) -> Any:
        opened.append(split)
        return open_split(prepared, split, *more)

    monkeypatch.setattr(raw_cache, "open_split", watched)
    trials = ("--trial", "train.lr=1e-30 augment.flip=true", "--trial", "train.lr=1e30", "--trial", "train.lr=0.01")
    code, out, err = segbench(*COMMAND, *trials, "--json")
    assert code == 0, err
    assert set(opened) == {"train", "validation"}
    assert not Path("leaderboards").exists()

    found = json.loads(out)
    assert [(trial["settings"], trial["diverged"]) for trial in found["trials"]] == [
        ({}, False),  # the recipe as it is, which the last trial is, too
        ({"train.lr": 1e-30, "augment.flip": True}, False),
        ({"train.lr": 1e30}, True),
    ]
    assert [set(trial["validation"]) for trial in found["trials"]] == [
        {"global_accuracy", "class_accuracy", "mean_iou"},
        {"global_accuracy", "class_accuracy", "mean_iou"},
        set(),
    ]
    best = max(found["trials"][:2], key=lambda trial: trial["validation"]["mean_iou"])
    assert found["best"] == best
    kept = FILE.read_bytes()

    opened.clear()
    again = segbench(*COMMAND, "--trial", "train.lr=1e30")
    assert (again.code, opened, FILE.read_bytes()) == (0, [], kept)
    assert "diverged" in again.out and "as it is" in again.out
    (line,) = [line for line in again.err.splitlines() if line.startswith("Best ")]
    final = shlex.split(line)[2:]
    assert final[-2:] == ["--trials", str(FILE)]

    code, out, err = segbench(*final, "--json")
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert run["record"]["trials"] == found["trials"]
    assert run["record"]["cell_id"] == best["cell_id"]
    assert run["record"]["validation"] == best["validation"]  # trained once
    assert "test" in opened
    assert "3 trials on the validation split" in Path("leaderboards/toy.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("prepared")
def test_trials_of_something_else_are_refused(segbench: Segbench) -> None:
    values = {"model": "fcn-basic", "dataset": "toy", "dataset_variant": "small", "dataset_fingerprint": "ab" * 32}
    Path("t.json").write_text(json.dumps(values), encoding="utf-8")
    run = ("run", MODEL, "--dataset", "toy", "--recipe", "tiny", "--trials", "t.json")
    for command in ((*COMMAND, "--trial", "train.lr=0.1", "-o", "t.json"), run):
        code, out, err = segbench(*command)
        assert (code, out) == (2, "")
        assert err.splitlines()[-1].startswith(
            f"Error: t.json holds trials of fcn-basic on toy small, not of {MODEL} on"
        )
    Path("t.json").write_text(json.dumps(values | {"model": MODEL}), encoding="utf-8")
    assert "with other content than is prepared here" in segbench(*run).err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--trial", "train.lr"), "--set 'train.lr' is not key=value."),
        (("--trial", "train.rate=1"), "unknown key 'train.rate'"),
        (("--trial", "loss.class_weights=published"), "no class weights were published"),
        (("--trial", "train.lr='0.1"), '--trial "train.lr=\'0.1" is not closed: No closing quotation.'),
        (("--trial", "model=fcn-basic"), "--set changes neither the model nor the dataset."),
    ],
)
def test_wrong_use_is_one_line_before_anything_is_trained(
    segbench: Segbench, arguments: tuple[str, ...], line: str
) -> None:
    code, out, err = segbench(*COMMAND, *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert line in err
    assert not Path("runs").exists()


def test_without_validation_images_a_tenth_of_the_training_images_has_to_do(
    segbench: Segbench, toy_dataset: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert segbench("prepare", "toy", "--size", "32x48", "--quiet").code == 0
    path = Path(f"{MODEL}.toml")
    path.write_text(RECIPE.format(model=MODEL), encoding="utf-8")
    code, _, err = segbench("tune", MODEL, "--dataset", "toy", "--recipe", str(path), "--trial", "train.lr=0.1")
    assert code == 2
    assert "A tenth of the training images by hash of id would select weights: 0 of 3 images." in err


@pytest.mark.usefixtures("prepared")
def test_what_another_process_trains_is_left_to_it(segbench: Segbench) -> None:
    run = ("run", MODEL, "--dataset", "toy", "--recipe", "tiny", "--dry-run", "--json")
    folder = Path(json.loads(segbench(*run).out)["cells"][0]["folder"])
    claim = acquire(folder / CLAIM_FILE)
    assert claim is not None
    code, _, err = segbench(*COMMAND, "--trial", "train.lr=0.1")
    assert code == 2
    assert f"Another process trains {folder}." in err
    claim.release()
