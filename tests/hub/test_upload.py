"""What a push does to a Hub: private, merged, once, and whole whatever breaks on the way."""

from __future__ import annotations

import threading
import time

import pytest

from segbench.testing import LoopbackHub
from tests.hub.conftest import Client

FILES = {"config.json": "{}", "model.safetensors": "weights" * 1500}


def commits(hub: LoopbackHub, name: str = "lab/toy", kind: str = "model") -> int:
    """Commits of a repository beside the one it begins with."""
    return len(hub.repository(name, kind).commits) - 1


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_push_makes_a_private_repository_with_one_commit(hub: LoopbackHub, client: Client, kind: str) -> None:
    code, _, _, result = client.publish("lab/toy", FILES, kind=kind)
    assert code == 0
    assert hub.repository("lab/toy", kind).private and result["private"]
    assert commits(hub, kind=kind) == 1
    assert result["commit"] == hub.repository("lab/toy", kind).head
    files = hub.files("lab/toy", kind)
    assert {path: files[path].decode() for path in FILES} == FILES
    assert "# A card" in files["README.md"].decode()
    prefix = "" if kind == "model" else f"{kind}s/"
    assert result["url"] == f"{hub.endpoint}/{prefix}lab/toy"


def test_large_files_come_in_parts_and_small_ones_in_the_commit(hub: LoopbackHub, client: Client) -> None:
    client.publish("lab/toy", FILES)
    assert len([one for one in hub.asked("_lfs") if one.method == "PUT"]) == 3
    assert hub.repository("lab/toy").commits[hub.repository("lab/toy").head]["model.safetensors"].large


def test_visibility_is_read_back_after_creation_and_before_anything_is_sent(hub: LoopbackHub, client: Client) -> None:
    client.publish("lab/toy", FILES)
    asked = [(one.method, one.path.partition("?")[0]) for one in hub.requests]
    created = asked.index(("POST", "/api/repos/create"))
    read = asked.index(("GET", "/api/models/lab/toy"), created)
    sent = next(place for place, (_, path) in enumerate(asked) if "preupload" in path or "_lfs" in path)
    assert created < read < sent


def test_what_was_made_public_against_the_wish_gets_nothing(hub: LoopbackHub, client: Client) -> None:
    hub.create_as_public = True
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 2 and "is public" in ended.line
    assert hub.files("lab/toy") == {} and hub.blobs == {}


def test_an_existing_public_repository_needs_public(hub: LoopbackHub, client: Client) -> None:
    hub.create("lab/toy", {"theirs.txt": b"old"})
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 2 and "lab/toy is public" in ended.line and "--public" in ended.line
    assert hub.files("lab/toy") == {"theirs.txt": b"old"} and hub.blobs == {}
    assert client.publish("lab/toy", FILES, public=True).result["private"] is False
    assert set(hub.files("lab/toy")) == {*FILES, "README.md", "theirs.txt"}


def test_a_repository_that_turns_public_in_between_gets_nothing_more(hub: LoopbackHub, client: Client) -> None:
    repository = hub.create("lab/toy", private=True)
    hub.meanwhile("validate-yaml", lambda: setattr(repository, "private", False))
    hub.fail("commit", 503)
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 2 and "lab/toy is public" in ended.line
    assert commits(hub) == 0


def test_a_private_repository_stays_private_when_public_is_asked(hub: LoopbackHub, client: Client) -> None:
    hub.create("lab/toy", private=True)
    ended = client.publish("lab/toy", FILES, public=True)
    assert ended.code == 0 and ended.result["private"]
    assert "stays so" in ended.err


def test_terms_that_forbid_redistribution_need_an_acknowledgement(hub: LoopbackHub, client: Client) -> None:
    ended = client.publish("lab/toy", FILES, public=True, allowed=False)
    assert ended.code == 2
    assert "Ask the owner." in ended.line and "--acknowledge-redistribution" in ended.line
    assert hub.requests == []
    assert client.publish("lab/toy", FILES, allowed=False).result["private"]
    assert client.publish("lab/other", FILES, public=True, allowed=False, acknowledge=True).code == 0
    assert not hub.repository("lab/other").private


def test_the_same_push_again_makes_no_commit(hub: LoopbackHub, client: Client) -> None:
    first = client.publish("lab/toy", FILES).result
    hub.requests.clear()
    second = client.publish("lab/toy", FILES).result
    assert (commits(hub), second["commit"], second["changed"]) == (1, first["commit"], [])
    assert {one.method for one in hub.requests} <= {"GET", "HEAD"}


def test_only_what_changed_is_sent(hub: LoopbackHub, client: Client) -> None:
    client.publish("lab/toy", FILES)
    hub.requests.clear()
    result = client.publish("lab/toy", {**FILES, "config.json": '{"a": 1}'}).result
    assert result["changed"] == ["config.json"]
    assert hub.asked("_lfs") == [] and commits(hub) == 2


def test_files_of_an_earlier_push_that_are_no_more_are_deleted(hub: LoopbackHub, client: Client) -> None:
    hub.create("lab/toy", {"data/a-1.txt": b"", "data/a-2.txt": b"", "notes.txt": b"mine"}, private=True)
    result = client.publish("lab/toy", {"data/a-1.txt": "new"}, owns=["data/a-*"]).result
    assert set(hub.files("lab/toy")) == {"data/a-1.txt", "notes.txt", "README.md"}
    assert result["changed"] == ["README.md", "data/a-1.txt", "data/a-2.txt"]


def test_a_branch_is_made_where_it_is_asked_for(hub: LoopbackHub, client: Client) -> None:
    client.publish("lab/toy", FILES)
    result = client.publish("lab/toy", {"config.json": "[]"}, revision="second").result
    assert hub.files("lab/toy", revision="second")["config.json"] == b"[]"
    assert hub.files("lab/toy")["config.json"] == b"{}"
    assert result["commit"] == hub.repository("lab/toy").branches["second"]


# --- what breaks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "status"), [("commit", 429), ("commit", 500), ("commit", 503), ("create", 503), ("info", 500)]
)
def test_what_fails_for_a_while_is_tried_again(hub: LoopbackHub, client: Client, verb: str, status: int) -> None:
    hub.fail(verb, status, 2, headers={"Retry-After": "0"})
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 0 and commits(hub) == 1
    assert hub.repository("lab/toy").private


def test_a_hub_that_goes_silent_is_asked_again(hub: LoopbackHub, client: Client) -> None:
    over = threading.Event()
    hub.meanwhile("commit", lambda: over.wait(30))
    ended = client.publish("lab/toy", FILES, silence_s=0.5)
    over.set()
    assert ended.code == 0 and "Timeout" in ended.err and "Attempt 2" in ended.err
    while len(hub.asked("commit")) < 2:
        time.sleep(0.01)
    # What was silent came too late: it was for a head that is one no more.
    assert {one.status for one in hub.asked("commit")} == {200, 412} and commits(hub) == 1


@pytest.mark.parametrize("header", [{"Retry-After": "1"}, {"RateLimit": '"api";r=0;t=1'}])
def test_the_hub_is_left_alone_for_as_long_as_it_asks(hub: LoopbackHub, client: Client, header: dict[str, str]) -> None:
    hub.fail("commit", 429, headers=header)
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 0 and "Attempt 2 of 6 in 1 s." in ended.err


@pytest.mark.parametrize("verb", ["preupload", "lfs"])
def test_uploads_that_fail_are_tried_again(hub: LoopbackHub, client: Client, verb: str) -> None:
    hub.fail(verb, 429, 1, headers={"Retry-After": "0"})
    assert client.publish("lab/toy", FILES).code == 0 and commits(hub) == 1


@pytest.mark.parametrize("verb", ["commit", "info", "create"])
def test_a_dropped_connection_is_tried_again(hub: LoopbackHub, client: Client, verb: str) -> None:
    hub.drop(verb, 2)
    assert client.publish("lab/toy", FILES).code == 0 and commits(hub) == 1


def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub: LoopbackHub, client: Client) -> None:
    hub.drop("commit", after=True)
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 0 and commits(hub) == 1
    assert len(hub.asked("commit")) == 1
    assert ended.result["changed"] == ["README.md", "config.json", "model.safetensors"]


def test_large_files_are_not_sent_again_after_a_commit_failed(hub: LoopbackHub, client: Client) -> None:
    hub.fail("commit", 500)
    client.publish("lab/toy", FILES)
    assert len(hub.asked("commit")) == 2
    assert len([one for one in hub.asked("_lfs") if one.method == "PUT"]) == 3


def test_patience_ends_and_the_next_push_goes_on(hub: LoopbackHub, client: Client) -> None:
    hub.fail("commit", 500, 6)
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 1
    assert "answered 500" in ended.line and "attempt 6" in ended.line and "goes on" in ended.line
    assert commits(hub) == 0
    hub.requests.clear()
    assert client.publish("lab/toy", FILES).code == 0
    assert not [one for one in hub.asked("_lfs") if one.method == "PUT"]


def test_somebody_elses_commit_in_between_is_kept(hub: LoopbackHub, client: Client) -> None:
    repository = hub.create("lab/toy", private=True)
    theirs = b"---\nlicense: mit\n---\n\nMy own words.\n"
    hub.meanwhile("commit", lambda: repository.put({"README.md": theirs, "other.txt": b"hers"}))
    assert client.publish("lab/toy", FILES, card="---\nlicense: other\ntags: [a]\n---\n\n# A card\n").code == 0
    files = hub.files("lab/toy")
    assert files["other.txt"] == b"hers" and set(FILES) < set(files)
    card = files["README.md"].decode()
    assert "My own words." in card and "# A card" in card and "license: mit" in card
    assert [one.status for one in hub.asked("commit")] == [412, 200]


# --- what cannot be done ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toy", "lab/toy/x", "https://hf.co/lab/toy", "lab/to y", "", "lab/..", "la--b/x"])
def test_a_name_that_is_none_is_refused(hub: LoopbackHub, client: Client, name: str) -> None:
    ended = client.publish(name, FILES)
    assert ended.code == 2 and "ORG/NAME" in ended.line and hub.requests == []


def test_a_namespace_that_is_not_ours_is_one_line(hub: LoopbackHub, client: Client) -> None:
    ended = client.publish("theirs/toy", FILES)
    assert ended.code == 2 and "may not do that" in ended.line


def test_without_a_token_there_is_one_line(hub: LoopbackHub, client: Client) -> None:
    ended = client.publish("lab/toy", FILES, environment={"HF_TOKEN": ""})
    assert ended.code == 2 and "there is no Hugging Face token" in ended.line and "HF_TOKEN" in ended.line
    assert hub.requests == []


@pytest.mark.parametrize("token", ["hf_wrong", "hf_Loopback\x01Secret", "hf_LoopbackSecret\u20ac"])
def test_a_wrong_token_is_one_line_and_is_not_repeated(hub: LoopbackHub, client: Client, token: str) -> None:
    ended = client.publish("lab/toy", FILES, environment={"HF_TOKEN": token})
    assert ended.code == 2 and "token" in ended.line
    assert token not in ended.err and hub.repositories == {}


def test_a_server_that_repeats_the_token_is_not_repeated(hub: LoopbackHub, client: Client) -> None:
    for verb in ("info", "create", "commit"):
        said = f"{hub.token} may not do this"
        hub.fail(verb, 403, headers={"X-Error-Message": said, "X-Error-Code": "Forbidden"})
        ended = client.publish("lab/toy", FILES)
        assert ended.code == 2 and "Traceback" in ended.err


def test_offline_is_one_line_but_a_dry_run_shows_all(hub: LoopbackHub, offline_client: Client) -> None:
    ended = offline_client.publish("lab/toy", FILES)
    assert ended.code == 2 and "HF_HUB_OFFLINE is set" in ended.line
    ended = offline_client.publish("lab/toy", FILES, dry_run=True)
    assert ended.code == 0 and set(ended.result["files"]) == {*FILES, "README.md"}
    assert hub.requests == []


def test_a_dry_run_touches_nothing(hub: LoopbackHub, client: Client) -> None:
    result = client.publish("lab/toy", FILES, dry_run=True).result
    assert result["dry_run"] and result["commit"] == "" and hub.repositories == {}
    assert result["files"]["model.safetensors"] == len(FILES["model.safetensors"])
    client.publish("lab/toy", FILES)
    hub.requests.clear()
    result = client.publish("lab/toy", {**FILES, "config.json": "[]"}, dry_run=True).result
    assert result["changed"] == ["config.json"] and commits(hub) == 1
    assert {one.method for one in hub.requests} <= {"GET", "HEAD"}


def test_a_card_on_the_hub_that_is_no_yaml_is_not_overwritten(hub: LoopbackHub, client: Client) -> None:
    hub.create("lab/toy", {"README.md": b"---\nlicense: [\n---\nText\n"}, private=True)
    ended = client.publish("lab/toy", FILES)
    assert ended.code == 2 and "README.md" in ended.line and "line 3" in ended.line
    assert hub.files("lab/toy") == {"README.md": b"---\nlicense: [\n---\nText\n"}
