"""The page as text: what is on it, that nothing can break out of it, and that it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from segbench.leaderboard.page import to_html
from segbench.leaderboard.page_pictures import chosen_images
from segbench.metrics.image_sums import ImageSums
from segbench.metrics.tallies import Tallies
from tests.leaderboard.examples import run
from tests.leaderboard.pages import NASTY, evidence, page, saved, several

VOID = {"meta", "link", "br", "img", "input"}


class Tree(HTMLParser):
    """Elements with their attributes; complains where tags are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute of {tag} comes twice"
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(tmp_path_factory.mktemp("page"), several(4))


def test_tags_are_nested_and_ids_unique_and_links_lead_somewhere(text: str) -> None:
    tree = Tree(text)
    ids = [attributes["id"] for _, attributes in tree.found if "id" in attributes]
    assert len(ids) == len(set(ids)) > 4
    links = {attributes["href"] or "" for attributes in tree.named("a")}
    assert links and {link.removeprefix("#") for link in links} <= set(ids)


def test_names_are_text(text: str) -> None:
    tree = Tree(text)
    assert len(tree.named("script")) == 1
    assert NASTY not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 4
    (row, *_) = [one for one in tree.named("tr") if NASTY in (one.get("data-name") or "")]
    assert row["data-name"] == f"{NASTY} segnet-basic"


def test_nothing_is_loaded_and_nothing_else_may_run(text: str) -> None:
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert "@import" not in text and "url(" not in text and "style=" not in text and "onclick" not in text
    (policy,) = [one["content"] for one in Tree(text).named("meta") if "http-equiv" in one]
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_each_run_has_its_row_its_marks_and_its_pictures(tmp_path: Path) -> None:
    runs = several(3)
    text = page(tmp_path, runs)
    for one in runs:
        assert text.count(f'<tr data-run="{one.record.run_id}"') == 1
        assert text.count(f'<g class="run" data-run="{one.record.run_id}"') >= 5
    assert text.count('alt="Truth of') == text.count('alt="Errors of') == text.count('alt="Prediction of') == 9
    assert text.count("<b>Best</b>") == text.count("<b>Median</b>") == text.count("<b>Worst</b>") == 3
    assert "Boundary F1 by tolerance" in text and "Photograph" not in text and "passed on" not in text


def test_without_truth_there_are_predictions_alone(tmp_path: Path) -> None:
    text = page(tmp_path, several(1), truth=False)
    assert 'alt="Truth of' not in text and 'alt="Errors of' not in text and text.count('alt="Prediction of') == 3
    assert "Boundary F1 by tolerance" not in text


def test_photographs_are_said(tmp_path: Path) -> None:
    text = page(tmp_path, several(1), photographs=True)
    assert text.count('alt="Photograph of') == 3 and "data:image/jpeg;base64," in text
    assert "Not to be passed on." in text


def test_images_that_may_be_passed_on_are_shown_without_a_warning(tmp_path: Path) -> None:
    text = page(tmp_path, several(1), free=True)
    assert text.count('alt="Image of') == 3 and "Photograph" not in text and "passed on" not in text


def test_missing_things_are_told(tmp_path: Path) -> None:
    runs = several(1)
    boards = saved(tmp_path, runs)
    text = to_html(boards, lambda row: evidence(tmp_path, row, runs), ["There is <no> truth."])
    assert "There is &lt;no&gt; truth." in text


def test_the_same_runs_give_the_same_bytes(tmp_path: Path, text: str) -> None:
    assert page(tmp_path, several(4)) == text


def test_scores_come_with_what_they_are_sorted_by(tmp_path: Path) -> None:
    one = run()
    text = page(tmp_path, [one])
    assert f'data-value="{one.record.scores.mean_iou}"' in text
    assert f"<b>{100 * (one.record.scores.mean_iou or 0):.1f}</b>" in text
    assert '<th scope="col" class="number score main" aria-sort="descending">' in text


def test_filters_are_there_where_there_is_a_choice(tmp_path: Path) -> None:
    assert Tree(page(tmp_path / "one", [run()])).named("select") == []
    chosen = [one["data-filter"] for one in Tree(page(tmp_path / "more", several(4))).named("select")]
    assert chosen == ["scale", "recipe"]


def test_best_median_and_worst_image() -> None:
    one = run(wrong=0.3)
    protocol = one.record.scores.protocol
    alone = {}
    for name, image in one.scorer.tallies:
        single = Tallies(one.scorer.tallies.class_names, 255, one.scorer.tallies.tolerance, [name], [image])
        alone[name] = ImageSums(single, protocol).scores.mean_iou or 0.0
    ordered = sorted(alone.items(), key=lambda item: item[1])
    found = chosen_images(one.scorer.tallies, protocol)
    assert [place for place, _, _ in found] == ["Best", "Median", "Worst"]
    assert [name for _, name, _ in found] == [ordered[-1][0], ordered[1][0], ordered[0][0]]
    assert [value for _, _, value in found] == pytest.approx([ordered[-1][1], ordered[1][1], ordered[0][1]])
