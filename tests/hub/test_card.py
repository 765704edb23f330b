"""A card that was edited on the Hub keeps what people wrote; ours is replaced, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import HubError
from segbench.hub.card import card, merge_cards, section, split_card

OURS = card({"license": "other", "tags": ["segbench", "camvid"], "library_name": "segbench"}, "# Title\n\nOur text.")
TEXT = st.text(alphabet="ab \n#-<>!", max_size=60)


def test_the_first_card_is_ours() -> None:
    merged = merge_cards(OURS, None)
    assert split_card(merged)[0] == split_card(OURS)[0]
    assert "Our text." in merged and merge_cards(OURS, "") == merged


def test_a_merge_changes_nothing_the_second_time() -> None:
    for theirs in (None, "# Mine\n", "---\nlicense: mit\ntags: [x]\n---\n\nBefore\n", OURS):
        once = merge_cards(OURS, theirs)
        assert merge_cards(OURS, once) == once


def test_a_card_that_would_say_the_same_is_left_as_it_is() -> None:
    first = merge_cards(OURS, None)
    edited = first.replace("license: other", "# mine\nlicense:   other").replace("\n", "\r\n")
    assert merge_cards(OURS, edited) == edited


@given(before=TEXT, after=TEXT)
def test_text_around_ours_is_kept(before: str, after: str) -> None:
    edited = f"---\na: 1\n---\n\n{before}\n{section('main', 'Old text.')}\n{after}\n"
    merged = merge_cards(OURS, edited)
    body = split_card(merged)[1]
    assert body == f"{before}\n{section('main', '# Title' + chr(10) * 2 + 'Our text.')}\n{after}".strip()
    assert "Old text." not in merged


def test_a_text_without_our_section_comes_first() -> None:
    body = split_card(merge_cards(OURS, "---\nlicense: mit\n---\n# Hers\n"))[1]
    assert body.startswith("# Hers\n\n<!-- segbench begins: main")


def test_keys_of_ours_are_new_and_theirs_are_kept() -> None:
    theirs = {"license": "mit", "library_name": "old", "tags": ["mine", "camvid"], "inference": False}
    metadata = split_card(merge_cards(OURS, card(theirs, "")))[0]
    assert metadata == {
        "license": "mit",
        "library_name": "segbench",
        "tags": ["mine", "camvid", "segbench"],
        "inference": False,
    }


def test_the_licence_is_one_thing() -> None:
    ours = card({"license": "other", "license_name": "not-stated", "license_link": "https://example.org"}, "x")
    assert split_card(merge_cards(ours, card({"license": "mit"}, "")))[0] == {"license": "mit"}
    assert split_card(merge_cards(ours, card({"tags": ["a"]}, "")))[0]["license_name"] == "not-stated"


def test_entries_of_a_list_are_replaced_by_their_names() -> None:
    ours = card({"model-index": [{"name": "net", "results": [2]}]}, "x")
    theirs = card({"model-index": [{"name": "other", "results": [7]}, {"name": "net", "results": [1]}]}, "")
    listed = split_card(merge_cards(ours, theirs))[0]["model-index"]
    assert listed == [{"name": "other", "results": [7]}, {"name": "net", "results": [2]}]


def test_sections_that_are_not_pushed_stay() -> None:
    first = merge_cards(card({}, section("a", "A") + "\n\n" + section("b", "B")), None)
    second = merge_cards(card({}, section("b", "B2") + "\n\n" + section("c", "C")), first + "\nBye.\n")
    assert split_card(second)[1] == "\n\n".join([section("a", "A"), section("b", "B2"), section("c", "C"), "Bye."])


def test_a_marker_without_its_other_half_goes() -> None:
    body = split_card(merge_cards(OURS, section("main", "Old").rpartition("\n")[0]))[1]
    assert body.count("segbench begins") == body.count("segbench ends") == 1 and body.startswith("Old")


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    assert split_card("\ufeff---\r\nlicense: mit\r\n---\r\n\r\nText\r\n") == ({"license": "mit"}, "Text")


def test_a_card_without_metadata_is_all_text() -> None:
    assert split_card("# Title\n\n---\nnot: metadata\n---\n") == ({}, "# Title\n\n---\nnot: metadata\n---")


@pytest.mark.parametrize(("text", "said"), [("a: [", "line 3"), ("- a", "no mapping"), ("a: b: c", "line 2")])
def test_metadata_that_cannot_be_read_is_one_line(text: str, said: str) -> None:
    with pytest.raises(HubError, match=said):
        merge_cards(OURS, f"---\n{text}\n---\nText\n")
