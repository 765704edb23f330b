"""The labels that label maps are compared with: a split of a prepared dataset, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segbench.cli.options import complete_dataset
from segbench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from segbench.metrics.confusion import VoidPredictions
    from segbench.metrics.scorer import MapPair, Resize
    from segbench.progress import Progress

__all__ = [
    "DatasetTruth",
    "Ignored",
    "Jobs",
    "Labels",
    "NumClasses",
    "Predictions",
    "Resized",
    "Truth",
    "VoidPredicted",
    "open_truth",
    "resize_rule",
    "void_rule",
]

Predictions = Annotated[
    Path, typer.Argument(metavar="PREDICTIONS", help="Folder or zip of label maps (PNG of class ids), or a run.")
]
DatasetTruth = Annotated[
    str | None, typer.Option(metavar="D", autocompletion=complete_dataset, help="Truth: a split of this dataset.")
]
Labels = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Truth: label maps of the same names.")]
NumClasses = Annotated[int | None, typer.Option(metavar="K", help="Number of classes, with --labels.")]
Ignored = Annotated[
    int | None, typer.Option(metavar="I", help="The label that counts nowhere, with --labels; 255 if left out.")
]
Resized = Annotated[
    str | None, typer.Option(metavar="R", help="nearest: fit predictions to their labels' size; else an error.")
]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Processes; one a core if left out.")]
VoidPredicted = Annotated[
    str | None,
    typer.Option(metavar="P", help="A labelled pixel predicted as ignored: error, or wrong; else by protocol."),
]


@dataclass(frozen=True)
class Truth:
    """Labels beside the predictions made of them.

    Attributes:
        title: What the labels are.
        class_names: K names.
        ignore_index: The label that counts nowhere.
        pairs: One an image.
    """

    title: str
    class_names: list[str]
    ignore_index: int
    pairs: list[MapPair]


def open_truth(
    predictions: Path,
    dataset: tuple[str | None, str | None, str],
    labels: Path | None,
    num_classes: int | None,
    ignore_index: int | None,
    progress: Progress,
) -> Truth:
    """Pairs each prediction with its label.

    Args:
        predictions: What holds the predicted label maps.
        dataset: Name, variant and split; the name is ``None`` where ``labels`` are given.
        labels: Folder of labels, with ``num_classes`` and ``ignore_index``.
        progress: Told what a dataset has to be made of first.

    Raises:
        UsageError: The options contradict each other.
        DataError: A label or prediction has no counterpart.
    """
    name, variant, split = dataset
    if (name is None) == (labels is None):
        raise UsageError(
            "Give either --dataset or --labels.", "Example: segbench score maps --labels truth --num-classes 11"
        )
    if (labels is None) != (num_classes is None):
        raise UsageError("--num-classes comes with --labels; a prepared dataset knows its classes.")
    if name is not None:
        if ignore_index not in (None, 255):
            raise UsageError("--ignore-index comes with --labels; in a prepared dataset it is 255.")
        return _of_dataset(predictions, name, variant, split, progress)
    from segbench.metrics.scorer import file_pairs

    assert labels is not None and num_classes is not None
    names = [*map(str, range(num_classes))]
    return Truth(f"{labels}", names, 255 if ignore_index is None else ignore_index, file_pairs(predictions, labels))


def _of_dataset(predictions: Path, dataset: str, variant: str | None, split: str, progress: Progress) -> Truth:
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import ensure_prepared
    from segbench.data.raw_cache import open_split
    from segbench.metrics.label_files import check_names, label_files
    from segbench.metrics.scorer import MapPair

    prepared = ensure_prepared(dataset, variant, progress=progress)
    prepared.manifest.require_labels(split)
    images = open_split(prepared, split, progress)
    found = label_files(predictions)
    check_names(f"{predictions}", found, f"{dataset} {split}", images.ids)
    pairs = [
        MapPair(image_id, partial(images.label, index), found[image_id].read)
        for index, image_id in enumerate(images.ids)
    ]
    return Truth(f"{dataset} {split}", [*prepared.manifest.class_names], 255, pairs)


def void_rule(text: str | None) -> VoidPredictions | None:
    """What ``--void-predictions`` asks for.

    Raises:
        UnknownNameError: No such rule.
    """
    rules: dict[str | None, VoidPredictions | None] = {None: None, "error": "error", "wrong": "wrong"}
    if text not in rules:
        raise UnknownNameError(f"Unknown --void-predictions '{text}'. Known: error, wrong.")
    return rules[text]


def resize_rule(text: str | None) -> Resize | None:
    """What ``--resize`` asks for.

    Raises:
        UnknownNameError: No such rule.
    """
    rules: dict[str | None, Resize | None] = {None: None, "nearest": "nearest"}
    if text not in rules:
        raise UnknownNameError(f"Unknown --resize '{text}'. Known: nearest.")
    return rules[text]
