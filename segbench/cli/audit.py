"""``segbench audit``: the same predictions under every named protocol."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Quiet, Split, Variant
from segbench.cli.outcome import FAILED
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
from segbench.console import Column, Console, Table

if TYPE_CHECKING:
    from segbench.engine.peers import Agreement
    from segbench.metrics.audit import Audit
    from segbench.progress import Progress

__all__ = ["audit_predictions"]


def audit_predictions(
    predictions: Predictions,
    dataset: DatasetTruth = None,
    variant: Variant = None,
    split: Split = "test",
    labels: Labels = None,
    num_classes: NumClasses = None,
    ignore_index: Ignored = None,
    void_predictions: VoidPredicted = None,
    resize: Resized = None,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Ask torchmetrics and segmentation_models_pytorch if installed.")
    ] = True,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score the same label maps under every named protocol, and say what makes the differences.

    Packages that are installed and compute one of the protocols are asked for their own number; where it is not ours,
    the exit code is 1.
    """
    from segbench.metrics.audit import audit_tallies
    from segbench.metrics.scorer import Scorer

    console = Console(json=as_json, quiet=quiet)
    progress = console.progress()
    rules: dict[str, Any] = {"void_predictions": void_rule(void_predictions), "resize": resize_rule(resize)}
    truth = open_truth(predictions, (dataset, variant, split), labels, num_classes, ignore_index, progress)
    scorer = Scorer(truth.class_names, _ignoring(truth.ignore_index), **rules)
    scorer.update_all(truth.pairs, jobs, progress)
    audit = audit_tallies(scorer.tallies)
    agreements, silent = _asked(truth, audit, progress) if peers else ([], [])
    console.result(
        lambda: _values(audit, agreements),
        _scores_table(f"{predictions} against {truth.title}", audit),
        _class_table(audit),
        "\n".join(_sentences(audit, agreements)),
    )
    for line in silent:
        console.note(line)
    if not all(agreement.agrees for agreement in agreements):
        raise typer.Exit(FAILED)


def _ignoring(ignore_index: int) -> Any:
    from segbench.metrics.protocols import protocol_of

    return protocol_of(ignore_index=ignore_index)


def _asked(truth: Truth, audit: Audit, progress: Progress) -> tuple[list[Agreement], list[str]]:
    from segbench.engine.peers import ask_peers, installed_peers

    peers = installed_peers()
    return ask_peers(peers, truth.pairs, len(truth.class_names), truth.ignore_index, audit.scores, progress)


def _values(audit: Audit, agreements: list[Agreement]) -> dict[str, Any]:
    return {
        "scores": {name: scores.model_dump(mode="json") for name, scores in audit.scores.items()},
        "differences": [asdict(found) for found in audit.differences],
        "equal": audit.equal,
        "peers": [{**asdict(agreement), "agrees": agreement.agrees} for agreement in agreements],
    }


def _scores_table(title: str, audit: Audit) -> Table:
    from segbench.leaderboard.wording import size_text
    from segbench.metrics.audit import SCORE_TITLES

    columns = [Column("protocol"), *(Column(name, right=True) for name in SCORE_TITLES.values())]
    rows = [[name, *(_two(getattr(scores, key)) for key in SCORE_TITLES)] for name, scores in audit.scores.items()]
    scores = audit.scores["segbench"]
    void = scores.protocol.ignore_index
    notes = [f"Percent of {scores.num_images:,} images at {size_text(scores.protocol.size)}; {void} is void."]
    return Table(columns, rows, title, notes)


def _class_table(audit: Audit) -> Table:
    first = audit.scores["segbench"]
    columns = [Column("IoU"), *(Column(name, right=True) for name in audit.scores)]
    rows = [[name, *(_two(found.per_class[name].iou) for found in audit.scores.values())] for name in first.per_class]
    return Table(columns, rows)


def _two(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.2f}"


def _sentences(audit: Audit, agreements: list[Agreement]) -> list[str]:
    equal = [f"{name}: {reason}" for name, reason in audit.equal.items()]
    return [*(found.sentence for found in audit.differences), *equal, *map(_agreement, agreements)]


def _agreement(found: Agreement) -> str:
    from segbench.metrics.audit import SCORE_TITLES

    theirs, ours = ("not defined" if value is None else f"{100 * value:.4f}" for value in (found.theirs, found.ours))
    verdict = "agrees with" if found.agrees else "DISAGREES with"
    return (
        f"{found.package} {found.version} itself: {SCORE_TITLES[found.score]} {theirs} {verdict} our {found.protocol}, "
        f"{ours} (tolerance {100 * found.tolerance:.1g} points: it computes in single precision)."
    )
