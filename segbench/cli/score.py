"""``segbench score``: label maps that any tool has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Quiet, Split, Variant, complete_dataset
from segbench.console import Console
from segbench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from segbench.progress import Progress
    from segbench.record import Scores

__all__ = ["score_predictions"]


def score_predictions(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="Folder of label maps, class ids as PNG.")],
    dataset: Annotated[
        str | None, typer.Option(metavar="D", autocompletion=complete_dataset, help="Truth: a split of this dataset.")
    ] = None,
    variant: Variant = None,
    split: Split = "test",
    labels: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Truth: label maps of the same names.")] = None,
    num_classes: Annotated[int | None, typer.Option(metavar="K", help="Number of classes, with --labels.")] = None,
    ignore_index: Annotated[int, typer.Option(metavar="I", help="The label that counts nowhere.")] = 255,
    protocol: Annotated[str, typer.Option(metavar="NAME", help="A named protocol, which the options below change.")] = (
        "segbench"
    ),
    boundary_rule: Annotated[str | None, typer.Option(metavar="R", help="matching or distance.")] = None,
    boundary_void: Annotated[str | None, typer.Option(metavar="V", help="asis or masked.")] = None,
    boundary_average: Annotated[str | None, typer.Option(metavar="A", help="script or paper-text.")] = None,
    tolerance: Annotated[str | None, typer.Option(metavar="T", help="0.0075 of the diagonal, or 4.5px.")] = None,
    void_predictions: Annotated[
        str, typer.Option(metavar="P", help="A labelled pixel predicted as ignored: error, or wrong.")
    ] = "error",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score label maps that any tool has made."""
    console = Console(json=as_json, quiet=quiet)
    options: dict[str, Any] = {
        "ignore_index": ignore_index,
        "boundary_rule": boundary_rule,
        "boundary_void": boundary_void,
        "boundary_average": boundary_average,
        "tolerance": tolerance,
    }
    _check(dataset, labels, num_classes, void_predictions)
    if labels is not None:
        from segbench.metrics.scorer import score

        options |= {"protocol": protocol, "void_predictions": void_predictions}
        scores = score(predictions, labels, num_classes or 0, **options)
    else:
        scores = _against_dataset(
            predictions, (dataset or "", variant, split), protocol, options, void_predictions, console.progress()
        )
    from segbench.cli.class_table import scores_table

    truth = f"{dataset} {split}" if labels is None else f"{labels}"
    console.result(lambda: scores.model_dump(mode="json"), scores_table(f"{predictions} against {truth}", scores))


def _check(dataset: str | None, labels: Path | None, num_classes: int | None, void_predictions: str) -> None:
    if (dataset is None) == (labels is None):
        raise UsageError(
            "Give either --dataset or --labels.", "Example: segbench score maps --labels truth --num-classes 11"
        )
    if (labels is None) != (num_classes is None):
        raise UsageError("--num-classes comes with --labels; a prepared dataset knows its classes.")
    if void_predictions not in ("error", "wrong"):
        raise UnknownNameError(f"Unknown --void-predictions '{void_predictions}'. Known: error, wrong.")


def _against_dataset(
    predictions: Path,
    truth: tuple[str, str | None, str],
    protocol: str,
    options: dict[str, Any],
    void_predictions: str,
    progress: Progress,
) -> Scores:
    """Scores of a folder whose files are named by the image ids of a split."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import ensure_prepared
    from segbench.data.raw_cache import open_split
    from segbench.metrics.label_files import label_files, read_label_map
    from segbench.metrics.protocols import protocol_of
    from segbench.metrics.scorer import Scorer

    dataset, variant, split = truth
    prepared = ensure_prepared(dataset, variant, progress=progress)
    images = open_split(prepared, split, progress)
    found = label_files(predictions)
    _check_names(predictions, list(found), images.ids)
    scorer = Scorer(
        prepared.manifest.class_names,
        protocol_of(protocol, **options),
        void_predictions="wrong" if void_predictions == "wrong" else "error",
    )
    with progress.task("Scoring", len(images), "images") as bar:
        for index, image_id in enumerate(images.ids):
            scorer.update(image_id, images.label(index), read_label_map(found[image_id]))
            bar.advance()
    return scorer.scores()


def _check_names(folder: Path, found: list[str], wanted: list[str]) -> None:
    missing, strange = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    if missing:
        raise UsageError(
            f"{folder} lacks {len(missing)} of {len(wanted)} label maps, the first is {missing[0]}.png.",
            "Every image of the split needs one.",
        )
    if strange:
        raise UsageError(f"{folder} holds {strange[0]}.png, which the split does not; {len(strange)} such files.")
