"""Recipes: those shipped, their validation, overrides, and what decides a cell's id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segbench.data  # registers the datasets
import segbench.models  # noqa: F401 (registers the networks)
from segbench.errors import RecipeError, UnknownNameError
from segbench.recipe import (
    Recipe,
    SlurmOptions,
    Training,
    dump_recipe,
    find_recipe,
    list_recipes,
    load_recipe,
    override,
    parse_assignment,
    recipes_folder,
    require_variant,
    with_slurm_options,
    write_assignment,
)
from segbench.record import cell_id
from segbench.registry import DATASETS, MODELS

PLAIN: dict[str, Any] = {
    "model": "segnet-basic",
    "variant": "plain",
    "dataset": "camvid",
    "dataset_variant": "360x480-11",
    "train": {"epochs": 3, "batch_size": 4, "lr": 0.1},
}
PAPER = {
    "source": "Table 1",
    "size": [360, 480],
    "training": "SGD",
    "comparable": True,
    "global_accuracy": 0.8,
}

# What recipes for networks from outside are filed under, and such a network.
OUTSIDE = {"any": "./my_network.py:factory", "hf": "hf:ORG/NAME"}

shipped = pytest.mark.parametrize("path", list_recipes(), ids=lambda path: f"{path.parent.name}/{path.stem}")


def plain(**changes: Any) -> Recipe:
    """The plain recipe; keywords replace sections or values."""
    return Recipe.model_validate(PLAIN | changes)


def written(folder: Path, text: str) -> Path:
    path = folder / "a.toml"
    path.write_text(text, encoding="utf-8")
    return path


def message(folder: Path, text: str) -> str:
    """What loading a recipe of that text answers."""
    path = written(folder, text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.exit_code == 2
    found = str(caught.value)
    assert str(path) in found
    assert "\n" not in found
    return found


# --- shipped recipes -------------------------------------------------------------------------------------------------


def test_there_are_shipped_recipes() -> None:
    assert list_recipes()
    assert all(path.is_relative_to(recipes_folder()) for path in list_recipes())


@shipped
def test_a_shipped_recipe_is_named_after_what_it_holds(path: Path) -> None:
    recipe = load_recipe(path)
    assert path.stem == recipe.label == f"{recipe.model}.{recipe.variant}"
    assert path.parent.name == recipe.dataset
    assert find_recipe(recipe.model, recipe.dataset, recipe.variant) == recipe


@shipped
def test_a_shipped_recipe_speaks_of_what_is_registered(path: Path) -> None:
    recipe = load_recipe(path)
    variants = DATASETS[recipe.dataset].variants
    require_variant(recipe, variants)
    if recipe.loss.class_weights == "published":
        assert "published" in variants[recipe.dataset_variant].class_weights
    smallest = 1 if recipe.model in OUTSIDE else MODELS[recipe.model].min_size
    assert recipe.input_size is None or min(recipe.input_size) >= smallest


@shipped
def test_a_shipped_recipe_survives_writing(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert load_recipe(written(tmp_path, dump_recipe(recipe))) == recipe


@shipped
def test_a_shipped_recipe_says_what_it_expects_and_how_to_run_it(path: Path) -> None:
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    words = {line.removeprefix("# ").partition(":")[0] for line in head}
    assert {"Source", "Command"} <= words
    assert {"Expected", "Cost"} & words
    recipe = load_recipe(path)
    command = next(line for line in head if line.startswith("# Command:"))
    assert f"segbench run {OUTSIDE.get(recipe.model, recipe.model)} --dataset {recipe.dataset}" in command


# --- validation ------------------------------------------------------------------------------------------------------

TEXT = dump_recipe(plain())


def test_defaults() -> None:
    recipe = plain()
    assert recipe.label == "segnet-basic.plain"
    assert recipe.train == Training(epochs=3, batch_size=4, lr=0.1)
    assert (recipe.train.optimizer, recipe.train.momentum, recipe.train.schedule) == ("sgd", 0.9, "constant")
    assert (recipe.loss.class_weights, recipe.loss.normalisation) == ("median-frequency", "pixels")
    assert not recipe.augment.flip
    assert recipe.evaluate.split == "test"


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        ("epochs = 3", "epoch = 3", r"unknown key 'train.epoch'. Did you mean epochs"),
        ("model =", "modle =", r"unknown key 'modle'. Did you mean model"),
        ("lr = 0.1", "lr = 0", "train.lr: Input should be greater than 0 (got 0)"),
        ("lr = 0.1", "lr = inf", "train.lr: Input should be a finite number"),
        ("lr = 0.1", "lr = nan", "train.lr: Input should be"),
        (
            "lr = 0.1",
            'lr = "fast"',
            'train.lr: Input should be a valid number, unable to parse string as a number (got "fast")',
        ),
        ("batch_size = 4", "", "train.batch_size: Field required (got nothing)"),
        ("epochs = 3", "", "train: give exactly one of epochs and iterations"),
        ("epochs = 3", "epochs = 3\niterations = 9", "train: give exactly one of epochs and iterations"),
        (
            'select = "global_accuracy"',
            'select = "best"',
            "train.select: Input should be 'global_accuracy', 'mean_iou' or 'last'",
        ),
        ("version = 1", "version = 2", "version: Input should be 1 (got 2)"),
        (
            'model = "segnet-basic"',
            'model = "segnet-basic"\ninput_size = [8, 480]',
            "input_size.0: Input should be greater",
        ),
        ("flip = false", "scale = [2.0, 0.5]", "augment: scale is the least and the greatest factor, in this order"),
        ("flip = false", "scale = [0.0, 0.5]", "augment.scale.0: Input should be greater than 0"),
        ("flip = false", "brightness = 1.0", "augment.brightness: Input should be less than 1"),
        ("[train]", '"tra.in" = 1\n[train]', "unknown key 'tra.in'"),
        ("[train]", "[train", "is not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_answered_with_key_value_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, answer: str
) -> None:
    assert old in TEXT
    assert answer in message(tmp_path, TEXT.replace(old, new, 1))


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = message(tmp_path, TEXT.replace("lr = 0.1", "lr = -1").replace("batch_size = 4", "batch_size = 0"))
    assert "train.lr" in found
    assert "train.batch_size" in found


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"Cannot read recipe .*none\.toml: No such file"):
        load_recipe(tmp_path / "none.toml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="is not valid TOML"):
        load_recipe(tmp_path / "a.toml")


@pytest.mark.parametrize(("comparable", "reason"), [(True, "other data"), (False, "")])
def test_a_reason_is_given_exactly_when_the_paper_is_not_comparable(comparable: bool, reason: str) -> None:
    with pytest.raises(ValueError, match="a reason is given exactly when"):
        plain(paper=PAPER | {"comparable": comparable, "reason": reason})


def test_a_dataset_variant_that_does_not_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"camvid has no variant '360x480-11'\. Did you mean 360x480-12"):
        require_variant(plain(), ["360x480-12", "other"])


# --- Slurm -----------------------------------------------------------------------------------------------------------

SLURM = """
[slurm]
time = "4h"
partition = "gpu"
gres = "gpu:1"
sbatch = { mem = "16G", cpus-per-task = 4, exclusive = true }
"""


def test_the_options_for_slurm_decide_nothing_and_leave_no_trace(tmp_path: Path) -> None:
    recipe, without = load_recipe(written(tmp_path, TEXT + SLURM)), plain()
    assert recipe.slurm is not None
    assert recipe.slurm.sbatch == {"mem": "16G", "cpus-per-task": 4, "exclusive": True}
    assert recipe.decisive() == without.decisive()
    assert recipe.model_dump_json() == without.model_dump_json()
    assert load_recipe(written(tmp_path, dump_recipe(recipe))) == recipe
    assert override(recipe, ["slurm.time=8h"]).variant == recipe.variant
    assert override(recipe, ["train.lr=0.5"]).slurm == recipe.slurm


def test_the_command_line_wins_over_the_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, TEXT + SLURM))
    changed = with_slurm_options(recipe, {"time": "08:00:00"}, {"mem": "32G", "requeue-hold": True})
    assert changed.slurm == SlurmOptions(
        time="08:00:00",
        partition="gpu",
        gres="gpu:1",
        sbatch={"mem": "32G", "cpus-per-task": 4, "exclusive": True, "requeue-hold": True},
    )
    assert with_slurm_options(plain(), {}, {}).slurm == SlurmOptions()
    with pytest.raises(
        RecipeError, match=r"slurm\.time: no time; give a number with s, m, min, h, d, or HH:MM:SS \(got"
    ):
        with_slurm_options(plain(), {"time": "soon"}, {})


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ('gres = "gpu:1\\nrm -rf ."', "slurm.gres: true, a whole number or one line of text is allowed"),
        ('sbatch = { comment = "a\\nrm -rf ." }', "slurm.sbatch.comment: true, a whole number or one line of text"),
        ("sbatch = { mem = 1.5 }", "slurm.sbatch.mem: true, a whole number or one line of text is allowed (got 1.5)"),
        ('sbatch = { "mem\\nrm" = "1" }', "should match pattern"),
        ('sbatch = { array = "0-9" }', "segbench sets it"),
        ('sbatch = { time = "9" }', "it has a key of its own"),
        ('tme = "4h"', "unknown key 'slurm.tme'. Did you mean time?"),
    ],
)
def test_what_would_not_be_one_option_of_sbatch_is_refused(tmp_path: Path, line: str, answer: str) -> None:
    assert answer in message(tmp_path, f"{TEXT}\n[slurm]\n{line}\n")


# --- finding ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shipped recipes of a test: two variants of segnet-basic and one of fcn-basic on camvid, and a suite."""
    for model, variant in (("segnet-basic", "default"), ("segnet-basic", "half"), ("fcn-basic", "paper")):
        path = tmp_path / "camvid" / f"{model}.{variant}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dump_recipe(plain(model=model, variant=variant)), encoding="utf-8")
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "table-1.toml").touch()
    monkeypatch.setattr("segbench.recipe.recipes_folder", lambda: tmp_path)
    return tmp_path


def test_recipes_are_found_by_name_and_path(folder: Path) -> None:
    assert find_recipe("segnet-basic", "camvid").variant == "default"
    assert find_recipe("segnet-basic", "camvid", "half").variant == "half"
    assert find_recipe("x", "y", str(folder / "camvid" / "fcn-basic.paper.toml")).label == "fcn-basic.paper"
    assert [path.stem for path in list_recipes()] == ["fcn-basic.paper", "segnet-basic.default", "segnet-basic.half"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "dataset", "recipe", "answer"),
    [
        ("segnet-basic", "camvid", "paper", "No recipe 'paper' for segnet-basic on camvid. There is default, half."),
        ("fcn-basic", "camvid", None, "No recipe 'default' for fcn-basic on camvid. There is paper."),
        ("segnet", "camvid", None, "Recipes on camvid exist for fcn-basic, segnet-basic; or give --recipe FILE.toml."),
        ("/abs/net.py:make", "camvid", None, "Recipes on camvid exist for fcn-basic, segnet-basic"),
        ("segnet-basic", "voc2012", None, "See 'segbench list recipes'."),
    ],
)
def test_a_missing_recipe_is_answered_with_what_there_is(
    model: str, dataset: str, recipe: str | None, answer: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        find_recipe(model, dataset, recipe)
    assert answer in str(caught.value)


# --- overriding ------------------------------------------------------------------------------------------------------


def test_values_are_read_as_toml_and_else_as_text() -> None:
    changed = override(
        plain(), ["train.lr=0.01", "train.optimizer=adamw", "input_size=[90, 120]", "augment.flip = true", "variant=v2"]
    )
    assert changed.train == Training(epochs=3, batch_size=4, lr=0.01, optimizer="adamw")
    assert (changed.input_size, changed.augment.flip, changed.variant) == ((90, 120), True, "v2")
    assert override(plain(), []) == plain()


def test_the_last_assignment_wins_and_the_recipe_given_is_left_alone() -> None:
    recipe = plain()
    assert override(recipe, ["train.lr=1", "train.lr=2"]).train.lr == 2
    assert recipe == plain()


def test_one_length_replaces_the_other() -> None:
    by_steps = override(plain(), ["train.iterations=20"])
    assert (by_steps.train.epochs, by_steps.train.iterations) == (None, 20)
    by_epochs = override(by_steps, ["train.epochs=2"])
    assert (by_epochs.train.epochs, by_epochs.train.iterations) == (2, None)


@pytest.mark.parametrize(
    ("assignment", "answer"),
    [
        ("train.lr", r"--set 'train.lr' is not key=value. Example: --set train.lr=0.01"),
        ("=3", r"--set '=3' is not key=value"),
        ("train.rl=3", r"with --set: unknown key 'train.rl'. Did you mean lr"),
        ("traim.lr=3", r"unknown key 'traim'. Did you mean train"),
        ("train.lr.more=3", r"--set train.lr.more: 'lr' is a value, not a section"),
        ("train.lr=-3", r"train.lr: Input should be greater than 0 \(got -3\)"),
        ("train.lr=", r"train.lr: Input should be a valid number"),
        ("train=3", r"train: Input should be a valid dictionary"),
    ],
)
def test_a_bad_assignment(assignment: str, answer: str) -> None:
    with pytest.raises(RecipeError, match=answer):
        override(plain(), [assignment])


# --- the id of a cell ------------------------------------------------------------------------------------------------

DECISIVE = [
    "model=fcn-basic",
    "variant=other",
    "dataset=voc2012",
    "dataset_variant=trainaug",
    "input_size=[180, 240]",
    "options={width = 8}",
    "train.epochs=4",
    "train.iterations=3",
    "train.batch_size=5",
    "train.optimizer=adamw",
    "train.lr=0.2",
    "train.momentum=0.8",
    "train.weight_decay=0.1",
    "train.schedule=cosine",
    "train.warmup_iterations=1",
    "train.upsampling_lr_factor=0.5",
    "train.validate_every=2",
    "train.select=last",
    "train.batch_norm=running",
    "train.precision=fp32",
    "train.convolution=direct",
    "train.micro_batch=2",
    "train.checkpointing=true",
    "train.compile=true",
    "loss.class_weights=none",
    "loss.normalisation=weights",
    "train.poly_power=2.0",
    "loss.label_smoothing=0.1",
    "augment.flip=true",
    "augment.scale=[0.5, 2.0]",
    "augment.crop=[180, 240]",
    "augment.brightness=0.2",
    "augment.contrast=0.2",
    "augment.saturation=0.2",
    "augment.hue=0.1",
    "evaluate.batch_size=3",
    "evaluate.split=validation",
    "evaluate.training_split=true",
]


def identified(recipe: Recipe) -> str:
    return cell_id(recipe, "f" * 16, 0)


def test_every_decisive_value_changes_the_id() -> None:
    ids = [identified(recipe) for recipe in (plain(), *(override(plain(), [change]) for change in DECISIVE))]
    assert len(set(ids)) == len(DECISIVE) + 1
    assert all(len(found) == 12 and int(found, 16) >= 0 for found in ids)


def test_no_field_of_a_recipe_is_forgotten_above() -> None:
    sections = ("train", "loss", "augment", "evaluate")
    known = {f"{name}.{key}" for name in sections for key in type(getattr(plain(), name)).model_fields}
    known |= set(Recipe.model_fields) - {*sections, "paper", "slurm", "version"}
    # `protocol` has one value so far; what was found where `encoder` points decides, and is beside the recipe in an id.
    assert known - {change.partition("=")[0] for change in DECISIVE} == {"evaluate.protocol", "encoder"}


def test_a_key_that_is_newer_than_weights_is_written_only_where_it_is_given() -> None:
    # The header of weights holds the recipe, and the hash of their file names the run.
    assert "micro_batch" not in plain().model_dump_json()
    given = override(plain(), ["train.micro_batch=2"])
    assert given.model_dump(mode="json")["train"]["micro_batch"] == 2
    assert Recipe.model_validate_json(given.model_dump_json()) == given


def test_the_papers_numbers_do_not_change_the_id() -> None:
    recipe, printed = plain(), plain(paper=PAPER)
    assert printed.paper is not None
    assert identified(printed) == identified(recipe)
    assert identified(override(printed, ["paper.global_accuracy=0.9"])) == identified(recipe)


def test_a_default_that_is_written_out_does_not_change_the_id() -> None:
    assert identified(plain(augment={"flip": False}, version=1)) == identified(plain())


def test_an_option_added_later_leaves_older_ids_alone() -> None:
    class LaterTraining(Training):
        gradient_clip: float | None = None

    class LaterRecipe(Recipe):
        train: LaterTraining

    later = LaterRecipe.model_validate(PLAIN)
    assert identified(later) == identified(plain())
    clipped = LaterRecipe.model_validate(PLAIN | {"train": PLAIN["train"] | {"gradient_clip": 1.0}})
    assert identified(clipped) != identified(plain())


def test_ids_of_finished_runs_stay() -> None:
    # Committed records hold such ids: were this one to change, no finished run would be recognised again.
    assert identified(plain()) == "afaebcdbf01f"


def test_a_key_that_came_later_is_written_only_where_it_is_set() -> None:
    """Weights files hold their recipe: that of a run that is repeated has the bytes it had."""
    assert set(plain().model_dump()["augment"]) == {"flip"}
    assert set(plain().model_dump()["loss"]) == {"class_weights", "normalisation"}
    assert not {"upsampling_lr_factor", "poly_power", "checkpointing", "compile"} & set(plain().model_dump()["train"])
    assert not {"options", "encoder"} & set(plain().model_dump())
    for change in DECISIVE:
        changed = override(plain(), [change])
        assert Recipe.model_validate_json(changed.model_dump_json()) == changed


@given(
    st.recursive(
        st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda values: st.lists(values, max_size=3),
        max_leaves=4,
    )
)
def test_an_assignment_is_read_back_as_it_was_written(value: Any) -> None:
    text = write_assignment("train.lr", value)
    assert parse_assignment(text) == ("train.lr", value)


def test_assignments_are_as_a_person_writes_them() -> None:
    settings = {"train.lr": 1e-3, "augment.flip": False, "train.schedule": "cosine", "input_size": [180, 240]}
    assert [write_assignment(*setting) for setting in settings.items()] == [
        "train.lr=0.001",
        "augment.flip=false",
        "train.schedule=cosine",
        "input_size=[180, 240]",
    ]
