"""``segbench push leaderboard``: the boards on the Hub, as a dataset repository and as a static Space."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segbench.cli.options import Json, Out, Quiet, complete_dataset
from segbench.cli.push_options import DryRun, Public, published_table, published_values
from segbench.console import Console
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.hub.content import RepoContent
    from segbench.progress import Progress
    from segbench.record import RunRecord

__all__ = ["push_leaderboard"]


def push_leaderboard(
    repo: Annotated[
        str | None,
        typer.Option(
            "--repo", metavar="ORG/NAME", help="Dataset repository for rows and records, and Space for pages."
        ),
    ] = None,
    space: Annotated[
        str | None, typer.Option("--space", metavar="ORG/NAME", help="Static Space, where it bears another name.")
    ] = None,
    without_space: Annotated[bool, typer.Option("--no-space", help="Rows and records alone.")] = False,
    dataset: Annotated[
        str | None, typer.Option(metavar="D", autocompletion=complete_dataset, help="Boards of this dataset alone.")
    ] = None,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="With the predicted label maps of every run.")
    ] = False,
    public: Public = False,
    dry_run: DryRun = False,
    out: Out = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put the boards on the Hub: rows and records as a dataset, pages as a Space. Never a photograph.

    Both bear the name of --repo unless --space names another; with --space alone there are no rows and records.
    """
    from segbench.hub.connection import check_name
    from segbench.hub.upload import publish

    console = Console(json=as_json, quiet=quiet)
    if not (repo or space):
        raise UsageError("Nowhere to push to.", "Name --repo ORG/NAME, --space ORG/NAME, or both.")
    if space and without_space:
        raise UsageError("--no-space does not go with --space.", "Leave one of them out.")
    space = space or (None if without_space else repo)
    for name in filter(None, (repo, space)):
        check_name(name)
    contents = _contents(out / "leaderboards", dataset, repo, space, predictions, console.progress())
    published = [
        publish(content, name, public=public, dry_run=dry_run, progress=console.progress())
        for name, content in contents
    ]
    console.result({"pushed": [published_values(one) for one in published]}, *map(published_table, published))


def _contents(
    root: Path, dataset: str | None, repo: str | None, space: str | None, predictions: bool, progress: Progress
) -> list[tuple[str, RepoContent]]:
    """What goes where; everything is drawn before anything is sent."""
    from segbench.hub.leaderboard_repo import leaderboard_content, space_content
    from segbench.leaderboard.grouping import grouped
    from segbench.leaderboard.profiles import filed_profiles, profile_path
    from segbench.leaderboard.rendering import to_csv, to_markdown
    from segbench.leaderboard.store import load_records, tallies_under
    from segbench.leaderboard.table import build_boards

    records = load_records(root, dataset)
    if not records:
        where = f"{f' of {dataset}' if dataset else ''} in {root}"
        raise UsageError(f"There are no records{where}.", "Run: segbench run MODEL --dataset D")
    profiles = filed_profiles(root)
    boards = build_boards(records, tallies_under(root), profiles)
    by_dataset = grouped(boards, lambda board: board.dataset)
    contents = []
    if repo:
        markdown = {name: to_markdown(group) for name, group in by_dataset.items()}
        paths = [*_results(root, records, predictions), *(profile_path(root, one) for one in profiles)]
        files = {path.relative_to(root).as_posix(): path for path in paths}
        contents.append((repo, leaderboard_content(repo, to_csv(boards), markdown, files)))
    if space:
        contents.append((space, space_content({name: _page(root, name, progress) for name in by_dataset})))
    return contents


def _results(root: Path, records: Iterable[RunRecord], predictions: bool) -> Iterator[Path]:
    from segbench.leaderboard.store import result_files

    for record in records:
        found = result_files(root, record)
        yield from (found.record, found.tallies)
        if predictions:
            yield found.predictions


def _page(root: Path, dataset: str, progress: Progress) -> bytes:
    """The page of one dataset, its pictures bare label maps; one that lies in ``root`` may show photographs."""
    from segbench.cli.leaderboard_page import write_pages

    with tempfile.TemporaryDirectory() as folder:
        (path,) = write_pages(root, dataset, Path(folder) / "page.html", photographs=False, progress=progress)
        return path.read_bytes()
