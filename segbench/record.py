"""What a run leaves behind: scores with their protocol, the environment, the record. Strict JSON, no NaN."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from segbench.atomic import write_text
from segbench.errors import RecordError
from segbench.recipe import Recipe

__all__ = [
    "SCORE_NAMES",
    "BoundaryProtocol",
    "ClassScores",
    "Curve",
    "DecoderMemory",
    "Environment",
    "Origin",
    "PixelProtocol",
    "Profile",
    "ProfileRecord",
    "Protocol",
    "RunRecord",
    "Scores",
    "Selection",
    "Timing",
    "Trial",
    "Trials",
    "WeightsHeader",
    "cell_id",
    "load_profile",
    "load_record",
    "load_trials",
    "profile_id",
    "run_id",
    "save_profile",
    "save_record",
    "save_trials",
]

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Selection = Literal["validation", "held-out", "last"]
SCORE_NAMES = ("global_accuracy", "class_accuracy", "mean_iou", "boundary_f1")


class Strict(BaseModel):
    """Unknown keys and NaN are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BoundaryProtocol(Strict):
    """How boundary F1 is computed.

    Attributes:
        rule: ``matching`` (one-to-one, maximum) or ``distance`` (any counterpart within the radius).
        void: ``asis``, or ``masked``: the prediction is void wherever the truth is.
        average: ``script`` (classes with a boundary in truth or prediction) or ``paper-text`` (in the truth).
        tolerance: Radius, as a fraction of the image diagonal or in pixels.
        unit: ``diagonal`` or ``px``.
    """

    rule: Literal["matching", "distance"] = "matching"
    void: Literal["asis", "masked"] = "asis"
    average: Literal["script", "paper-text"] = "script"
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0075
    unit: Literal["diagonal", "px"] = "diagonal"


class PixelProtocol(Strict):
    """How pixels become accuracy and IoU, where a protocol departs from the boards' one matrix over the whole split.

    Attributes:
        void: Predictions on void pixels are ``ignored``, ``wrong`` (in the union of the predicted class), or wrong with
            void itself one more ``class`` of the mean.
        average: ``split`` (IoU of the sums over all images) or ``image`` (IoU of each class in each image that holds
            it in truth or prediction, all of these averaged; accuracies are undefined then).
        outside: Labelled pixels predicted as no class are ``refused`` (unless asked to be wrong), ``wrong``, or
            ``dropped``: in the divisor of the global accuracy and nowhere else.
    """

    void: Literal["ignored", "wrong", "class"] = "ignored"
    average: Literal["split", "image"] = "split"
    outside: Literal["refused", "wrong", "dropped"] = "refused"


class Protocol(Strict):
    """Which definition a score follows; a change of the definition bumps ``version``.

    Attributes:
        name: ``segbench`` is the default of the boards.
        size: Height and width the predictions were scored at; ``None`` where images differ.
        ignore_index: The label that counts nowhere.
        absent: What a class is whose score has no divisor: left out (``null``), ``zero`` or ``one``.
        pixels: Written only where it is not the default.
    """

    name: str = "segbench"
    version: int = 1
    size: tuple[int, int] | None = None
    ignore_index: int = 255
    absent: Literal["null", "zero", "one"] = "null"
    pixels: PixelProtocol = PixelProtocol()
    boundary: BoundaryProtocol = BoundaryProtocol()

    @model_serializer(mode="wrap")
    def _without_default_pixels(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Records, and the run ids made of them, are older than this section.
        values: dict[str, Any] = dump(self)
        if self.pixels == PixelProtocol():
            values.pop("pixels", None)
        return values


class ClassScores(Strict):
    """Scores of one class; ``None`` is undefined.

    Attributes:
        pixels: Labelled pixels of the class in the truth.
    """

    accuracy: Fraction | None
    iou: Fraction | None
    boundary_f1: Fraction | None
    pixels: Annotated[int, Field(ge=0)]


class Scores(Strict):
    """The scores of one split under one protocol, as fractions.

    Attributes:
        num_pixels: Labelled pixels.
    """

    global_accuracy: Fraction | None
    class_accuracy: Fraction | None
    mean_iou: Fraction | None
    boundary_f1: Fraction | None
    per_class: dict[str, ClassScores]
    num_images: Annotated[int, Field(ge=0)]
    num_pixels: Annotated[int, Field(ge=0)]
    protocol: Protocol


class Environment(Strict):
    """Where a run happened; no host name, user or path.

    Attributes:
        versions: Package versions by name.
        device: ``cpu`` or the CUDA device's name.
        cpu: The processor's model name.
        features: Instruction sets that decide the speed, such as ``amx_bf16``.
        threads: Threads of one operation.
        precision: ``bf16`` or ``fp32``, what was really used.
        convolution: ``direct`` or ``dft``, what was really used.
        git_commit: Commit of the checkout, ``None`` outside one.
        git_dirty: Whether tracked files differed from it.
        compiled: Whether networks ran through ``torch.compile``; written only where they did.
        processes: That trained one network together, each with ``threads``. This and what follows is written only where
            there were several.
        backend: ``nccl`` or ``gloo``: what they added their gradients up with.
        sync_batch_norm: Whether batch normalisation saw the images of all of them, and not of each by itself.
    """

    versions: dict[str, str]
    device: str
    cpu: str
    features: list[str]
    threads: int
    precision: Literal["bf16", "fp32"]
    convolution: Literal["direct", "dft"]
    git_commit: str | None
    git_dirty: bool | None
    compiled: bool = False
    processes: Annotated[int, Field(ge=1)] = 1
    backend: Literal["nccl", "gloo"] | None = None
    sync_batch_norm: bool = False

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Records are older than these keys.
        values: dict[str, Any] = dump(self)
        if self.processes == 1:
            for name in ("processes", "backend", "sync_batch_norm"):
                values.pop(name, None)
        if not self.compiled:
            values.pop("compiled", None)
        return values


class Curve(Strict):
    """Summary of a training run, one entry a validation.

    Attributes:
        iteration: Optimizer steps taken.
        loss: Mean training loss since the entry before.
        global_accuracy: On the images that select, or the validation split (``None`` where there are none).
        mean_iou: On the same images.
    """

    iteration: list[int]
    epoch: list[int]
    loss: list[float]
    global_accuracy: list[float | None]
    mean_iou: list[float | None]
    selected_iteration: int
    wall_time_s: float
    images_per_s: float


class Trial(Strict):
    """One setting that was tried while tuning, with its scores on the validation split.

    Attributes:
        settings: What was changed in the recipe, by key; nothing for the recipe as it is.
        validation: At the selected iteration; empty where the training diverged.
        recipe: The recipe that was changed, as ``model.variant``.
        cell_id: Of the cell that was trained.
    """

    settings: dict[str, JsonValue]
    validation: dict[str, float]
    recipe: str | None = None
    cell_id: str | None = None
    diverged: bool = False


class Trials(Strict):
    """All that was tried for one model on one dataset; later trials are added, none is taken away.

    Attributes:
        dataset_fingerprint: Of the data that all were trained on.
        trials: In the order they were made.
    """

    schema_version: Literal[1] = 1
    model: str
    dataset: str
    dataset_variant: str
    dataset_fingerprint: str
    trials: list[Trial] = []

    @property
    def best(self) -> Trial | None:
        """The one with the highest mean IoU on the validation split; ``None`` where no trial has one."""
        scored = [trial for trial in self.trials if "mean_iou" in trial.validation]
        return max(scored, key=lambda trial: trial.validation["mean_iou"], default=None)

    def of(self, cell_id: str) -> Trial | None:
        """What is known of a cell."""
        return next((trial for trial in self.trials if trial.cell_id == cell_id), None)

    def with_trial(self, trial: Trial) -> Trials:
        """These and one more."""
        return self.model_copy(update={"trials": [*self.trials, trial]})


class Origin(Strict):
    """Where weights came from that segbench did not train.

    Attributes:
        kind: What they were read from.
        weights_sha256: Of the file of weights.
        definition_sha256: Of the file that defines the network.
        licence: The terms under which the authors of SegNet published theirs; other people's have their own.
    """

    kind: Literal["caffe"]
    weights_sha256: str
    definition_sha256: str
    licence: str


class WeightsHeader(Strict):
    """What a weights file says of itself; stored as metadata inside the safetensors file.

    Attributes:
        dataset_fingerprint: Of the training data; empty where that is not known.
        recipe: How it was trained; ``None`` for weights from elsewhere.
        config: Arguments of the model's factory beside ``num_classes``.
        preprocess: What the module does to its input, for readers without segbench.
        origin: Where weights from elsewhere came from; ``None`` for those that segbench trained.
        model_identity: What pins a network from outside (see ``segbench.specs.ModelSpec``); empty for a registered one.
    """

    schema_version: Literal[1] = 1
    model: str
    num_classes: int
    class_names: list[str]
    palette: list[tuple[int, int, int]]
    ignore_index: int
    dataset: str
    dataset_variant: str
    dataset_fingerprint: str
    input_size: tuple[int, int] | None
    recipe: Recipe | None
    seed: int
    iteration: int
    config: dict[str, Any] = {}
    preprocess: dict[str, Any] = {}
    origin: Origin | None = None
    model_identity: str = ""

    @property
    def label(self) -> str:
        """What people call the weights: the recipe's label, or the model and where it is from."""
        return self.recipe.label if self.recipe is not None else f"{self.model} (imported)"

    @model_serializer(mode="wrap")
    def _without_what_is_missing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The bytes of what is trained, and so the run ids made of them, do not change with these keys.
        values: dict[str, Any] = dump(self)
        if self.origin is None:
            values.pop("origin", None)
        if not self.model_identity:
            values.pop("model_identity", None)
        return values


class RunRecord(Strict):
    """One finished run: all that a board shows and all that is needed to repeat it.

    Attributes:
        schema_version: Version of this layout.
        run_id: 12 hex digits over cell, weights and protocol.
        cell_id: 12 hex digits over recipe, model, dataset, seed and encoder weights.
        created: UTC, ISO 8601, seconds.
        encoder_weights: sha256 of the file that the encoder started from, or ``random``; of a network from outside
            what its own weights were.
        initial_weights: sha256 of the weights file that the whole network started from, ``None`` where there is none.
        model_identity: What pins a network from outside: the sha256 of its file, the commit of its repository, the
            version of its package; empty for a registered one.
        selection: What selected the weights: the validation split, the tenth of the training split that was held out
            for it, or nothing: they are the last ones. ``None`` in records older than this.
        validation: Scores at the selected iteration on what selected, or on the validation split (no boundary F1).
        training: Scores of the final weights on the training split (no boundary F1), where the recipe asks for them.
    """

    schema_version: Literal[1] = 1
    run_id: str
    cell_id: str
    created: str
    model: str
    model_identity: str = ""
    paper_name: str
    dataset: str
    dataset_variant: str
    dataset_title: str
    split: str
    recipe: Recipe
    scale: str
    seed: int
    encoder_weights: str
    initial_weights: str | None = None
    dataset_fingerprint: str
    dataset_partial: bool
    weights_sha256: str
    parameters: int
    convolution_weights: int
    paper_parameters: int | None
    scores: Scores
    selection: Selection | None = None
    validation: dict[str, float | None] | None
    training: dict[str, float | None] | None = None
    curve: Curve
    trials: list[Trial] = []
    environment: Environment


class Timing(Strict):
    """Milliseconds of one of ``rounds`` repetitions: median and 95th percentile (linear interpolation)."""

    p50_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    p95_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    rounds: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Timing:
        if self.p50_ms > self.p95_ms:
            raise ValueError("p50_ms is above p95_ms")
        return self


Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DecoderMemory(Strict):
    """What the decoder reads of the encoder beside the deepest maps, in inference, for the whole batch.

    Attributes:
        kept_bytes: Of the tensors as they are kept.
        first_level_bytes: Of those at the largest resolution alone, which is what the paper's storage column counts.
        least_bytes: With pooling positions at 2 bits, maps in float32, and the smaller one where the decoder begins
            by making a smaller tensor of a kept one alone.
        first_level_least_bytes: Of those at the largest resolution alone.
    """

    kept_bytes: Count
    first_level_bytes: Count
    least_bytes: Count
    first_level_least_bytes: Count


class Profile(Strict):
    """What a network costs; times and memory are those of one batch.

    Attributes:
        weights_bytes: Of its safetensors file, or of its ONNX file.
        multiply_adds: Of the convolutions and matrix products of one forward pass in evaluation mode; ``None``, as
            the allocator's memory, where another library than torch computes it.
        forward: Inference: evaluation mode, no gradients.
        training_forward: Training mode, with the loss; ``None``, as all of training, where it cannot be trained.
        backward: Gradients of all parameters.
        inference_memory_mib: Peak of what the allocator held, weights and input included.
        training_memory_mib: The same over a step of forward, loss and backward, without an optimizer.
        process_inference_mib: Peak resident memory of a process that does nothing else; ``None`` where not measured.
        process_training_mib: The same for a training step.
        decoder_memory: ``None`` where no encoder and decoder can be told apart.
        energy_j: Of one inference; ``None`` where the machine does not tell.
    """

    parameters: Count
    weights_bytes: Count
    multiply_adds: Count | None
    forward: Timing
    training_forward: Timing | None
    backward: Timing | None
    inference_memory_mib: Amount | None
    training_memory_mib: Amount | None
    process_inference_mib: Amount | None
    process_training_mib: Amount | None
    decoder_memory: DecoderMemory | None
    energy_j: Amount | None


class ProfileRecord(Strict):
    """One measured profile of a network with random weights, which cost what trained ones do.

    Attributes:
        profile_id: 12 hex digits over all the rest.
        created: UTC, ISO 8601, seconds.
        size: Height and width of the input, which is seeded noise.
        config: Arguments of the model's factory beside ``num_classes``.
        model_identity: As in a run's record; written only where it is not empty.
        folded: Batch normalisation was folded into the convolutions for inference.
        interleaved: All models that were measured in turn with this one, this one included.
    """

    schema_version: Literal[1] = 1
    profile_id: str
    created: str
    model: str
    model_identity: str = ""
    paper_name: str
    size: tuple[int, int]
    batch: Annotated[int, Field(ge=1)]
    num_classes: Annotated[int, Field(ge=2)]
    config: dict[str, JsonValue] = {}
    folded: bool
    seed: int
    interleaved: list[str]
    profile: Profile
    environment: Environment

    @model_serializer(mode="wrap")
    def _without_empty_identity(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Profiles, and the ids made of them, are older than networks from outside.
        values: dict[str, Any] = dump(self)
        if not self.model_identity:
            values.pop("model_identity", None)
        return values


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cell_id(
    recipe: Recipe,
    fingerprint: str,
    seed: int,
    encoder_weights: str = "random",
    initial_weights: str | None = None,
    model_identity: str = "",
) -> str:
    """12 hex digits that name a cell of a grid before anything is trained.

    Args:
        encoder_weights: sha256 of the file that the encoder starts from, or ``random``.
        initial_weights: sha256 of the weights file that the whole network starts from, ``None`` where there is none.
        model_identity: What pins a network from outside; a registered one has its name alone.
    """
    # Ids are older than the last two, which are left out where there are none.
    started = [encoder_weights] if initial_weights is None else [encoder_weights, initial_weights]
    outside = [model_identity] if model_identity else []
    return _digest([recipe.decisive(), recipe.model, fingerprint, seed, *started, *outside])


def run_id(cell: str, weights_sha256: str, protocol: Protocol) -> str:
    """12 hex digits that name one result of a cell."""
    return _digest([cell, weights_sha256, protocol.model_dump(mode="json")])


def save_record(path: Path, record: RunRecord) -> None:
    """Writes a record; an existing one of the same run must hold the same scores.

    Raises:
        RecordError: ``path`` holds other scores under the same run id.
    """
    if path.exists() and load_record(path).scores != record.scores:
        raise RecordError(f"{path} holds other scores for run {record.run_id}.", "Move it away to keep both.")
    if not path.exists():
        write_text(path, record.model_dump_json(indent=2) + "\n")


def load_record(path: Path) -> RunRecord:
    """Reads a record.

    Raises:
        RecordError: The file is missing, damaged or of another schema.
    """
    return _load(path, RunRecord)


def profile_id(record: ProfileRecord) -> str:
    """12 hex digits over all of a profile's record but its id."""
    return _digest(record.model_dump(mode="json", exclude={"profile_id"}))


def save_profile(path: Path, record: ProfileRecord) -> None:
    """Writes the record of a profile."""
    write_text(path, record.model_dump_json(indent=2) + "\n")


def load_profile(path: Path) -> ProfileRecord:
    """Reads the record of a profile.

    Raises:
        RecordError: The file is missing, damaged, of another schema, or was changed since it was measured.
    """
    record = _load(path, ProfileRecord)
    if record.profile_id != profile_id(record):
        raise RecordError(f"Profile {path} is not what was measured: its id does not follow from its contents.")
    return record


def save_trials(path: Path, trials: Trials) -> None:
    """Writes a file of trials."""
    write_text(path, trials.model_dump_json(indent=2) + "\n")


def load_trials(path: Path) -> Trials:
    """Reads a file of trials.

    Raises:
        RecordError: The file is missing, damaged or of another schema.
    """
    return _load(path, Trials)


AnyRecord = TypeVar("AnyRecord", RunRecord, ProfileRecord, Trials)


def _load(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"Cannot read record {path}: {error.strerror}.") from error
    except ValidationError as error:
        first: Mapping[str, Any] = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"Record {path} is not valid at {where or 'its start'}: {first['msg']}.") from error
