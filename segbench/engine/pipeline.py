"""A run from recipe to record: one function, the stages in order, each fed by the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segbench.data import raw_cache
from segbench.data.preparation import PreparedDataset, ensure_prepared
from segbench.engine.allocator import keep_freed_memory
from segbench.engine.batches import Images
from segbench.engine.certainty import samples_of, score_certainty
from segbench.engine.checkpoint import build_model, load_weights, weights_path
from segbench.engine.checkpointing import checkpoint_chains
from segbench.engine.compilation import compile_network
from segbench.engine.distributed import ALONE, Team
from segbench.engine.environment import Compute, choose_compute, describe
from segbench.engine.evaluation import pixel_scores, score_split
from segbench.engine.pictures import draw_comparison
from segbench.engine.prediction import predict_files, predict_split
from segbench.engine.run_length import MAX_ITERATIONS, cut_short
from segbench.engine.selection import selection, training_images
from segbench.engine.start import HE, Start, build_start
from segbench.engine.tensorboard import tensorboard_events
from segbench.engine.training import Job, Trained, seconds_left, train
from segbench.engine.trial import try_network
from segbench.engine.untrained import find_untrained, load_untrained
from segbench.errors import CheckpointError, RecipeError, UsageError
from segbench.leaderboard.store import PredictionsWriter, find_record, result_files, save_result
from segbench.metrics import Scorer
from segbench.metrics.uncertainty import UncertaintyScorer, UncertaintyScores
from segbench.models import create_model, find_model
from segbench.models.blocks import describe_config, describe_preprocess, use_convolution
from segbench.models.options import check_options
from segbench.progress import SILENT, Progress
from segbench.recipe import Recipe, load_recipe, recipes_folder, require_variant
from segbench.record import RunRecord, Scores, Trial, WeightsHeader, cell_id, run_id
from segbench.registry import DATASETS, import_object
from segbench.specs import ModelSpec, folder_name

__all__ = [
    "Cell",
    "Result",
    "check_cell",
    "class_weights",
    "compute_of",
    "estimate_training",
    "evaluate",
    "evaluate_uncertainty",
    "find_cell",
    "predict_dataset",
    "predict_pictures",
    "run_cell",
    "smaller_recipe",
    "train_cell",
]

PREDICTIONS = "predictions.zip"
COMPARISON = "pictures/comparison.png"


@dataclass(frozen=True)
class Cell:
    """One square of a grid: a recipe, a seed, the prepared dataset and what the weights start from.

    Attributes:
        cell_id: 12 hex digits, known before training.
        network: What the recipe's model stands for.
        folder: Where its state, log and weights go.
    """

    recipe: Recipe
    seed: int
    prepared: PreparedDataset
    cell_id: str
    network: ModelSpec
    folder: Path
    start: Start = HE


@dataclass(frozen=True)
class Result:
    """A finished cell.

    Attributes:
        path: The record's file.
        pictures: What to look at.
        fresh: Whether anything was computed by this call.
    """

    record: RunRecord
    path: Path
    pictures: list[Path]
    fresh: bool


def find_cell(recipe: Recipe, seed: int, out: Path, progress: Progress = SILENT, start: Start = HE) -> Cell:
    """The cell of a recipe; an embedded dataset is made on the spot.

    Where ``SEGBENCH_MAX_ITERATIONS`` is shorter than the recipe, the cell is that of the recipe as it is cut. The
    address of a network from outside becomes the name that records know it by.

    Args:
        start: What :func:`~segbench.engine.start.find_starts` found for the recipe.

    Raises:
        NotPreparedError: The dataset has to be prepared first.
        UsageError: The labels of the recipe's split are not published, or the model has no such option.
    """
    require_variant(recipe, DATASETS[recipe.dataset].variants)
    prepared = ensure_prepared(recipe.dataset, recipe.dataset_variant, progress=progress)
    prepared.manifest.require_labels(recipe.evaluate.split)
    network = find_model(recipe.model)
    recipe = recipe.model_copy(update={"model": network.name})
    if start.repository is not None:
        recipe = recipe.model_copy(update={"encoder": start.repository})
    recipe = _cut(recipe, prepared, progress)
    if not network.kind:
        check_options(network.name, import_object(network.factory), recipe.options)
    started = (start.encoder_weights, start.initial_weights)
    cell = cell_id(recipe, prepared.manifest.fingerprint, seed, *started, model_identity=network.identity)
    name = f"{folder_name(recipe.model)}.{recipe.variant}-s{seed}-{cell}"
    return Cell(recipe, seed, prepared, cell, network, out / "runs" / recipe.dataset / name, start)


def _cut(recipe: Recipe, prepared: PreparedDataset, progress: Progress) -> Recipe:
    found = cut_short(recipe, prepared.manifest.counts["train"])
    if found != recipe:
        steps = f"{found.train.iterations} training step{'' if found.train.iterations == 1 else 's'}"
        progress.message(f"{MAX_ITERATIONS}: {recipe.label} is cut to {steps} and filed as {found.variant}.")
    return found


def class_weights(recipe: Recipe, prepared: PreparedDataset) -> tuple[float, ...] | None:
    """The loss weights of the classes that a recipe asks for.

    Raises:
        RecipeError: ``published`` where none were published.
    """
    rule = recipe.loss.class_weights
    if rule == "none":
        return None
    if rule == "median-frequency":
        return prepared.manifest.median_frequency_weights()
    published = DATASETS[recipe.dataset].variants[recipe.dataset_variant].class_weights
    if rule not in published:
        raise RecipeError(
            f"Recipe {recipe.label}: no class weights were published for {recipe.dataset} {recipe.dataset_variant}.",
            "Use loss.class_weights = 'median-frequency' or 'none'.",
        )
    return published[rule]


def check_cell(cell: Cell) -> None:
    """Raises what can be known of a cell before it is trained.

    Raises:
        RecipeError: The recipe asks for class weights that were never published.
        UsageError: A network from outside is not what it should be.
    """
    class_weights(cell.recipe, cell.prepared)
    manifest = cell.prepared.manifest
    try_network(cell.network, manifest.num_classes, cell.recipe.input_size or manifest.size)


def run_cell(
    cell: Cell,
    out: Path,
    *,
    device: str = "auto",
    tensorboard: bool = False,
    trials: Sequence[Trial] = (),
    progress: Progress = SILENT,
    team: Team = ALONE,
) -> Result:
    """Trains, evaluates and records a cell; what is done already is not done again.

    Args:
        out: Folder that holds ``runs`` and ``leaderboards``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        tensorboard: Also write the curves for TensorBoard, into the run's folder.
        trials: What was tried on the validation split before; a record that is there already keeps its own.
        team: Those who compute the cell together, each by this call; the leader alone writes.
    """
    board = out / "leaderboards"
    compute = compute_of(cell, device)
    with (
        tensorboard_events(cell.folder / "tensorboard", progress) if tensorboard else nullcontext(progress) as reporting
    ):
        trained = train_cell(cell, compute, reporting, team)
    done = team.told(find_record(board, cell.cell_id, load_weights(trained.weights)[2]))
    if done is not None:
        kept = ", which keeps the trials it was made with" if list(trials) != done.trials else ""
        progress.message(f"{cell.recipe.label} seed {cell.seed} has its record already: run {done.run_id}{kept}.")
        pictures = [path for path in (cell.folder / COMPARISON,) if path.exists()]
        return Result(done, result_files(board, done).record, pictures, fresh=False)
    return _record_result(cell, trained, board, compute, trials, progress, team)


def _record_result(
    cell: Cell,
    trained: Trained,
    board: Path,
    compute: Compute,
    trials: Sequence[Trial],
    progress: Progress,
    team: Team,
) -> Result:
    model, header, sha256 = _loaded(trained.weights, compute, cell.network)
    name = cell.recipe.evaluate.split
    split = raw_cache.open_split(cell.prepared, name, progress)
    scorer = Scorer(header.class_names)
    with PredictionsWriter(cell.folder / PREDICTIONS, header.palette) if team.leads else nullcontext() as predictions:
        scores = _score(
            model,
            f"{header.label} on {name}",
            split,
            scorer,
            header.input_size,
            cell.recipe.evaluate.batch_size,
            compute,
            progress,
            predictions,
            team,
        )
    record = _record(cell, trained, header, model, sha256, scores, compute, team)
    training = _training_scores(cell, model, compute, progress, team)
    record = record.model_copy(update={"training": training, "trials": list(trials)})
    if not team.leads:
        return Result(record, result_files(board, record).record, [], fresh=True)
    path = save_result(board, record, scorer.tallies, cell.folder / PREDICTIONS)
    maps = result_files(board, record).predictions
    picture = draw_comparison(cell.folder / COMPARISON, record, header, split, scorer.tallies, maps)
    return Result(record, path, [picture], fresh=True)


def _training_scores(
    cell: Cell, model: nn.Module, compute: Compute, progress: Progress, team: Team
) -> dict[str, float | None] | None:
    recipe = cell.recipe
    if not recipe.evaluate.training_split:
        return None
    split = training_images(recipe, cell.prepared, progress).train
    classes, batch = cell.prepared.manifest.num_classes, recipe.evaluate.batch_size
    return pixel_scores(model, split, classes, recipe.input_size, batch, compute, team)


def _score(
    model: nn.Module,
    what: str,
    split: Images,
    scorer: Scorer,
    input_size: tuple[int, int] | None,
    batch_size: int,
    compute: Compute,
    progress: Progress,
    predictions: PredictionsWriter | None = None,
    team: Team = ALONE,
) -> Scores:
    with progress.task(f"Evaluating {what}", len(split), "images") as bar:

        def keep(image_id: str, prediction: NDArray[np.uint8]) -> None:
            if predictions is not None:
                predictions.add(image_id, prediction)
            bar.advance()

        return score_split(model, split, scorer, input_size, batch_size, compute, keep, team)


def _loaded(weights: Path, compute: Compute, network: ModelSpec | None = None) -> tuple[nn.Module, WeightsHeader, str]:
    tensors, header, sha256 = load_weights(weights)
    return _built(tensors, header, weights, compute, network), header, sha256


def _opened(
    weights: Path, device: str, options: Mapping[str, Any] | None, model: str | None
) -> tuple[nn.Module, WeightsHeader, Compute]:
    """A trained network that computes as its recipe says, so that it reaches the scores of its record.

    Args:
        model: The network from a file whose weights they are.
    """
    tensors, header, _ = load_weights(weights)
    header = header.model_copy(update={"config": {**header.config, **(options or {})}})
    train = None if header.recipe is None else header.recipe.train
    compute = choose_compute(device) if train is None else choose_compute(device, train.precision, train.convolution)
    return _built(tensors, header, weights, compute, find_model(model) if model else None), header, compute


def _built(
    tensors: dict[str, torch.Tensor],
    header: WeightsHeader,
    weights: Path,
    compute: Compute,
    network: ModelSpec | None,
) -> nn.Module:
    keep_freed_memory(compute.device)
    model = build_model(tensors, header, weights, network).to(compute.device)
    use_convolution(model, compute.convolution)
    return model


def _record(
    cell: Cell,
    trained: Trained,
    header: WeightsHeader,
    model: nn.Module,
    sha256: str,
    scores: Scores,
    compute: Compute,
    team: Team,
) -> RunRecord:
    recipe, spec = cell.recipe, cell.network
    return RunRecord(
        run_id=run_id(cell.cell_id, sha256, scores.protocol),
        cell_id=cell.cell_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=recipe.model,
        model_identity=spec.identity,
        paper_name=spec.paper_name,
        dataset=recipe.dataset,
        dataset_variant=recipe.dataset_variant,
        dataset_title=DATASETS[recipe.dataset].title,
        split=recipe.evaluate.split,
        recipe=recipe,
        scale=recipe.variant,
        seed=cell.seed,
        encoder_weights=spec.start if cell.start == HE else cell.start.encoder_weights,
        initial_weights=cell.start.initial_weights,
        dataset_fingerprint=header.dataset_fingerprint,
        dataset_partial=cell.prepared.manifest.partial,
        weights_sha256=sha256,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        convolution_weights=sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 4),
        paper_parameters=spec.paper_parameters,
        scores=scores,
        selection=selection(recipe, cell.prepared),
        validation=trained.validation,
        curve=trained.curve,
        environment=describe(compute, team),
    )


def evaluate(
    weights: str | Path,
    dataset: str,
    variant: str | None = None,
    split: str = "test",
    *,
    options: Mapping[str, Any] | None = None,
    model: str | None = None,
    class_map: Path | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Scores:
    """Scores of trained weights on a split of a prepared dataset.

    Args:
        weights: As ``weights_path`` takes them; or a network from outside that brings its own, such as ``hf:ORG/NAME``.
        options: Arguments of the model's factory in place of those it was trained with.
        model: The network from a file whose weights they are.
        class_map: For a network that brings its own weights: which of its classes are which of the dataset's.

    Raises:
        CheckpointError: The weights were trained for other classes, or do not fit the options.
        UnknownNameError: The dataset has no such split.
        UsageError: The labels of the split are not published, or the model has no such option.
    """
    untrained = find_untrained(str(weights))
    if untrained is not None:
        if options:
            raise UsageError(f"{weights} takes no options: it is scored as it is.", "Leave out --option and --samples.")
        return _evaluate_as_it_is(
            untrained, dataset, variant, split, class_map, choose_compute(device, "fp32"), progress
        )
    if class_map is not None:
        raise UsageError("--class-map is for networks that bring their own weights and classes; these are of a run.")
    network, header, images, compute = _opened_on(weights, dataset, variant, split, options, model, device, progress)
    what, scorer = f"{header.label} on {split}", Scorer(header.class_names)
    return _score(network, what, images, scorer, header.input_size, 4, compute, progress)


def evaluate_uncertainty(
    weights: str | Path,
    dataset: str,
    variant: str | None = None,
    split: str = "test",
    *,
    options: Mapping[str, Any] | None = None,
    model: str | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> tuple[Scores, UncertaintyScores]:
    """What :func:`evaluate` gives for trained weights, and what the network's certainty is worth; same errors."""
    network, header, images, compute = _opened_on(weights, dataset, variant, split, options, model, device, progress)
    scorers = Scorer(header.class_names), UncertaintyScorer(samples_of(network), header.ignore_index)
    with progress.task(f"Evaluating {header.label} on {split}", len(images), "images") as bar:
        score_certainty(network, images, scorers, header.input_size, 4, compute, bar.advance)
    return scorers[0].scores(), scorers[1].scores()


def _opened_on(
    weights: str | Path,
    dataset: str,
    variant: str | None,
    split: str,
    options: Mapping[str, Any] | None,
    model: str | None,
    device: str,
    progress: Progress,
) -> tuple[nn.Module, WeightsHeader, Images, Compute]:
    """Weights and the labelled split they are evaluated on."""
    path = weights_path(weights)
    network, header, compute = _opened(path, device, options, model)
    prepared = ensure_prepared(dataset, variant, progress=progress)
    _check_classes(header, prepared, path)
    prepared.manifest.require_labels(split)
    return network, header, raw_cache.open_split(prepared, split, progress), compute


def _evaluate_as_it_is(
    network: ModelSpec,
    dataset: str,
    variant: str | None,
    split: str,
    class_map: Path | None,
    compute: Compute,
    progress: Progress,
) -> Scores:
    prepared = ensure_prepared(dataset, variant, progress=progress)
    prepared.manifest.require_labels(split)
    found = load_untrained(network, prepared.manifest, class_map)
    for note in found.notes:
        progress.message(note)
    images, scorer = raw_cache.open_split(prepared, split, progress), Scorer(prepared.manifest.class_names)
    model, what = found.model.to(compute.device), f"{found.name} on {split}"
    return _score(model, what, images, scorer, found.input_size, 4, compute, progress)


def _check_classes(header: WeightsHeader, prepared: PreparedDataset, path: Path) -> None:
    manifest = prepared.manifest
    if tuple(header.class_names) != tuple(manifest.class_names):
        raise CheckpointError(
            f"{path} was trained for {header.num_classes} classes of {header.dataset} {header.dataset_variant}; "
            f"{manifest.dataset} {manifest.variant} has {manifest.num_classes} others."
        )


def predict_pictures(
    paths: Sequence[Path],
    weights: str | Path,
    folder: Path,
    *,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    uncertainty: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
) -> list[Path]:
    """Label maps, overlays and where asked for uncertainty maps of picture files; returns the label maps' paths."""
    network, header, compute = _opened(weights_path(weights), device, options, model)
    return predict_files(network, header, paths, folder, compute, progress, uncertainty=uncertainty)


def predict_dataset(
    weights: str | Path,
    dataset: str,
    folder: Path,
    variant: str | None = None,
    split: str = "test",
    *,
    options: Mapping[str, Any] | None = None,
    uncertainty: bool = False,
    model: str | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> list[Path]:
    """Label maps, overlays and where asked for uncertainty maps of a whole split; returns the label maps' paths.

    Where only an evaluation server has the labels of the split, the label maps are what it wants to be handed in.
    """
    path = weights_path(weights)
    network, header, compute = _opened(path, device, options, model)
    prepared = ensure_prepared(dataset, variant, progress=progress)
    _check_classes(header, prepared, path)
    images = raw_cache.open_split(prepared, split, progress)
    submission = DATASETS[dataset].submissions.get(split)
    return predict_split(network, header, images, folder, compute, progress, submission, uncertainty=uncertainty)


def smaller_recipe(recipe: Recipe, num_images: int) -> Recipe | None:
    """The cheapest shipped recipe of the same model and dataset, if it costs less than half of ``recipe``."""
    folder = recipes_folder() / recipe.dataset
    others = [load_recipe(path) for path in sorted(folder.glob(f"{recipe.model}.*.toml"))]
    cheapest = min(others, key=lambda other: _cost(other, num_images), default=recipe)
    return cheapest if 2 * _cost(cheapest, num_images) < _cost(recipe, num_images) else None


def _cost(recipe: Recipe, num_images: int) -> float:
    """Training pixels, in units of one image as prepared where a recipe does not resize (taken as 360x480)."""
    height, width = recipe.input_size or (360, 480)
    steps = recipe.train
    images = steps.iterations * steps.batch_size if steps.iterations else (steps.epochs or 0) * num_images
    return float(images * height * width)


def _hint(cell: Cell) -> str:
    smaller = smaller_recipe(cell.recipe, cell.prepared.manifest.counts["train"])
    return "" if smaller is None else f"Smaller: --recipe {smaller.variant}."


def train_cell(cell: Cell, compute: Compute | None = None, progress: Progress = SILENT, team: Team = ALONE) -> Trained:
    """Trains a cell, or finishes what was begun; returns at once where it is done."""
    return train(replace(_job(cell, compute or compute_of(cell, "auto"), progress), team=team))


def estimate_training(cell: Cell, device: str = "auto", progress: Progress = SILENT) -> float:
    """Seconds until a cell is trained and scored on this machine, from a few steps that are timed here."""
    evaluation, counts = cell.recipe.evaluate, cell.prepared.manifest.counts
    scored = counts[evaluation.split] + (counts["train"] if evaluation.training_split else 0)
    return seconds_left(_job(cell, compute_of(cell, device), progress), scored)


def compute_of(cell: Cell, device: str) -> Compute:
    """How a cell is trained on ``device``, as its recipe asks."""
    training = cell.recipe.train
    return choose_compute(device, training.precision, training.convolution, training.compile)


def _job(cell: Cell, chosen: Compute, progress: Progress) -> Job:
    recipe = cell.recipe
    keep_freed_memory(chosen.device)
    torch.manual_seed(cell.seed)
    model, config = _begun(cell)
    use_convolution(model, chosen.convolution)
    if recipe.train.checkpointing:
        checkpoint_chains(model)
    if chosen.compiled:
        compile_network(model)
    images = training_images(recipe, cell.prepared, progress)
    return Job(
        model=model,
        recipe=recipe,
        header=_header(cell, model, config),
        train=images.train,
        validation=images.validation,
        class_weights=class_weights(recipe, cell.prepared),
        compute=chosen,
        cell=cell.cell_id,
        folder=cell.folder,
        progress=progress,
        smaller=_hint(cell),
    )


def _begun(cell: Cell) -> tuple[nn.Module, dict[str, Any]]:
    """The network before its first step, and the arguments that make it again."""
    options, num_classes = cell.recipe.options, cell.prepared.manifest.num_classes
    if cell.start != HE:
        return build_start(cell.start, cell.recipe.model, num_classes, options)
    model = create_model(cell.network, num_classes, **options)
    return model, {**options, **describe_config(model)}


def _header(cell: Cell, model: nn.Module, config: dict[str, Any]) -> WeightsHeader:
    manifest = cell.prepared.manifest
    return WeightsHeader(
        model=cell.recipe.model,
        num_classes=manifest.num_classes,
        class_names=list(manifest.class_names),
        palette=list(manifest.palette),
        ignore_index=manifest.ignore_index,
        dataset=manifest.dataset,
        dataset_variant=manifest.variant,
        dataset_fingerprint=manifest.fingerprint,
        input_size=cell.recipe.input_size,
        recipe=cell.recipe,
        seed=cell.seed,
        iteration=0,
        config=config,
        preprocess=describe_preprocess(model),
        model_identity=cell.network.identity,
    )
