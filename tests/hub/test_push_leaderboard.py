"""``segbench push leaderboard`` against a Hub on this machine: rows that ``datasets`` reads, pages that stand alone."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import UsageError
from segbench.hub.leaderboard_repo import leaderboard_content, space_content
from segbench.leaderboard import store
from segbench.testing import LoopbackHub
from tests.hub.pushing import Ended, Step, metadata, run_commands, run_python
from tests.leaderboard import examples

REPO, SPACE, BOTH = "lab/boards", "lab/pages", "me/boards"
PUSH = ("push", "leaderboard", "--json")

STEPS: dict[str, Step] = {
    "nowhere": Step(PUSH),
    "no name": Step((*PUSH, "--repo", "lab//x")),
    "no records": Step((*PUSH, "--repo", REPO, "--dataset", "camvid")),
    "dry run": Step((*PUSH, "--repo", REPO, "--space", SPACE, "--dry-run")),
    "neither": Step((*PUSH, "--space", SPACE, "--no-space")),
    "repo": Step((*PUSH, "--repo", REPO, "--no-space")),
    "repo again": Step((*PUSH, "--repo", REPO, "--no-space")),
    "predictions": Step((*PUSH, "--repo", REPO, "--predictions", "--no-space")),
    "space": Step((*PUSH, "--space", SPACE, "--public")),
    "space again": Step((*PUSH, "--space", SPACE, "--public")),
    "both": Step((*PUSH, "--repo", BOTH)),
}

LOAD = f"""
import json
from datasets import load_dataset
from huggingface_hub import RepoCard
rows = load_dataset("{REPO}", "results", split="train")
RepoCard.load("{REPO}", repo_type="dataset").validate("dataset")
RepoCard.load("{SPACE}", repo_type="space").validate("space")
print(json.dumps(rows.to_list()))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


@pytest.fixture(scope="module")
def runs() -> list[examples.Run]:
    return [examples.run(seed=seed, weights=f"{seed}a" * 32) for seed in (0, 1)]


@pytest.fixture(scope="module")
def folder(runs: list[examples.Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with two runs in its leaderboards."""
    folder = tmp_path_factory.mktemp("boards")
    for run in runs:
        store.save_result(
            folder / "leaderboards", run.record, run.scorer.tallies, run.predictions.items(), examples.PALETTE
        )
    return folder


@pytest.fixture(scope="module")
def ended(hub: LoopbackHub, folder: Path) -> dict[str, Ended]:
    """How each of ``STEPS`` ended, in their order."""
    return dict(zip(STEPS, run_commands(hub, folder, list(STEPS.values())), strict=True))


def pushed(ended: Ended) -> Any:
    """The only push of a command."""
    (values,) = ended.values["pushed"]
    return values


def test_every_push_ended_as_it_should(ended: dict[str, Ended]) -> None:
    failed = {name: (one.code, one.err) for name, one in ended.items() if one.code}
    assert set(failed) == {"nowhere", "no name", "no records", "neither"}, failed
    assert {code for code, _ in failed.values()} == {2}
    assert "Name --repo ORG/NAME, --space ORG/NAME, or both." in ended["nowhere"].err
    assert "--no-space does not go with --space." in ended["neither"].err
    assert "There are no records of camvid in " in ended["no records"].err


def test_load_dataset_gives_the_rows(
    hub: LoopbackHub, ended: dict[str, Ended], runs: list[examples.Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = run_python(hub, tmp_path_factory.mktemp("load"), LOAD)
    found = {row["run_id"]: row["mean_iou"] for row in rows}
    assert found == {run.record.run_id: pytest.approx(run.record.scores.mean_iou) for run in runs}


def test_records_are_there_and_label_maps_when_asked(
    ended: dict[str, Ended], hub: LoopbackHub, folder: Path, runs: list[examples.Run]
) -> None:
    files = hub.files(REPO, "dataset")
    stems = {f"records/toy/segnet-basic/{run.record.run_id}" for run in runs}
    endings = (".json", ".tallies.parquet", ".predictions.zip")
    assert set(files) == {"README.md", "results.csv", *(stem + ending for stem in stems for ending in endings)}
    for path in set(files) - {"README.md", "results.csv"}:
        assert files[path] == (folder / "leaderboards" / path).read_bytes()
    before = {file["path"] for file in pushed(ended["repo"])["files"]}
    assert before == {path for path in files if not path.endswith(".zip")}
    assert pushed(ended["repo again"])["changed"] == []
    assert len(list(csv.DictReader(io.StringIO(files["results.csv"].decode())))) == 2


def test_the_card_shows_the_boards_and_links_to_what_is_there(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    files = hub.files(REPO, "dataset")
    card = files["README.md"].decode()
    assert metadata(files["README.md"])["configs"][0]["config_name"] == "results"
    assert f'load_dataset("{REPO}", "results", split="train")' in card
    assert "## Toy" in card and "SegNet-Basic" in card and "**Protocol** `segbench`" in card
    links = re.findall(r"\]\(([^)]+)\)", card)
    assert links
    assert {link for link in links if "://" not in link} <= set(files)


def test_without_label_maps_nothing_links_to_them() -> None:
    board = "# Toy\n\n[toy.csv](toy.csv), [tallies](records/a.parquet), [maps](records/a.zip), [home](https://a.org)\n"
    content = leaderboard_content("me/x", "a\n1\n", {"toy": board}, {"records/a.parquet": Path("a")})
    shown = "## Toy\n\n[results.csv](results.csv), [tallies](records/a.parquet), maps, [home](https://a.org)"
    assert shown in content.card


def test_a_space_is_static_and_stands_alone(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    files = hub.files(SPACE, "space")
    assert set(files) == {"README.md", "index.html"}
    data = metadata(files["README.md"])
    assert (data["sdk"], data["title"]) == ("static", "segbench leaderboard")
    page = files["index.html"].decode()
    assert "SegNet-Basic" in page
    assert not re.findall(r"""(?:src|href)=["']?https?://[^"'> ]+\.(?:js|css)""", page)
    assert "data:image/jpeg" not in page  # photographs are the only JPEG pictures of a page
    assert pushed(ended["space again"])["changed"] == []
    assert pushed(ended["space"])["private"] is False
    assert hub.repository(SPACE, "space").private is False


def test_both_bear_the_name_of_the_repository(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    assert len(ended["both"].values["pushed"]) == 2
    assert "results.csv" in hub.files(BOTH, "dataset")
    assert "index.html" in hub.files(BOTH, "space")


def test_a_dry_run_makes_nothing(ended: dict[str, Ended]) -> None:
    told = ended["dry run"].values["pushed"]
    assert [one["dry_run"] for one in told] == [True, True]
    assert [one["commit"] for one in told] == ["", ""]
    assert told[0]["files"] == pushed(ended["repo"])["files"]


def test_several_datasets_get_a_page_of_links() -> None:
    content = space_content({"camvid": b"<p>camvid", "toy": b"<p>toy"})
    files = {file.path_in_repo: file.content for file in content.files}
    assert files.keys() == {"index.html", "camvid.html", "toy.html"}
    index = files["index.html"]
    assert isinstance(index, bytes)
    assert b'<a href="camvid.html">camvid</a>' in index and b'<a href="toy.html">toy</a>' in index
    assert content.licence_allows_redistribution


def test_pages_with_photographs_carry_their_terms() -> None:
    content = space_content({"camvid": b""}, photographs_of="None stated.")
    assert (content.licence_allows_redistribution, content.terms) == (False, "None stated.")


def test_nothing_is_pushed_where_nothing_is() -> None:
    with pytest.raises(UsageError, match="There is no row to push"):
        leaderboard_content("me/x", "", {}, {})
    with pytest.raises(UsageError, match="There is no board to push"):
        space_content({})


def test_records_hold_no_token(ended: dict[str, Ended], hub: LoopbackHub) -> None:
    assert not [path for path, content in hub.files(REPO, "dataset").items() if hub.token.encode() in content]
    assert hub.token not in json.dumps(ended)
