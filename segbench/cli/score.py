"""``segbench score``: label maps that any tool has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Quiet, Split, Variant
from segbench.cli.truth import (
    DatasetTruth,
    Ignored,
    Jobs,
    Labels,
    NumClasses,
    Predictions,
    Resized,
    Truth,
    VoidPredicted,
    open_truth,
    resize_rule,
    void_rule,
)
from segbench.console import Console
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.metrics.scorer import Scorer
    from segbench.progress import Progress

__all__ = ["score_predictions"]


def score_predictions(
    predictions: Predictions,
    dataset: DatasetTruth = None,
    variant: Variant = None,
    split: Split = "test",
    labels: Labels = None,
    num_classes: NumClasses = None,
    ignore_index: Ignored = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="A named protocol ('segbench list protocols'); options below change it.")
    ] = "segbench",
    boundary_rule: Annotated[str | None, typer.Option(metavar="R", help="matching or distance.")] = None,
    boundary_void: Annotated[str | None, typer.Option(metavar="V", help="asis or masked.")] = None,
    boundary_average: Annotated[str | None, typer.Option(metavar="A", help="script or paper-text.")] = None,
    tolerance: Annotated[str | None, typer.Option(metavar="T", help="0.0075 of the diagonal, or 4.5px.")] = None,
    void_predictions: VoidPredicted = None,
    resize: Resized = None,
    tallies: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the counts per image as Parquet.")] = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score label maps that any tool has made."""
    console = Console(json=as_json, quiet=quiet)
    boundary = {
        "boundary_rule": boundary_rule,
        "boundary_void": boundary_void,
        "boundary_average": boundary_average,
        "tolerance": tolerance,
    }
    _check_file(tallies)
    rules: dict[str, Any] = {"void_predictions": void_rule(void_predictions), "resize": resize_rule(resize)}
    progress = console.progress()
    truth = open_truth(predictions, (dataset, variant, split), labels, num_classes, ignore_index, progress)
    scorer = _scored(truth, (protocol, boundary), rules, jobs, progress)
    if tallies is not None:
        scorer.tallies.to_parquet(tallies)
    _show(console, f"{predictions} against {truth.title}", scorer)


def _check_file(path: Path | None) -> None:
    """Refuses a file that could not be written, before the work is done."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise UsageError(f"--tallies {path} is no file in an existing folder.", "Example: --tallies maps.parquet")


def _scored(
    truth: Truth, protocol: tuple[str, dict[str, Any]], rules: dict[str, Any], jobs: int | None, progress: Progress
) -> Scorer:
    from segbench.metrics.protocols import protocol_of
    from segbench.metrics.scorer import Scorer

    name, options = protocol
    scorer = Scorer(truth.class_names, protocol_of(name, ignore_index=truth.ignore_index, **options), **rules)
    scorer.update_all(truth.pairs, jobs, progress)
    return scorer


def _show(console: Console, title: str, scorer: Scorer) -> None:
    from segbench.cli.class_table import scores_table

    scores = scorer.scores()
    console.result(lambda: scores.model_dump(mode="json"), scores_table(title, scores))
    missed = sum(int(image.pairs.missed_count.sum()) for image in scorer.tallies.images)
    if missed:
        console.note(f"{missed:,} labelled pixels are predicted as no class.")
    if scorer.resized:
        console.note(f"{scorer.resized} of {len(scorer)} predictions were fitted to their labels' size (nearest).")
