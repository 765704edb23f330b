"""``segbench push weights``: a finished run as a model repository of the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.options import Json, Out, Quiet
from segbench.cli.push_options import Acknowledge, DryRun, Public, Repo, Revision, show_published
from segbench.console import Console

__all__ = ["push_weights"]


def push_weights(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or its beginning, a run's folder, or weights.")],
    repo: Repo,
    out: Out = Path(),
    licence: Annotated[
        str, typer.Option("--licence", metavar="ID", help="Yours for the weights, such as cc-by-4.0; none is guessed.")
    ] = "",
    benchmark: Annotated[
        str,
        typer.Option("--dataset-repo", metavar="ORG/NAME[@REV]", help="The dataset's repository that results name."),
    ] = "",
    public: Public = False,
    acknowledge: Acknowledge = False,
    dry_run: DryRun = False,
    revision: Revision = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put the weights of a finished run on the Hub, with a card made from its record.

    The card shows photographs of the dataset only with --acknowledge-redistribution; label maps otherwise.
    """
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.engine.publication import find_published_run
    from segbench.hub.connection import check_name
    from segbench.hub.upload import publish
    from segbench.hub.weights_repo import weights_content

    console = Console(json=as_json, quiet=quiet)
    check_name(repo)
    found = find_published_run(run, out, photographs=acknowledge, licence=licence, benchmark=benchmark)
    published = publish(
        weights_content(found, repo),
        repo,
        public=public,
        acknowledge=acknowledge,
        dry_run=dry_run,
        revision=revision,
        progress=console.progress(),
    )
    show_published(console, published)
