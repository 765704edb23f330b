"""A recipe: everything that decides a training run, as one flat TOML file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from segbench.durations import seconds_of
from segbench.errors import RecipeError, UnknownNameError
from segbench.registry import closest

__all__ = [
    "ANY",
    "Augmentation",
    "Evaluation",
    "Loss",
    "PaperNumbers",
    "Recipe",
    "Section",
    "SlurmOptions",
    "Training",
    "dump_recipe",
    "find_recipe",
    "list_recipes",
    "list_suites",
    "load_recipe",
    "override",
    "parse_assignment",
    "recipes_folder",
    "require_variant",
    "toml_value",
    "with_slurm_options",
    "write_assignment",
]

# What recipes are filed under that are of no network in particular.
ANY = "any"
Fraction = Annotated[float, Field(ge=0, le=1)]
HubRepository = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?$", max_length=300)]
Size = tuple[Annotated[int, Field(ge=16, le=8192)], Annotated[int, Field(ge=16, le=8192)]]


class Section(BaseModel):
    """A part of a recipe; unknown keys and infinite numbers are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    later: ClassVar[tuple[str, ...]] = ()
    """Keys younger than the first records. They are written only where they are set: headers of weights hold recipes,
    and a run that is repeated gives the weights file that it gave, byte for byte."""

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                values.pop(name, None)
        return values


class Training(Section):
    """How weights are found.

    Exactly one of ``epochs`` (passes over the training split) and ``iterations`` (optimizer steps) is given.
    """

    epochs: Annotated[int, Field(ge=1)] | None = None
    iterations: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine", "poly"] = "constant"
    """``cosine`` and ``poly`` end at zero; ``poly`` is (1 - step / steps) ** poly_power."""
    poly_power: Annotated[float, Field(gt=0)] = 0.9
    warmup_iterations: Annotated[int, Field(ge=0)] = 0
    upsampling_lr_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of transposed convolutions as a share of ``lr`` (Caffe's ``lr_mult``)."""
    validate_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between validations (iterations where the recipe counts iterations)."""
    select: Literal["global_accuracy", "mean_iou", "last"] = "global_accuracy"
    batch_norm: Literal["reestimated", "running"] = "reestimated"
    """Statistics of evaluation: re-estimated over the training split, or the running averages of training."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    convolution: Literal["auto", "direct", "dft"] = "auto"
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    """Images that a process computes at once, where memory is short; gradients add up over the whole batch. It decides
    the statistics of batch normalisation, which are those of the images that are computed at once."""
    checkpointing: bool = False
    """Compute activations again for the gradients instead of keeping them: less memory, the same result, slower."""
    compile: bool = False
    """Train through ``torch.compile``."""

    later = ("upsampling_lr_factor", "poly_power", "micro_batch", "checkpointing", "compile")

    @model_validator(mode="after")
    def _one_length(self) -> Training:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError("give exactly one of epochs and iterations")
        return self


class Loss(Section):
    """Pixel-wise cross-entropy."""

    class_weights: Literal["median-frequency", "published", "none"] = "median-frequency"
    normalisation: Literal["pixels", "weights"] = "pixels"
    """Divisor: the count of labelled pixels (Caffe) or the sum of their weights (torch)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that all classes divide among themselves."""

    later = ("label_smoothing",)


Strength = Annotated[float, Field(ge=0, lt=1)]


class Augmentation(Section):
    """Random changes of training images, in the order of the keys but for the flip, which precedes the colours."""

    flip: bool = False
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(le=16)]] | None = None
    """Least and greatest factor of the size, drawn uniformly in its logarithm."""
    crop: Size | None = None
    """What the network sees in training: a window at a random place, padded by void where the image is smaller; the
    size before scaling where nothing is given."""
    brightness: Strength = 0.0
    """Factors of 1 - x to 1 + x, here and in the next two."""
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest part of a full turn about the grey axis, either way."""

    later = ("scale", "crop", "brightness", "contrast", "saturation", "hue")

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        if self.scale is not None and self.scale[0] > self.scale[1]:
            raise ValueError("scale is the least and the greatest factor, in this order")
        return self


class Evaluation(Section):
    """How the trained network is scored; predictions are always scored at the label's own size."""

    batch_size: Annotated[int, Field(ge=1, le=1024)] = 4
    split: Literal["train", "validation", "test"] = "test"
    protocol: Literal["segbench"] = "segbench"
    training_split: bool = False
    """Also score the training split (accuracies and IoU, not boundary F1), as the paper's Table 1 does."""


class PaperNumbers(Section):
    """What the paper prints for this row, as fractions, and what it was trained on."""

    source: str
    size: Size
    training: str
    comparable: bool
    reason: str = ""
    """Why the numbers cannot be compared with this recipe's; empty when they can."""
    global_accuracy: Fraction | None = None
    class_accuracy: Fraction | None = None
    mean_iou: Fraction | None = None
    boundary_f1: Fraction | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> PaperNumbers:
        if self.comparable == bool(self.reason):
            raise ValueError("a reason is given exactly when the numbers are not comparable")
        return self


def _time(text: str) -> str:
    seconds_of(text)
    return text


def _free(key: str) -> str:
    if key in ("time", "partition", "gres"):
        raise ValueError("it has a key of its own beside 'sbatch'")
    if key in ("array", "output", "error", "open-mode", "requeue", "no-requeue", "wrap"):
        raise ValueError("segbench sets it")
    return key


def _one_line(value: object) -> object:
    """What a recipe says that somebody else wrote ends in a batch script: no line may be broken there."""
    if value is True or type(value) is int or (isinstance(value, str) and value.isprintable() and value):
        return value
    raise ValueError("true, a whole number or one line of text is allowed")


_OptionName = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$"), AfterValidator(_free)]
_OptionValue = Annotated[bool | int | str, BeforeValidator(_one_line)]


class SlurmOptions(Section):
    """What a job of Slurm that computes the recipe asks for; what is ``None`` is left to the cluster.

    Attributes:
        time: Limit of one start of the job, such as ``4h``; what is not done by then goes on in the next one.
        sbatch: Further long options of ``sbatch`` without their dashes; ``true`` stands for one without a value.
    """

    time: Annotated[str, AfterValidator(_time)] | None = None
    partition: Annotated[str, BeforeValidator(_one_line)] | None = None
    gres: Annotated[str, BeforeValidator(_one_line)] | None = None
    sbatch: dict[_OptionName, _OptionValue] = {}


class Recipe(Section):
    """One training and evaluation run, complete.

    Attributes:
        model: Registered name, or a path or repository that stands for one.
        variant: ``default``, ``paper``, ``half``, ``modern`` ...
        dataset: Registered dataset.
        dataset_variant: Its configuration.
        input_size: Height and width images are resized to for the network; ``None``: as prepared.
        encoder: Hub repository with weights of VGG16 that the encoder starts from where they can be had; else, and
            without one, from He initialisation.
        options: Arguments of the model's factory beside the number of classes, such as ``crf = true``.
    """

    version: Literal[1] = 1
    model: str
    variant: str
    dataset: str
    dataset_variant: str
    input_size: Size | None = None
    encoder: HubRepository | None = None
    options: dict[str, bool | int | float | str] = {}
    train: Training
    loss: Loss = Loss()
    augment: Augmentation = Augmentation()
    evaluate: Evaluation = Evaluation()
    paper: PaperNumbers | None = None
    # Decides nothing of the outcome and names what belongs to one site: it is in no id, record or weights file.
    slurm: SlurmOptions | None = Field(default=None, exclude=True)

    later = ("options", "encoder")

    @property
    def label(self) -> str:
        """``model.variant``, as recipe files are named."""
        return f"{self.model}.{self.variant}"

    def decisive(self) -> dict[str, Any]:
        """The part that decides a run's outcome: all but the paper's numbers and Slurm's options, as JSON values.

        Where the encoder's weights would be looked for is left out, too: what was found decides, and a cell's id holds
        its sha256.

        Values that equal their default are left out, so that an option added later leaves the ids of older runs alone;
        the defaults of one ``version`` therefore never change.
        """
        return {
            "version": self.version,
            **self.model_dump(mode="json", exclude={"paper", "encoder"}, exclude_defaults=True),
        }


def recipes_folder() -> Path:
    """The shipped recipes: inside the installed package, or beside it in a checkout."""
    packaged = Path(__file__).parent / "_recipes"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "recipes"


def list_recipes() -> list[Path]:
    """All shipped recipe files, sorted by dataset and name."""
    return sorted(path for path in recipes_folder().glob("*/*.toml") if path.parent.name != "suites")


def list_suites() -> list[Path]:
    """All shipped suite files, sorted by name; ``segbench.suite`` reads them."""
    return sorted((recipes_folder() / "suites").glob("*.toml"))


def find_recipe(model: str, dataset: str, recipe: str | None = None, kind: str = "") -> Recipe:
    """The recipe of ``model`` on ``dataset``.

    A network from outside has no recipe of its own: it takes ``<kind>.<variant>.toml`` or else ``any.<variant>.toml``
    of the dataset, or whatever file is given, with itself as the model and without the paper's numbers of another.

    Args:
        model: Registered model name, or the address of a network from outside.
        dataset: Registered dataset name.
        recipe: A variant name, or a path to a TOML file; ``None`` means ``default``.
        kind: Of a network from outside, as its specification has it.

    Raises:
        RecipeError: No such recipe, or it does not validate.
    """
    chosen = recipe or "default"
    files = [recipes_folder() / dataset / f"{name}.{chosen}.toml" for name in ([kind, ANY] if kind else [model])]
    if chosen.endswith(".toml"):
        files = [Path(chosen)]
    path = next((file for file in files if file.is_file()), Path(chosen))
    if path.suffix != ".toml":
        raise RecipeError(
            f"No recipe '{chosen}' for {model} on {dataset}.", _alternatives(ANY if kind else model, dataset)
        )
    found = load_recipe(path)
    if not kind or found.model == model:
        return found
    return found.model_copy(update={"model": model, "paper": None})


def _alternatives(model: str, dataset: str) -> str:
    named = sorted(path.stem.rpartition(".") for path in (recipes_folder() / dataset).glob("*.toml"))
    variants = [variant for name, _, variant in named if name == model]
    if variants:
        return f"There is {', '.join(variants)}."
    models = sorted({name for name, _, _ in named})
    if not models:
        return "See 'segbench list recipes'."
    return f"Recipes on {dataset} exist for {', '.join(models)}; or give --recipe FILE.toml."


def load_recipe(path: Path) -> Recipe:
    """Reads and validates a recipe file.

    Raises:
        RecipeError: Names the file, the key, the value and what is allowed.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"Cannot read recipe {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe {path} is not valid TOML: {error}.") from error
    return _validated(values, str(path))


def _validated(values: Mapping[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"Recipe {where}: {'; '.join(_sentences(error))}.") from error


def _sentences(error: ValidationError) -> Iterable[str]:
    for problem in error.errors(include_url=False):
        key = " ".join(".".join(str(part) for part in problem["loc"]).split())
        if problem["type"] == "extra_forbidden":
            yield f"unknown key '{key}'. {closest(str(problem['loc'][-1]), _keys(problem['loc'][:-1]))}".rstrip(".")
        else:
            shown = "nothing" if problem["type"] == "missing" else _short(problem["input"])
            yield f"{key or 'recipe'}: {problem['msg'].removeprefix('Value error, ')} (got {shown})"


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys(path: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at ``path``."""
    section: type[BaseModel] = Recipe
    for part in path:
        annotation = section.model_fields[str(part)].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        section = next(item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel))
    return list(section.model_fields)


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """A recipe with ``key=value`` assignments such as ``train.lr=0.01`` applied.

    Values are read as TOML; what is no TOML value is a string. A recipe that this changes is another one: its variant
    gets ``-modified`` (unless ``variant`` is assigned), and the paper's numbers are no longer comparable with it.

    Raises:
        RecipeError: An assignment without ``=``, an unknown key or a value that is not allowed.
    """
    values, assigned = _file_values(recipe), list(assignments)
    for key, value in map(parse_assignment, assigned):
        _assign(values, key.split("."), value)
    changed = _validated(values, "with --set")
    return recipe if changed == recipe else _marked(recipe, changed, assigned)


def parse_assignment(text: str) -> tuple[str, Any]:
    """Key and value of ``train.lr=0.01``; what is no TOML value is a string.

    Raises:
        RecipeError: It is not ``key=value``.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"--set '{text}' is not key=value.", "Example: --set train.lr=0.01")
    return key.strip(), toml_value(value.strip())


def write_assignment(key: str, value: Any) -> str:
    """The text that :func:`parse_assignment` reads back, on one line; strings bare where that is clear."""
    bare = isinstance(value, str) and value == value.strip() and toml_value(value) == value
    return f"{key}={value if bare else _toml_text(value)}"


def _toml_text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_text, value))}]"
    return tomli_w.dumps({"v": value}).partition("=")[2].strip()


def with_slurm_options(recipe: Recipe, given: Mapping[str, str], sbatch: Mapping[str, str | bool]) -> Recipe:
    """A recipe with options of its jobs of Slurm set; these win over its own.

    Args:
        given: ``time``, ``partition`` and ``gres``, as far as they are given.
        sbatch: Further long options; ``True`` for one without a value.

    Raises:
        RecipeError: A value that is not allowed.
    """
    values = _file_values(recipe)
    own = values.get("slurm", {})
    values["slurm"] = {**own, **given, "sbatch": {**own.get("sbatch", {}), **sbatch}}
    return _validated(values, "with the options for Slurm")


def _marked(recipe: Recipe, changed: Recipe, assigned: list[str]) -> Recipe:
    """``changed`` as the recipe it is now."""
    if changed.decisive() == recipe.decisive():
        return changed
    variant = changed.variant if changed.variant != recipe.variant else f"{recipe.variant}-modified"
    paper = changed.paper
    if paper is not None and paper.comparable:
        reason = f"the recipe was changed: {', '.join(assigned)}"
        paper = paper.model_copy(update={"comparable": False, "reason": reason})
    return changed.model_copy(update={"variant": variant, "paper": paper})


def _assign(values: dict[str, Any], path: list[str], value: Any) -> None:
    section = values
    for part in path[:-1]:
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {'.'.join(path)}: '{part}' is a value, not a section.")
        section = inner
    if path == ["train", "epochs"]:
        section.pop("iterations", None)
    if path == ["train", "iterations"]:
        section.pop("epochs", None)
    section[path[-1]] = value


def toml_value(text: str) -> Any:
    """A value read as TOML; what is no TOML value is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML text that :func:`load_recipe` reads back to the same recipe."""
    return tomli_w.dumps(_file_values(recipe))


def _file_values(recipe: Recipe) -> dict[str, Any]:
    values = recipe.model_dump(mode="json", exclude_none=True)
    if recipe.slurm is not None:
        values["slurm"] = recipe.slurm.model_dump(mode="json", exclude_none=True)
    return values


def require_variant(recipe: Recipe, variants: Iterable[str]) -> None:
    """Checks the dataset variant of a recipe against the known ones.

    Raises:
        UnknownNameError: The variant does not exist.
    """
    known = list(variants)
    if recipe.dataset_variant not in known:
        raise UnknownNameError(
            f"Recipe {recipe.label}: {recipe.dataset} has no variant '{recipe.dataset_variant}'. "
            f"{closest(recipe.dataset_variant, known)}"
        )
