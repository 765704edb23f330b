"""The training loop on six drawn images: it learns, stops, goes on bitwise, and says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from segbench.engine import training as module
from segbench.engine.checkpoint import STATE_FILE, WEIGHTS_FILE, load_model, load_state, load_weights
from segbench.engine.environment import Compute
from segbench.engine.training import Job, Trained, learning_rate, seconds_left, train
from segbench.errors import CheckpointError, NonFiniteLossError
from segbench.models import create_model
from segbench.models.blocks import use_convolution
from segbench.progress import Silent, Task
from segbench.recipe import Loss, Training
from tests.engine import tiny

CHECKOUT = Path(__file__).parents[2]
LOG = "log.jsonl"


class StopHereError(Exception):
    """What a test raises from inside a training."""


class Listener(Silent):
    """Keeps messages, events and shown figures; sends a signal at a step, or raises at a message."""

    def __init__(self, signal_at: int = 0, number: int = signal.SIGINT, stop_at_message: str = "") -> None:
        self.signal_at, self.number, self.stop_at_message = signal_at, number, stop_at_message
        self.steps = 0
        self.messages: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.shown: list[dict[str, object]] = []

    def task(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Task]:
        return nullcontext(self)

    def advance(self, steps: int = 1) -> None:
        self.steps += steps
        if steps and self.steps == self.signal_at:
            signal.raise_signal(self.number)

    def show(self, **values: object) -> None:
        self.shown.append(values)

    def message(self, text: str) -> None:
        self.messages.append(text)
        if self.stop_at_message and self.stop_at_message in text:
            raise StopHereError

    def event(self, name: str, values: Mapping[str, object]) -> None:
        self.events.append(dict(values))


def digest(folder: Path) -> str:
    return sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()


def log(folder: Path, event: str = "validation") -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    return [entry for entry in entries if entry["event"] == event]


def timeless(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Log entries without what a clock decided."""
    return [{key: value for key, value in entry.items() if key != "images_per_s"} for entry in entries]


# --- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [{"optimizer": "sgd", "lr": 0.05}, {"optimizer": "adamw", "lr": 0.01}])
def test_it_learns(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    settings = tiny.recipe(iterations=60, validate_every=10, weight_decay=1e-4, **optimizer)
    trained = train(tiny.job(tmp_path, settings))
    assert trained.curve.loss[-1] < 0.5 * trained.curve.loss[0]
    assert trained.validation is not None
    accuracy = trained.validation["global_accuracy"]
    assert accuracy is not None
    assert accuracy > 0.75


def test_curve_and_files(tmp_path: Path) -> None:
    listener = Listener()
    job = tiny.job(tmp_path, tiny.recipe(epochs=4, validate_every=2), progress=listener)
    trained = train(job)
    curve = trained.curve
    assert (curve.iteration, curve.epoch) == ([6, 12], [2, 4])
    assert len(curve.loss) == len(curve.mean_iou) == len(curve.global_accuracy) == 2
    assert all(value is not None and 0 <= value <= 1 for value in (*curve.mean_iou, *curve.global_accuracy))
    assert curve.selected_iteration in curve.iteration
    assert curve.wall_time_s >= 0
    assert curve.images_per_s > 0
    assert [entry["iteration"] for entry in log(tmp_path)] == [6, 12]
    assert [entry["loss"] for entry in log(tmp_path)] == curve.loss
    assert [entry["epoch"] for entry in log(tmp_path, "epoch")] == [1, 2, 3, 4]
    assert [entry["iteration"] for entry in log(tmp_path, "epoch")] == [3, 6, 9, 12]
    assert {name for entry in listener.shown for name in entry} >= {"epoch", "loss", "images_per_s"}
    assert trained.weights == tmp_path / WEIGHTS_FILE
    header = load_weights(trained.weights)[1]
    assert header == job.header.model_copy(update={"iteration": curve.selected_iteration})


def test_a_curve_loss_is_the_mean_since_the_entry_before(tmp_path: Path) -> None:
    listener = Listener()
    trained = train(tiny.job(tmp_path, progress=listener))
    losses = [entry["loss"] for entry in listener.shown if "loss" in entry]
    assert all(isinstance(loss, float) for loss in losses)
    means = [sum(map(float, map(str, losses[at : at + 3]))) / 3 for at in (0, 3, 6)]
    assert trained.curve.loss == pytest.approx(means, rel=1e-12)


def test_weight_decay_spares_biases_and_batch_normalisation(tmp_path: Path) -> None:
    model = tiny.job(tmp_path).model
    optimizer = module._optimizer(model, tiny.recipe(weight_decay=0.1).train)
    decayed = {id(value) for group in optimizer.param_groups if group["weight_decay"] for value in group["params"]}
    assert decayed == {id(value) for value in model.parameters() if value.ndim == 4}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))


def test_a_network_that_is_done_is_not_trained_again(tmp_path: Path) -> None:
    first = train(tiny.job(tmp_path))
    before = digest(tmp_path)
    listener = Listener()
    again = train(tiny.job(tmp_path, progress=listener))
    assert (again, digest(tmp_path)) == (first, before)
    assert listener.messages == ["Continuing segnet-basic.tiny from its checkpoint: 9 of 9 iterations are done."]
    assert not listener.shown


# --- going on --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing interrupted."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    train(tiny.job(folder))
    torch.set_num_threads(threads)
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    """Same weights, same last state and same log, bit for bit, but for the clock."""
    assert digest(folder) == digest(whole)
    ours, theirs = load_state(folder / STATE_FILE), load_state(whole / STATE_FILE)
    assert set(ours[0]) == set(theirs[0])
    assert all(torch.equal(value, theirs[0][name]) for name, value in ours[0].items())
    for event in ("validation", "epoch"):
        assert timeless(log(folder, event)) == timeless(log(whole, event))


# At the validation of step 6 the log has its line and the weights may be new, but the state is still that of step 3.
@pytest.mark.parametrize(("event", "iteration", "done"), [("validation", 6, 3), ("epoch", 6, 3), ("validation", 3, 0)])
def test_killed_and_resumed_is_bitwise_the_same(
    tmp_path: Path, whole: Path, event: str, iteration: int, done: int
) -> None:
    command = [sys.executable, "-m", "tests.engine.killed", str(tmp_path), event, str(iteration)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    if done:
        assert load_state(tmp_path / STATE_FILE)[1]["status"]["iteration"] == done
    else:
        assert not (tmp_path / STATE_FILE).exists()
    assert not list(tmp_path.glob("*.partial"))
    train(tiny.job(tmp_path))
    assert_same(tmp_path, whole)


@pytest.mark.parametrize("step", [1, 4, 5, 6, 8])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_is_bitwise_the_same(tmp_path: Path, whole: Path, step: int, number: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tiny.job(tmp_path, progress=Listener(step, number)))
    assert load_state(tmp_path / STATE_FILE)[1]["status"]["iteration"] == step
    listener = Listener()
    train(tiny.job(tmp_path, progress=listener))
    assert listener.messages[0].endswith(f"{step} of 9 iterations are done.")
    assert_same(tmp_path, whole)


@pytest.mark.parametrize(
    "settings",
    [{"optimizer": "adamw", "lr": 0.01, "schedule": "cosine"}, {"momentum": 0.0}, {"epochs": 3, "validate_every": 1}],
    ids=["adamw", "no momentum", "epochs"],
)
def test_every_optimizer_resumes_bitwise(tmp_path: Path, settings: dict[str, Any]) -> None:
    chosen = tiny.recipe(**settings)
    train(tiny.job(tmp_path / "whole", chosen))
    with pytest.raises(KeyboardInterrupt):
        train(tiny.job(tmp_path / "parts", chosen, progress=Listener(5)))
    train(tiny.job(tmp_path / "parts", chosen))
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_every_augmentation_resumes_bitwise(tmp_path: Path) -> None:
    augment = {"flip": True, "scale": [0.5, 2.0], "crop": [32, 40], "brightness": 0.3, "contrast": 0.3}
    chosen = tiny.recipe(augment | {"saturation": 0.3, "hue": 0.05}, schedule="poly", warmup_iterations=2)
    chosen = chosen.model_copy(update={"loss": Loss(label_smoothing=0.1)})
    train(tiny.job(tmp_path / "whole", chosen))
    with pytest.raises(KeyboardInterrupt):
        train(tiny.job(tmp_path / "parts", chosen, progress=Listener(5)))
    train(tiny.job(tmp_path / "parts", chosen))
    assert_same(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize(("precision", "convolution"), [("bf16", "direct"), ("fp32", "dft")])
def test_every_route_resumes_bitwise(
    tmp_path: Path, precision: Literal["bf16", "fp32"], convolution: Literal["direct", "dft"]
) -> None:
    def job(folder: Path, progress: Listener) -> Job:
        torch.manual_seed(0)
        model = create_model("fcn-basic", 3, width=16)
        use_convolution(model, convolution)
        compute = Compute(torch.device("cpu"), precision, convolution)
        return replace(tiny.job(folder, compute=compute, progress=progress), model=model)

    train(job(tmp_path / "whole", Listener()))
    with pytest.raises(KeyboardInterrupt):
        train(job(tmp_path / "parts", Listener(5)))
    train(job(tmp_path / "parts", Listener()))
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_a_due_checkpoint_is_written_between_validations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(NonFiniteLossError):
        train(tiny.job(tmp_path, tiny.recipe(lr=1e30, validate_every=100, iterations=100)))
    assert load_state(tmp_path / STATE_FILE)[1]["status"]["iteration"] >= 1


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    class Impatient(Listener):
        def show(self, **values: object) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny.job(tmp_path, progress=Impatient()))
    assert not (tmp_path / STATE_FILE).exists()


def test_signal_handlers_are_put_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        train(tiny.job(tmp_path, progress=Listener(1)))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_state_of_another_cell_is_refused(tmp_path: Path) -> None:
    train(tiny.job(tmp_path))
    before = (tmp_path / LOG).read_bytes(), digest(tmp_path)
    with pytest.raises(CheckpointError, match="is the state of cell a1b2c3d4e5f6, not ffffffffffff"):
        train(tiny.job(tmp_path, cell="ffffffffffff"))
    assert ((tmp_path / LOG).read_bytes(), digest(tmp_path)) == before


def test_log_lines_after_the_checkpoint_and_half_lines_are_dropped(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tiny.job(tmp_path, progress=Listener(4)))
    with (tmp_path / LOG).open("a", encoding="utf-8") as file:
        file.write('{"event": "validation", "iteration": 6, "loss": 9.9}\n{"event": "validation", "iter')
    train(tiny.job(tmp_path))
    assert_same(tmp_path, whole)


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_divergence_says_where_and_what_to_lower(tmp_path: Path, precision: Literal["bf16", "fp32"]) -> None:
    compute = Compute(torch.device("cpu"), precision, "direct")
    settings = tiny.recipe(lr=1e30, iterations=100, validate_every=100)
    with pytest.raises(NonFiniteLossError) as caught:
        train(tiny.job(tmp_path, settings, compute=compute))
    assert caught.value.exit_code == 1
    text = str(caught.value)
    assert text.startswith("segnet-basic.tiny: the loss is ")
    assert "at step " in text
    assert "(learning rate 1e+30)" in text
    assert "--set train.lr=1e+29" in text
    assert ("--set train.precision=fp32" in text) == (precision == "bf16")
    assert "\n" not in text
    assert list(tmp_path.iterdir()) in ([], [tmp_path / LOG])  # neither a state nor weights


def test_the_estimate_comes_after_the_first_steps_and_names_a_smaller_recipe(tmp_path: Path) -> None:
    listener = Listener(stop_at_message="of training")
    settings = tiny.recipe(iterations=10**6, validate_every=10**6)
    with pytest.raises(StopHereError):
        train(tiny.job(tmp_path, settings, progress=listener, smaller="Smaller: --recipe half."))
    assert len(listener.messages) == 1
    assert listener.messages[0].startswith(f"segnet-basic.tiny: {10**6 - 15} steps of 0.")
    assert listener.messages[0].endswith("of training. Smaller: --recipe half.")


@pytest.mark.parametrize(
    ("changes", "images"),
    [
        ({}, 3 * 8 + 4),
        ({"validate_every": 4}, 3 * 8 + 4),  # after 4, 8 and 9 steps
        ({"validate_every": 9}, 8 + 4),
        ({"batch_norm": "running"}, 3 * 2 + 4),
    ],
)
def test_what_is_left_includes_validations_and_the_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], images: int
) -> None:
    settings = tiny.recipe(**changes)
    with monkeypatch.context() as patched:
        times = iter((10.0, 0.5))  # a training step, a batch of two images
        patched.setattr(module, "_timed", lambda work: work() and next(times))
        assert seconds_left(tiny.job(tmp_path, settings), 4) == pytest.approx(9 * 10 + images * 0.25)
    assert list(tmp_path.iterdir()) == []
    assert 0 < seconds_left(tiny.job(tmp_path, settings)) < 60


def test_of_a_finished_training_only_the_scoring_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny.job(tmp_path))
    monkeypatch.setattr(module, "_timed", lambda work: 0.5)
    assert seconds_left(tiny.job(tmp_path), 4) == pytest.approx(1.0)


def test_a_short_training_names_no_smaller_one(tmp_path: Path) -> None:
    listener = Listener(stop_at_message="of training")
    settings = tiny.recipe(iterations=16, validate_every=16)
    with pytest.raises(StopHereError):
        train(tiny.job(tmp_path, settings, progress=listener, smaller="Smaller: --recipe half."))
    assert listener.messages[0].endswith("of training.")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7325, "2 h 02 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert module._duration(seconds) == text


# --- selection -------------------------------------------------------------------------------------------------------

SCORES = [
    {"global_accuracy": 0.5, "class_accuracy": 0.1, "mean_iou": 0.3},
    {"global_accuracy": 0.7, "class_accuracy": 0.1, "mean_iou": 0.2},
    {"global_accuracy": 0.7, "class_accuracy": 0.1, "mean_iou": None},
]


def selected(folder: Path, rule: str, monkeypatch: pytest.MonkeyPatch) -> Trained:
    left = iter(SCORES)
    monkeypatch.setattr(module, "pixel_scores", lambda *_: next(left))
    return train(tiny.job(folder, tiny.recipe(select=rule)))


@pytest.mark.parametrize(("rule", "iteration"), [("mean_iou", 3), ("global_accuracy", 6), ("last", 9)])
def test_selection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, iteration: int) -> None:
    trained = selected(tmp_path, rule, monkeypatch)
    assert trained.curve.selected_iteration == iteration
    assert trained.validation == SCORES[iteration // 3 - 1]
    assert load_weights(trained.weights)[1].iteration == iteration


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    trained = train(tiny.job(tmp_path, validation=None))
    assert trained.validation is None
    assert trained.curve.selected_iteration == 9
    assert trained.curve.mean_iou == [None, None, None]


@pytest.mark.parametrize("statistics", ["running", "reestimated"])
def test_the_kept_weights_score_what_validation_said(tmp_path: Path, statistics: str) -> None:
    from segbench.engine.evaluation import pixel_scores

    trained = train(tiny.job(tmp_path, tiny.recipe(iterations=6, batch_norm=statistics)))
    model = load_model(trained.weights)
    assert pixel_scores(model, tiny.Drawn(2, first=100), 3, None, 4, tiny.CPU) == trained.validation


# --- the learning rate -----------------------------------------------------------------------------------------------


def rates(total: int, **values: Any) -> list[float]:
    settings = Training.model_validate({"iterations": total, "batch_size": 1, "lr": 0.2} | values)
    return [learning_rate(settings, iteration, total) for iteration in range(total)]


def test_constant_rate() -> None:
    assert rates(50) == [0.2] * 50


def test_poly_rate_falls_by_its_power() -> None:
    assert rates(4, schedule="poly", poly_power=2.0) == pytest.approx([0.2, 0.2 * 9 / 16, 0.2 / 4, 0.2 / 16])
    assert rates(10, schedule="poly")[9] == pytest.approx(0.2 * 0.1**0.9)
    warm = rates(4, schedule="poly", poly_power=1.0, warmup_iterations=2)
    assert warm == pytest.approx([0.1, 0.15, 0.1, 0.05])


def test_cosine_rate_falls_from_the_whole_to_nothing() -> None:
    values = rates(100, schedule="cosine")
    assert values[0] == 0.2
    assert values[50] == pytest.approx(0.1)
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < 0.2 * 3e-4


def test_warm_up_is_linear_and_multiplies_the_schedule() -> None:
    assert rates(8, warmup_iterations=4) == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.2, 0.2])
    plain, warm = rates(8, schedule="cosine"), rates(8, schedule="cosine", warmup_iterations=4)
    assert [a / b for a, b in zip(warm, plain, strict=True)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])


def test_transposed_convolutions_learn_at_their_share_of_the_rate(tmp_path: Path) -> None:
    moved = {}
    for factor in (1.0, 0.25):
        torch.manual_seed(0)
        model = create_model("fcn-basic", 3, width=8)
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        settings = tiny.recipe(iterations=1, validate_every=1, upsampling_lr_factor=factor)
        train(tiny.job(tmp_path / str(factor), settings, model=model))
        moved[factor] = {name: (value.detach() - before[name]) for name, value in model.named_parameters()}
    slowed = {name for name in moved[1.0] if name.startswith("doublings.")}
    assert len(slowed) == 4
    for name, whole in moved[1.0].items():
        share = 0.25 if name in slowed else 1.0
        assert whole.abs().max() > 0
        torch.testing.assert_close(moved[0.25][name], share * whole, rtol=1e-3, atol=1e-7)


def test_slowed_transposed_convolutions_resume_bitwise(tmp_path: Path) -> None:
    settings = tiny.recipe(upsampling_lr_factor=0.1)

    def job(folder: Path, listener: Listener) -> Job:
        torch.manual_seed(0)
        return tiny.job(folder, settings, model=create_model("fcn-basic", 3, width=8), progress=listener)

    train(job(tmp_path / "whole", Listener()))
    with pytest.raises(KeyboardInterrupt):
        train(job(tmp_path / "cut", Listener(signal_at=5)))
    train(job(tmp_path / "cut", Listener()))
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")
