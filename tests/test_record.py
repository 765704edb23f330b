"""Records: strict JSON, ids that are functions of what they name, nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from segbench.errors import RecordError
from segbench.recipe import Recipe
from segbench.record import (
    SCORE_NAMES,
    BoundaryProtocol,
    ClassScores,
    Curve,
    Environment,
    Protocol,
    RunRecord,
    Scores,
    Trial,
    Trials,
    WeightsHeader,
    cell_id,
    load_record,
    load_trials,
    run_id,
    save_record,
    save_trials,
)

RECIPE = Recipe.model_validate(
    {
        "model": "segnet-basic",
        "variant": "plain",
        "dataset": "toy",
        "dataset_variant": "small",
        "train": {"epochs": 3, "batch_size": 4, "lr": 0.1},
    }
)
CELL = cell_id(RECIPE, "f" * 16, 0)
SCORES = Scores(
    global_accuracy=0.75,
    class_accuracy=0.5,
    mean_iou=1 / 3,
    boundary_f1=None,
    per_class={"sky": ClassScores(accuracy=0.5, iou=None, boundary_f1=None, pixels=12)},
    num_images=2,
    num_pixels=20,
    protocol=Protocol(size=(32, 48)),
)


def record(**changes: Any) -> RunRecord:
    """A whole record; keywords replace its values."""
    values: dict[str, Any] = {
        "run_id": run_id(CELL, "a" * 64, SCORES.protocol),
        "cell_id": CELL,
        "created": "2026-01-02T03:04:05+00:00",
        "model": "segnet-basic",
        "paper_name": "SegNet-Basic",
        "dataset": "toy",
        "dataset_variant": "small",
        "dataset_title": "Toy",
        "split": "test",
        "recipe": RECIPE,
        "scale": "plain",
        "seed": 0,
        "encoder_weights": "random",
        "dataset_fingerprint": "f" * 16,
        "dataset_partial": False,
        "weights_sha256": "a" * 64,
        "parameters": 10,
        "convolution_weights": 9,
        "paper_parameters": None,
        "scores": SCORES,
        "validation": {"mean_iou": 0.25, "class_accuracy": None},
        "curve": Curve(
            iteration=[3],
            epoch=[1],
            loss=[0.1 + 0.2],
            global_accuracy=[None],
            mean_iou=[0.5],
            selected_iteration=3,
            wall_time_s=1.5,
            images_per_s=2.5,
        ),
        "trials": [Trial(settings={"train.lr": 0.1}, validation={"mean_iou": 0.2})],
        "environment": Environment(
            versions={"torch": "2"},
            device="cpu",
            cpu="a processor",
            features=["avx2"],
            threads=2,
            precision="fp32",
            convolution="dft",
            git_commit=None,
            git_dirty=None,
        ),
    }
    return RunRecord(**(values | changes))


def scored(**changes: Any) -> Scores:
    return Scores.model_validate(SCORES.model_dump() | changes)


# --- strictness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORE_NAMES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.01, 1.01, -1])
def test_scores_are_fractions_or_undefined(name: str, value: float) -> None:
    with pytest.raises(ValidationError):
        scored(**{name: value})
    assert getattr(scored(**{name: None}), name) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_number_of_a_record_is_nan_or_infinite(value: float) -> None:
    curve = record().curve.model_dump()
    for changes in ({"loss": [value]}, {"wall_time_s": value}, {"mean_iou": [value]}):
        with pytest.raises(ValidationError):
            Curve.model_validate(curve | changes)
    with pytest.raises(ValidationError):
        record(validation={"mean_iou": value})
    with pytest.raises(ValidationError):
        Trial(settings={}, validation={"mean_iou": value})
    with pytest.raises(ValidationError):
        Trial(settings={"train": {"lr": [value]}}, validation={})


def test_a_single_process_is_written_as_records_always_were() -> None:
    alone = record().environment
    several = alone.model_copy(update={"processes": 2, "backend": "gloo"})
    new = {"processes", "backend", "sync_batch_norm"}
    assert not new & json.loads(alone.model_dump_json()).keys()
    assert Environment.model_validate_json(alone.model_dump_json()) == alone
    written = json.loads(several.model_dump_json())
    assert {name: written[name] for name in new} == {"processes": 2, "backend": "gloo", "sync_batch_norm": False}
    assert Environment.model_validate(written) == several


def test_unknown_keys_are_refused_everywhere(tmp_path: Path) -> None:
    whole = json.loads(record().model_dump_json())
    for path in (
        (),
        ("scores",),
        ("scores", "protocol", "boundary"),
        ("scores", "per_class", "sky"),
        ("curve",),
        ("recipe",),
    ):
        changed = json.loads(json.dumps(whole))
        section = changed
        for key in path:
            section = section[key]
        section["surplus"] = 1
        (tmp_path / "a.json").write_text(json.dumps(changed))
        where = ".".join((*path, "surplus"))
        with pytest.raises(RecordError, match=f"is not valid at {where}: Extra inputs"):
            load_record(tmp_path / "a.json")


def test_a_record_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        record().scores.mean_iou = 1.0


def test_default_protocol_is_that_of_the_boards() -> None:
    assert Protocol().model_dump(mode="json") == {
        "name": "segbench",
        "version": 1,
        "size": None,
        "ignore_index": 255,
        "absent": "null",
        "boundary": {"rule": "matching", "void": "asis", "average": "script", "tolerance": 0.0075, "unit": "diagonal"},
    }


def test_keys_of_scores_are_those_users_rely_on() -> None:
    assert list(json.loads(SCORES.model_dump_json())) == [
        "global_accuracy",
        "class_accuracy",
        "mean_iou",
        "boundary_f1",
        "per_class",
        "num_images",
        "num_pixels",
        "protocol",
    ]
    assert list(ClassScores.model_fields) == ["accuracy", "iou", "boundary_f1", "pixels"]


# --- files -----------------------------------------------------------------------------------------------------------


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in JSON")


def test_a_record_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    save_record(path, record())
    assert load_record(path) == record()
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    json.loads(text, parse_constant=refuse)


@given(
    values=st.tuples(*[st.none() | st.floats(0, 1) for _ in SCORE_NAMES]),
    losses=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
)
def test_every_number_comes_back_exactly(values: tuple[float | None, ...], losses: list[float]) -> None:
    scores = scored(**dict(zip(SCORE_NAMES, values, strict=True)))
    curve = record().curve.model_copy(update={"loss": losses})
    written = record(scores=scores, curve=curve)
    assert RunRecord.model_validate_json(written.model_dump_json()) == written


def test_the_same_run_may_be_saved_again_and_nothing_is_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save_record(path, record())
    before = path.read_bytes()
    save_record(path, record(created="2027-01-01T00:00:00+00:00"))
    assert path.read_bytes() == before


def test_other_scores_under_the_same_id_are_an_error_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save_record(path, record())
    before = path.read_bytes()
    with pytest.raises(RecordError, match=f"holds other scores for run {record().run_id}"):
        save_record(path, record(scores=scored(mean_iou=0.4)))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_or_damaged_record(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(RecordError, match=r"Cannot read record .*a\.json: No such file"):
        load_record(path)
    save_record(path, record())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match="is not valid at its start"):
        load_record(path)
    with pytest.raises(RecordError, match="is not valid at its start"):
        save_record(path, record())


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"schema_version": 1', '"schema_version": 2', "schema_version"),
        ('"mean_iou": 0.333', '"mean_iou": 9.333', "scores.mean_iou"),
    ],
)
def test_another_schema_or_an_impossible_score(tmp_path: Path, old: str, new: str, where: str) -> None:
    save_record(tmp_path / "a.json", record())
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "a.json").write_text(text.replace(old, new, 1))
    with pytest.raises(RecordError, match=f"is not valid at {where}"):
        load_record(tmp_path / "a.json")


def test_a_weights_header_is_json_both_ways() -> None:
    header = WeightsHeader(
        model="segnet-basic",
        num_classes=1,
        class_names=["sky"],
        palette=[(1, 2, 3)],
        ignore_index=255,
        dataset="toy",
        dataset_variant="small",
        dataset_fingerprint="f",
        input_size=(32, 48),
        recipe=RECIPE,
        seed=0,
        iteration=1,
        config={"width": 8},
    )
    assert WeightsHeader.model_validate(json.loads(json.dumps(header.model_dump(mode="json")))) == header


# --- ids -------------------------------------------------------------------------------------------------------------


def test_a_cells_id_follows_from_recipe_data_seed_and_start() -> None:
    def identified(fingerprint: str = "f", seed: int = 0, encoder: str = "random", initial: str | None = None) -> str:
        return cell_id(Recipe.model_validate(RECIPE.model_dump()), fingerprint, seed, encoder, initial)

    assert identified() == identified()
    others = [identified("e"), identified(seed=1), identified(encoder="ab" * 32), identified(initial="ab" * 32)]
    assert len({identified(), *others}) == 5


def test_where_an_encoder_would_come_from_is_in_no_id() -> None:
    asking = RECIPE.model_copy(update={"encoder": "lab/vgg16"})
    assert cell_id(asking, "f", 0) == cell_id(RECIPE, "f", 0)
    assert Recipe.model_validate(asking.model_dump(mode="json")) == asking
    for wrong in ("vgg16", "/tmp/vgg16.pth", "lab/vgg16;rm", "../vgg16"):
        with pytest.raises(ValidationError):
            Recipe.model_validate({**RECIPE.model_dump(), "encoder": wrong})


def test_weights_from_elsewhere_say_so_and_trained_ones_say_nothing_of_it() -> None:
    values = {
        "model": "segnet-basic",
        "num_classes": 1,
        "class_names": ["sky"],
        "palette": [(1, 2, 3)],
        "ignore_index": 255,
        "dataset": "toy",
        "dataset_variant": "small",
        "dataset_fingerprint": "f",
        "input_size": None,
        "seed": 0,
        "iteration": 1,
    }
    trained = WeightsHeader.model_validate(values | {"recipe": RECIPE})
    origin = {"kind": "caffe", "weights_sha256": "a", "definition_sha256": "b", "licence": "c"}
    imported = WeightsHeader.model_validate(values | {"recipe": None, "origin": origin})
    assert trained.label == RECIPE.label and "origin" not in trained.model_dump(mode="json")
    assert imported.label == "segnet-basic (imported)" and imported.model_dump(mode="json")["origin"] == origin


def test_a_runs_id_follows_from_cell_weights_and_protocol() -> None:
    protocols = [
        Protocol(),
        Protocol(version=2),
        Protocol(size=(1, 2)),
        Protocol(absent="zero"),
        Protocol(boundary=BoundaryProtocol(rule="distance")),
        Protocol(boundary=BoundaryProtocol(tolerance=4.5, unit="px")),
    ]
    ids = [run_id("c", "w", protocol) for protocol in protocols] + [
        run_id("d", "w", Protocol()),
        run_id("c", "x", Protocol()),
    ]
    assert len(set(ids)) == len(ids)
    assert all(len(found) == 12 and int(found, 16) >= 0 for found in ids)
    assert run_id("c", "w", Protocol()) == run_id("c", "w", Protocol(name="segbench", ignore_index=255))


def test_the_best_trial_is_that_of_the_highest_validation_mean_iou(tmp_path: Path) -> None:
    trials = Trials(model="segnet-basic", dataset="toy", dataset_variant="small", dataset_fingerprint="ab" * 32)
    assert trials.best is None
    for number, scores in enumerate(({}, {"mean_iou": 0.2}, {"mean_iou": 0.3}, {"mean_iou": 0.3})):
        trial = Trial(settings={"train.lr": number}, validation=scores, cell_id=f"{number:012x}", diverged=not scores)
        trials = trials.with_trial(trial)
    assert trials.best is not None and trials.best.settings == {"train.lr": 2}
    assert trials.of(f"{1:012x}") == trials.trials[1]
    assert trials.of(f"{9:012x}") is None
    save_trials(tmp_path / "trials.json", trials)
    assert load_trials(tmp_path / "trials.json") == trials


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1}'])
def test_a_damaged_file_of_trials_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trials.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"trials\.json"):
        load_trials(path)
