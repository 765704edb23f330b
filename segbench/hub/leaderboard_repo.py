"""The boards as a dataset repository, rows and records, and as a static Space, pages; no photograph in the former."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from segbench.errors import UsageError
from segbench.hub.card import card
from segbench.hub.card_template import drawn
from segbench.hub.content import RepoContent, RepoFile

__all__ = ["RESULTS_FILE", "leaderboard_content", "space_content"]

RESULTS_FILE = "results.csv"
INDEX = "index.html"
TITLE = "segbench leaderboard"

_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^(?=#{1,5} )", flags=re.MULTILINE)
_COMMENT = re.compile(r"\A\s*<!--.*?-->\s*", flags=re.DOTALL)


def leaderboard_content(
    repo_id: str, results: str, boards: Mapping[str, str], files: Mapping[str, Path], *, title: str = TITLE
) -> RepoContent:
    """The rows of all boards, the records behind them and a card that shows the boards.

    Args:
        repo_id: ``ORG/NAME``, which the card tells people to load.
        results: All rows as CSV; ``load_dataset`` gives them as the split ``train``.
        boards: Markdown by dataset, as ``segbench leaderboard`` writes it.
        files: Records, tallies and predicted label maps by their paths in the repository.
        title: Of the card.

    Raises:
        UsageError: There is no row.
    """
    if not results.strip():
        raise UsageError("There is no row to push.", "Run: segbench run MODEL --dataset D")
    there = {RESULTS_FILE, *files}
    shown = {name: _fitted(text, there) for name, text in boards.items()}
    metadata = {
        "pretty_name": title,
        "task_categories": ["image-segmentation"],
        "tags": ["segbench", "leaderboard"],
        "configs": [{"config_name": "results", "data_files": [{"split": "train", "path": RESULTS_FILE}]}],
    }
    body = drawn("leaderboard.md.j2", repo_id=repo_id, title=title, boards=shown, records=sorted(_records(files)))
    return RepoContent(
        repo_type="dataset",
        files=(RepoFile(RESULTS_FILE, results.encode()), *(RepoFile(*item) for item in sorted(files.items()))),
        card=card(metadata, body),
        licence_allows_redistribution=True,
        what=f"the boards of {', '.join(boards)}",
    )


def space_content(pages: Mapping[str, bytes], *, title: str = TITLE, photographs_of: str = "") -> RepoContent:
    """The boards as pages that the Hub serves as they are: no server, no network, no build.

    Args:
        pages: Self-contained HTML by dataset. A single page is the Space; several get a list of links before them.
        title: Of the Space.
        photographs_of: The terms of the photographs that the pages show; empty where they show none.

    Raises:
        UsageError: There is no page.
    """
    if not pages:
        raise UsageError("There is no board to push.", "Run: segbench run MODEL --dataset D")
    if len(pages) == 1:
        files = {INDEX: next(iter(pages.values()))}
    else:
        files = {INDEX: _index(title, pages), **{f"{name}.html": page for name, page in pages.items()}}
    metadata = {"title": title, "emoji": "📊", "colorFrom": "blue", "colorTo": "gray", "sdk": "static", "pinned": False}
    return RepoContent(
        repo_type="space",
        files=tuple(RepoFile(*item) for item in files.items()),
        card=card(metadata, drawn("space.md.j2", title=title, names=list(pages))),
        licence_allows_redistribution=not photographs_of,
        what=f"the pages of {', '.join(pages)}",
        terms=photographs_of,
    )


def _records(files: Mapping[str, Path]) -> list[str]:
    return [path for path in files if path.endswith(".json") and not path.startswith("records/profiles/")]


def _fitted(board: str, there: set[str]) -> str:
    """A board as a part of the card: its headings one level down, its links to what is there alone."""

    def link(found: re.Match[str]) -> str:
        if found["target"].endswith(".csv"):  # of this board alone; here the rows of all are in one
            return f"[{RESULTS_FILE}]({RESULTS_FILE})"
        kept = found["target"] in there or "://" in found["target"] or found["target"].startswith("#")
        return found.group() if kept else found["text"]

    return _LINK.sub(link, _HEADING.sub("#", _COMMENT.sub("", board))).strip()


def _index(title: str, pages: Mapping[str, bytes]) -> bytes:
    links = "\n".join(f'<li><a href="{html.escape(name)}.html">{html.escape(name)}</a></li>' for name in pages)
    return drawn("index.html.j2", title=html.escape(title), links=links).encode()
