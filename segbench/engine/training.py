"""The training loop: from initial weights to the selected ones, resumable at any moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.atomic import write_text
from segbench.engine.batch_norm import reestimated
from segbench.engine.batches import Images, epoch_batches, to_tensors, training_batch
from segbench.engine.checkpoint import STATE_FILE, WEIGHTS_FILE, load_state, save_state, save_weights
from segbench.engine.distributed import ALONE, Team, gradients_kept
from segbench.engine.environment import Compute
from segbench.engine.evaluation import pixel_scores
from segbench.engine.interruption import Interruption, interruptible
from segbench.engine.loss import PixelCrossEntropy
from segbench.engine.synchronised_batch_norm import synchronise
from segbench.errors import CheckpointError, NonFiniteLossError
from segbench.progress import SILENT, Progress, Task
from segbench.recipe import Recipe, Training
from segbench.record import Curve, WeightsHeader

__all__ = ["Job", "Trained", "learning_rate", "require_images", "seconds_left", "train"]

LOG_FILE = "log.jsonl"
CHECKPOINT_EVERY_S = 60.0
WARM_UP_STEPS = 3
ESTIMATE_AFTER_STEPS = 12
TIMED_STEPS = 3


@dataclass(frozen=True)
class Job:
    """All that a training needs.

    Attributes:
        header: What the weights file will say of itself (its iteration is filled in).
        class_weights: [K] floats, or ``None``.
        cell: Id of the grid cell; a state of another cell is refused.
        folder: Where state, log and weights go; the same folder resumes.
        smaller: A recipe that takes less time, named when training starts.
        team: The processes that train together. Each has a job of its own, with the same folder.
    """

    model: nn.Module
    recipe: Recipe
    header: WeightsHeader
    train: Images
    validation: Images | None
    class_weights: tuple[float, ...] | None
    compute: Compute
    cell: str
    folder: Path
    progress: Progress = SILENT
    smaller: str = ""
    team: Team = ALONE


@dataclass(frozen=True)
class Trained:
    """Where the selected weights are and how they came about."""

    weights: Path
    curve: Curve
    validation: dict[str, float | None] | None


@dataclass
class _Status:
    """What a state file holds beside tensors."""

    iteration: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    epoch_loss_sum: float = 0.0
    epoch_steps: int = 0
    seconds: float = 0.0
    timed_seconds: float = 0.0
    timed_images: int = 0
    best: float = -math.inf
    best_iteration: int = 0
    best_scores: dict[str, float | None] | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "best": None if math.isinf(self.best) else self.best}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> _Status:
        known = {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        return cls(**{**known, "best": -math.inf if values["best"] is None else values["best"]})

    def images_per_s(self) -> float:
        """Over all timed steps, those before an interruption too."""
        return self.timed_images / self.timed_seconds if self.timed_seconds else 0.0


def train(job: Job) -> Trained:
    """Trains, or goes on with what ``job.folder`` holds.

    The same job gives the same weights whether or not it was interrupted (bitwise on a CPU with as many threads).
    Several processes take the steps that one takes, of the same images and with the gradients of the same loss, up to
    rounding; however many began, any number goes on. But each draws its own dropout, and unless ``sync_batch_norm`` is
    asked for, batch normalisation in training sees the images of one process only.

    Raises:
        UsageError: A batch has fewer images than there are processes.
        NonFiniteLossError: The loss is NaN or infinite; says at which step and what to lower.
        CheckpointError: The folder holds the state of another cell.
        KeyboardInterrupt: Ctrl-C; the state was saved.
    """
    run = _Run(job)
    run.restore()
    with interruptible() as interruption:
        run.steps(interruption)
    return run.finished()


def seconds_left(job: Job, scored_images: int = 0) -> float:
    """How long the steps and validations left will take, from a few steps that are timed and thrown away.

    Args:
        scored_images: Images that are predicted once the training is over.
    """
    run = _Run(job)
    path = job.folder / STATE_FILE
    done = int(load_state(path)[1]["status"]["iteration"]) if path.exists() else 0
    batch = epoch_batches(len(job.train), run.training.batch_size, job.header.seed, 0)[0]
    images = run.validations(done) * _images_a_validation(job) + scored_images
    steps = (run.total - done) * _timed(lambda: run._update(batch))
    return steps + images * _timed(lambda: run._predict(batch)) / len(batch)


def _images_a_validation(job: Job) -> int:
    """Images that pass through the network: of batch normalisation's statistics and of the validation split."""
    statistics = 0 if job.recipe.train.batch_norm == "running" else len(job.train)
    return statistics + (0 if job.validation is None else len(job.validation))


def _timed(work: Callable[[], object]) -> float:
    """Median seconds of a few calls; the first one, which is slower, does not count."""
    seconds = []
    for _ in range(TIMED_STEPS + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds[1:])[TIMED_STEPS // 2]


def require_images(team: Team, num_images: int, training: Training) -> None:
    """Checks that every batch of an epoch can be shared.

    Raises:
        UsageError: A batch has fewer images than there are processes.
    """
    batches = -(-num_images // training.batch_size)
    for size in (num_images // batches, -(-num_images // batches)):
        team.parts(size, training.micro_batch)


def learning_rate(training: Training, iteration: int, total: int) -> float:
    """Learning rate of a step, counted from 0, of ``total``."""
    warm = min(1.0, (iteration + 1) / training.warmup_iterations) if training.warmup_iterations else 1.0
    if training.schedule == "cosine":
        return training.lr * warm * 0.5 * (1 + math.cos(math.pi * iteration / total))
    if training.schedule == "poly":
        return float(training.lr * warm * (1 - iteration / total) ** training.poly_power)
    return training.lr * warm


def _optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Weight decay acts on convolution weights alone, not on biases and batch normalisation."""
    upsampling = _upsampling(model) if training.upsampling_lr_factor != 1 else []
    slowed = set(map(id, upsampling))
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1 and id(parameter) not in slowed]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay, "factor": 1.0},
        {"params": others, "weight_decay": 0.0, "factor": 1.0},
    ]
    if upsampling:
        factor = training.upsampling_lr_factor
        groups.append({"params": upsampling, "weight_decay": training.weight_decay, "factor": factor})
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.lr)
    return torch.optim.SGD(groups, lr=training.lr, momentum=training.momentum)


def _upsampling(model: nn.Module) -> list[nn.Parameter]:
    """The kernels of transposed convolutions."""
    transposed = [module for module in model.modules() if isinstance(module, nn.ConvTranspose2d)]
    return [parameter for module in transposed for parameter in module.parameters() if parameter.ndim > 1]


class _Run:
    """The moving parts of one training."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.team = job.team
        self.training = job.recipe.train
        self.model = job.model.to(job.compute.device)
        if self.team.sync_batch_norm:
            synchronise(self.model, self.team)
        self.optimizer = _optimizer(self.model, self.training)
        weights = None if job.class_weights is None else torch.tensor(job.class_weights, dtype=torch.float32)
        rule = job.recipe.loss
        self.loss = PixelCrossEntropy(
            weights, normalisation=rule.normalisation, label_smoothing=rule.label_smoothing
        ).to(job.compute.device)
        self.status = _Status()
        self.steps_per_epoch = -(-len(job.train) // self.training.batch_size)
        self.total = self.training.iterations or (self.training.epochs or 0) * self.steps_per_epoch
        self.validate_every = self.training.validate_every * (1 if self.training.iterations else self.steps_per_epoch)
        self.clock = _Clock()
        self.timed: list[float] = []
        require_images(self.team, len(job.train), self.training)
        self.network = self.team.wrapped(self.model, job.compute.device)

    # --- state -----------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Takes up the folder's state where there is one, and drops log lines after it."""
        path = self.job.folder / STATE_FILE
        if path.exists():
            tensors, values = load_state(path, self.job.compute.device)
            if values["cell"] != self.job.cell:
                raise CheckpointError(f"{path} is the state of cell {values['cell']}, not {self.job.cell}.")
            self.status = _Status.from_json(values["status"])
            self._load(tensors)
            done = f"{self.status.iteration} of {self.total} iterations"
            self.job.progress.message(f"Continuing {self.job.recipe.label} from its checkpoint: {done} are done.")
        if self.team.leads:
            self._trim_log()

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        prefix = "model."
        model = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        self.model.load_state_dict(model, strict=True)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".")
                # The layout of the parameters; values do not depend on it, speed does.
                laid_out = value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
                state.setdefault(int(number), {})[key] = laid_out
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def save(self) -> None:
        """Writes the state; the file before it stays whole until this one is."""
        if not self.team.leads:
            return
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
        self.status.seconds += self.clock.lap()
        save_state(self.job.folder / STATE_FILE, tensors, {"cell": self.job.cell, "status": self.status.to_json()})
        self.clock.saved()

    def _trim_log(self) -> None:
        path = self.job.folder / LOG_FILE
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["iteration"] <= self.status.iteration:
                    kept.append(line)
            except (json.JSONDecodeError, KeyError):
                continue  # a line that a kill cut in half
        write_text(path, "".join(f"{line}\n" for line in kept))

    def log(self, event: str, **values: Any) -> None:
        """Appends a line to the log and reports it."""
        if not self.team.leads:
            return
        entry = {"event": event, "iteration": self.status.iteration, **values}
        self.job.folder.mkdir(parents=True, exist_ok=True)
        with (self.job.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.job.progress.event(event, entry)

    # --- steps -----------------------------------------------------------------------------------------------------

    def steps(self, interruption: Interruption) -> None:
        """All steps that are left."""
        title = f"Training {self.job.recipe.label}"
        with self.job.progress.task(title, self.total, "steps") as bar:
            bar.advance(self.status.iteration)
            while self.status.iteration < self.total:
                epoch, start = divmod(self.status.iteration, self.steps_per_epoch)
                batches = epoch_batches(len(self.job.train), self.training.batch_size, self.job.header.seed, epoch)
                for indices in batches[start : start + self.total - self.status.iteration]:
                    self._one(indices, epoch, bar)
                    if self._stopped(interruption):
                        self.save()
                        self.team.wait()
                        raise KeyboardInterrupt

    def _stopped(self, interruption: Interruption) -> bool:
        """Whether any process was asked to stop; all stop after the same step."""
        return self.team.total(float(interruption.requested)) > 0

    def _one(self, indices: NDArray[Any], epoch: int, bar: Task) -> None:
        loss = self._update(indices)
        status = self.status
        status.iteration += 1
        status.loss_sum += loss
        status.loss_steps += 1
        status.epoch_loss_sum += loss
        status.epoch_steps += 1
        self._time(len(indices))
        bar.advance()
        bar.show(epoch=epoch + 1, loss=loss, images_per_s=status.images_per_s(), **_shown(status))
        if status.iteration % self.steps_per_epoch == 0:
            self._end_epoch(epoch)
        if status.iteration % self.validate_every == 0 or status.iteration == self.total:
            self._validate(epoch)
            self.save()
        elif self.clock.due():
            self.save()

    def _time(self, images: int) -> None:
        seconds = self.clock.step()
        if seconds is None:
            return
        self.status.timed_seconds += seconds
        self.status.timed_images += images
        if len(self.timed) < ESTIMATE_AFTER_STEPS:
            self.timed.append(seconds)
            if len(self.timed) == ESTIMATE_AFTER_STEPS:
                self._announce(sum(self.timed) / len(self.timed))

    def _end_epoch(self, epoch: int) -> None:
        status, rate = self.status, learning_rate(self.training, self.status.iteration - 1, self.total)
        mean_loss = status.epoch_loss_sum / status.epoch_steps
        status.epoch_loss_sum, status.epoch_steps = 0.0, 0
        self.log("epoch", epoch=epoch + 1, loss=mean_loss, lr=rate, images_per_s=self.status.images_per_s())

    def _update(self, indices: NDArray[Any]) -> float:
        iteration = self.status.iteration
        # Each process draws its own dropout; the leader draws that of a process by itself.
        torch.manual_seed(self.job.header.seed * 1_000_003 + iteration + (self.team.rank << 48))
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.training, iteration, self.total) * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)
        value = self._gradients(self._batches(indices))
        if not math.isfinite(value):
            self._diverged(value)
        self.optimizer.step()
        return value

    def _batches(self, indices: NDArray[Any]) -> list[tuple[Tensor, Tensor]]:
        """Images and labels of this process in a step, as they are computed one after the other."""
        job, seed = self.job, (self.job.header.seed, self.status.iteration)
        size, augment, device = job.recipe.input_size, job.recipe.augment, job.compute.device
        parts = self.team.parts(len(indices), self.training.micro_batch)
        return [training_batch(job.train, indices, size, augment, seed, device, part) for part in parts]

    def _gradients(self, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
        """Leaves the gradients of the loss of the whole batch, wherever its images are; returns this loss."""
        divisor = self._divisor([labels for _, labels in batches])
        value = 0.0
        for number, (images, labels) in enumerate(batches, 1):
            with gradients_kept(self.network) if number < len(batches) else nullcontext():
                with self.job.compute.autocast():
                    logits = self.network(images)
                loss = self.loss.quotient(self.loss.total(logits, labels), divisor)
                value += loss.item()
                # What processes send each other becomes a mean; a sum is wanted.
                (loss * self.team.size).backward()  # type: ignore[no-untyped-call]
        return self.team.total(value)

    def _divisor(self, labels: Sequence[Tensor]) -> Tensor:
        """Of the loss of the whole batch."""
        divisor = torch.stack([self.loss.divisor(part) for part in labels]).sum()
        if self.team.size > 1:
            divisor.fill_(self.team.total(divisor.item()))
        return divisor

    def _predict(self, indices: NDArray[Any]) -> float:
        """A step without learning, as in a validation; returns a number, so that a GPU has finished."""
        job = self.job
        self.model.eval()
        images, _ = to_tensors(job.train, indices, job.compute.device, job.recipe.input_size)
        with torch.no_grad(), job.compute.autocast():
            return float(self.model(images).sum())

    def _diverged(self, value: float) -> None:
        rate = learning_rate(self.training, self.status.iteration, self.total)
        raise NonFiniteLossError(
            f"{self.job.recipe.label}: the loss is {value} at step {self.status.iteration + 1} "
            f"(learning rate {rate:g}).",
            f"Lower it: --set train.lr={self.training.lr / 10:g}"
            + (", or try --set train.precision=fp32." if self.job.compute.precision == "bf16" else "."),
        )

    def _announce(self, rate: float) -> None:
        """After the first steps, of ``rate`` seconds each: how long the rest will take."""
        left = (self.total - self.status.iteration) * rate
        smaller = f" {self.job.smaller}" if self.job.smaller and left > 120 else ""
        self.job.progress.message(
            f"{self.job.recipe.label}: {self.total - self.status.iteration} steps of {rate:.2f} s on this machine, "
            f"about {_duration(left)} of training.{smaller}"
        )

    # --- validation ------------------------------------------------------------------------------------------------

    def validations(self, done: int) -> int:
        """How many are left after ``done`` steps; there is one at the end in any case."""
        left = self.total // self.validate_every - done // self.validate_every
        return left + (self.total % self.validate_every != 0 and done < self.total)

    def _validate(self, epoch: int) -> None:
        status, training = self.status, self.training
        mean_loss = status.loss_sum / status.loss_steps
        status.loss_sum, status.loss_steps = 0.0, 0
        with self._evaluation_statistics():
            scores = self._validation_scores()
            if self._is_best(scores) and self.team.leads:
                header = self.job.header.model_copy(update={"iteration": status.iteration})
                save_weights(self.job.folder / WEIGHTS_FILE, self.model, header)
        self.clock.resume()
        entry = {"epoch": epoch + 1, "loss": mean_loss, "images_per_s": self.status.images_per_s(), **(scores or {})}
        status.curve.append({"iteration": status.iteration, **entry})
        self.log("validation", lr=learning_rate(training, status.iteration - 1, self.total), **entry)

    def _evaluation_statistics(self) -> AbstractContextManager[None]:
        job = self.job
        if self.training.batch_norm == "running":
            self.team.take_buffers(self.model)
            return nullcontext()
        size, batch = job.recipe.input_size, self.training.batch_size
        return reestimated(self.model, job.train, size, batch, job.compute, job.team)

    def _validation_scores(self) -> dict[str, float | None] | None:
        job = self.job
        if job.validation is None:
            return None
        size, batch = job.recipe.input_size, job.recipe.evaluate.batch_size
        return pixel_scores(self.model, job.validation, job.header.num_classes, size, batch, job.compute, job.team)

    def _is_best(self, scores: dict[str, float | None] | None) -> bool:
        """Keeps the scores if they are the best so far; without validation, or with ``last``, the latest always is."""
        status, rule = self.status, self.training.select
        value = (scores or {}).get(rule) if rule != "last" else None
        latest = scores is None or rule == "last"
        if not latest and (value is None or value <= status.best):
            return False
        status.best = status.best if value is None else value
        status.best_iteration, status.best_scores = status.iteration, scores
        return True

    def finished(self) -> Trained:
        """What the finished training left.

        Raises:
            CheckpointError: The training is finished and its weights are gone.
        """
        self.team.wait()
        weights = self.job.folder / WEIGHTS_FILE
        if not weights.exists():
            raise CheckpointError(
                f"{self.job.folder} is trained but has no {WEIGHTS_FILE}.", "Delete it to train again."
            )
        curve, status = self.status.curve, self.status
        return Trained(
            weights=weights,
            validation=status.best_scores,
            curve=Curve(
                iteration=[entry["iteration"] for entry in curve],
                epoch=[entry["epoch"] for entry in curve],
                loss=[entry["loss"] for entry in curve],
                global_accuracy=[entry.get("global_accuracy") for entry in curve],
                mean_iou=[entry.get("mean_iou") for entry in curve],
                selected_iteration=status.best_iteration,
                wall_time_s=round(status.seconds, 1),
                images_per_s=round(curve[-1]["images_per_s"], 3),
            ),
        )


class _Clock:
    """Times steps (without validation) and decides when a checkpoint is due."""

    def __init__(self) -> None:
        now = time.perf_counter()
        self._lap = self._saved = self._last = now
        self._seen = 0

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        self._lap, before = now, self._lap
        return now - before

    def saved(self) -> None:
        """A checkpoint was written just now."""
        self._saved = time.perf_counter()

    def due(self) -> bool:
        """Whether the last checkpoint is old."""
        return time.perf_counter() - self._saved > CHECKPOINT_EVERY_S

    def resume(self) -> None:
        """What came since the last step belongs to no step."""
        self._last = time.perf_counter()

    def step(self) -> float | None:
        """Seconds of the step that ends now; ``None`` for the first ones, which are slower."""
        now = time.perf_counter()
        self._last, before = now, self._last
        self._seen += 1
        return now - before if self._seen > WARM_UP_STEPS else None


def _shown(status: _Status) -> dict[str, float]:
    """The latest validation scores, for the bar."""
    latest = status.curve[-1] if status.curve else {}
    names = ("global_accuracy", "mean_iou")
    return {f"validation_{name}": latest[name] for name in names if latest.get(name) is not None}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
