"""What the kinds of ``segbench push`` share: options, and how a push is told."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.console import Column, Console, Table, byte_size

if TYPE_CHECKING:
    from segbench.hub.content import Published

__all__ = [
    "Acknowledge",
    "DryRun",
    "Public",
    "Repo",
    "Revision",
    "published_table",
    "published_values",
    "show_published",
]

Repo = Annotated[str, typer.Option("--repo", metavar="ORG/NAME", help="Repository; made, private, if it is not there.")]
Public = Annotated[bool, typer.Option("--public", help="Everybody may see it; without this it has to be private.")]
Acknowledge = Annotated[
    bool,
    typer.Option(
        "--acknowledge-redistribution", help="You may pass on what the licence does not let everybody pass on."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show every file and size; send nothing.")]
Revision = Annotated[str | None, typer.Option(metavar="BRANCH", help="Branch; the main one if left out.")]


def show_published(console: Console, published: Published) -> None:
    """Prints what became of a push."""
    console.result(published_values(published), published_table(published))


def published_values(published: Published) -> dict[str, Any]:
    """What became of a push, as JSON values."""
    files = [{"path": path, "bytes": size} for path, size in published.files]
    return {**asdict(published), "files": files, "changed": list(published.changed)}


def published_table(published: Published) -> Table:
    """The files of a push, and where they are."""
    changed = set(published.changed)
    names = {path for path, _ in published.files}
    rows = [[path, byte_size(size), "new" if path in changed else "there"] for path, size in published.files]
    rows += [[path, "", "removed"] for path in sorted(changed - names)]
    return Table([Column("File", wide=True), Column("Size", right=True), Column("")], rows, "", [_told(published)])


def _told(published: Published) -> str:
    seen = "private" if published.private else "public"
    if published.dry_run:
        return f"Nothing was sent. It would go to {published.url} ({seen})."
    done = "Pushed to" if published.changed else "All was there already:"
    return f"{done} {published.url} ({seen}), commit {published.commit[:12]}."
