"""Downloads over real HTTP from a server that drops, lies, redirects, crawls and changes its files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, NamedTuple

import pytest

from segbench.data.download import FetchOptions, Remote, fetch
from segbench.data.partial import Partial
from segbench.errors import DataError, DownloadError
from segbench.progress import Progress, Task
from tests.data.loopback import Loopback, Reply, loopback

SIZE = 300_000
CONTENT = random.Random(7).randbytes(SIZE)
OTHER = random.Random(8).randbytes(SIZE)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
QUICK = FetchOptions(connect_timeout=2, read_timeout=2, backoff=0.001)
FILE = "/data/archive.zip"


class Collected(Progress):
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.messages: list[str] = []
        self.totals: list[int | None] = []

    def task(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Task]:
        self.totals.append(total)
        return nullcontext(self)

    def message(self, text: str) -> None:
        self.messages.append(text)

    def event(self, name: str, values: Mapping[str, object]) -> None:
        raise AssertionError("a download has no events")

    def advance(self, steps: int = 1) -> None:
        self.steps.append(steps)

    def show(self, **values: object) -> None:
        raise AssertionError("a download shows no figures")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("SEGBENCH_MIRRORS", raising=False)
    with loopback() as server:
        yield server


def remote(*urls: str, checked: bool = True) -> Remote:
    return Remote("archive.zip", urls, SIZE, SHA256) if checked else Remote("archive.zip", urls)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


FINISHED = {"archive.zip", "archive.zip.verified.json"}


def assert_fetched(path: Path, folder: Path) -> None:
    assert path == folder / "archive.zip"
    assert path.read_bytes() == CONTENT
    assert left_in(folder) == FINISHED


@pytest.mark.parametrize(
    "known",
    [{}, {"size": SIZE}, {"sha256": SHA256}, {"sha256": SHA256.upper()}, {"md5": MD5}, {"size": SIZE, "md5": MD5}],
)
def test_a_whole_file(site: Loopback, tmp_path: Path, known: dict[str, str | int]) -> None:
    url = site.serve(FILE, Reply(CONTENT))
    wanted = replace(Remote("archive.zip", (url,)), **known)  # type: ignore[arg-type]
    assert_fetched(fetch(wanted, tmp_path / "new" / "folder", options=QUICK), tmp_path / "new" / "folder")


def test_the_home_of_downloads_is_the_default(site: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path))
    path = fetch(remote(site.serve(FILE, Reply(CONTENT))), options=QUICK)
    assert_fetched(path, tmp_path / "cache" / "downloads")


def test_an_empty_file(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(b""))
    assert fetch(Remote("archive.zip", (url,), size=0), tmp_path, options=QUICK).read_bytes() == b""


def test_a_file_that_is_there_costs_no_request(site: Loopback, tmp_path: Path) -> None:
    wanted = remote(site.serve(FILE, Reply(CONTENT)))
    fetch(wanted, tmp_path, options=QUICK)
    fetch(wanted, tmp_path, options=QUICK)
    assert len(site.requests) == 1


def test_a_verified_file_is_not_hashed_again(site: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = remote(site.serve(FILE, Reply(CONTENT)))
    fetch(wanted, tmp_path, options=QUICK)
    monkeypatch.setattr("segbench.data.download.fault_of", lambda path, remote: pytest.fail("hashed again"))
    fetch(wanted, tmp_path, options=QUICK)


def test_a_file_changed_on_disk_is_hashed_and_replaced(site: Loopback, tmp_path: Path) -> None:
    wanted = remote(site.serve(FILE, Reply(CONTENT)))
    path = fetch(wanted, tmp_path, options=QUICK)
    path.write_bytes(OTHER)
    os.utime(path, ns=(1, 1))
    assert_fetched(fetch(wanted, tmp_path, options=QUICK), tmp_path)
    assert len(site.requests) == 2


def test_another_checksum_asked_for_is_not_served_from_the_note(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(CONTENT), Reply(OTHER))
    fetch(remote(url), tmp_path, options=QUICK)
    new = Remote("archive.zip", (url,), SIZE, hashlib.sha256(OTHER).hexdigest())
    assert fetch(new, tmp_path, options=QUICK).read_bytes() == OTHER


def test_a_file_placed_by_hand_is_checked_and_taken(site: Loopback, tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(CONTENT)
    assert_fetched(fetch(remote(site.url + FILE), tmp_path, options=QUICK), tmp_path)
    assert site.requests == []


@pytest.mark.parametrize("kept", [1, 4095, 65_536, 65_537, 150_000, SIZE - 1])
def test_a_dropped_connection_is_continued(site: Loopback, tmp_path: Path, kept: int) -> None:
    whole = Reply(CONTENT, etag='"one"')
    url = site.serve(FILE, replace(whole, drop_after=kept), whole)
    assert_fetched(fetch(remote(url, checked=False), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, kept]
    assert site.requests[1].headers["if-range"] == '"one"'


def test_every_drop_is_continued_where_it_happened(site: Loopback, tmp_path: Path) -> None:
    whole = Reply(CONTENT, last_modified="Tue, 01 Feb 2022 10:00:00 GMT")
    url = site.serve(FILE, *(replace(whole, drop_after=10_000) for _ in range(3)), whole)
    assert_fetched(fetch(remote(url, checked=False), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, 10_000, 20_000, 30_000]


def test_a_connection_dropped_at_once_starts_again(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(CONTENT, etag='"one"', drop_after=0), Reply(CONTENT))
    assert_fetched(fetch(remote(url), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, None]


def test_without_range_support_it_starts_over(site: Loopback, tmp_path: Path) -> None:
    whole = Reply(CONTENT, etag='"one"', ranges=False)
    url = site.serve(FILE, replace(whole, drop_after=90_000), whole)
    assert_fetched(fetch(remote(url), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, 90_000]


@pytest.mark.parametrize("if_range", [True, False])
@pytest.mark.parametrize("checked", [True, False])
def test_a_file_changed_between_tries_starts_over(
    site: Loopback, tmp_path: Path, if_range: bool, checked: bool
) -> None:
    before = Reply(OTHER, etag='"old"', drop_after=100_000)
    now = Reply(CONTENT, etag='"new"', if_range=if_range)
    url = site.serve(FILE, before, now)
    assert_fetched(fetch(remote(url, checked=checked), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == ([None, 100_000] if if_range else [None, 100_000, None])


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_unknown_content_without_a_validator_is_never_spliced(site: Loopback, tmp_path: Path, etag: str | None) -> None:
    url = site.serve(FILE, Reply(OTHER, etag=etag, drop_after=100_000), Reply(CONTENT, etag=etag))
    assert_fetched(fetch(remote(url, checked=False), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, None]


def test_a_range_that_begins_elsewhere_is_not_appended(site: Loopback, tmp_path: Path) -> None:
    whole = Reply(CONTENT, etag='"one"')
    url = site.serve(FILE, replace(whole, drop_after=50_000), replace(whole, shift=7), whole)
    assert_fetched(fetch(remote(url, checked=False), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, 50_000, None]


def test_bytes_beyond_the_end_start_over(site: Loopback, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.partial").write_bytes(OTHER + b"more")
    url = site.serve(FILE, Reply(CONTENT))
    wanted = Remote("archive.zip", (url,), sha256=SHA256)
    assert_fetched(fetch(wanted, tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [SIZE + 4, None]


def test_a_complete_partial_needs_only_its_name(site: Loopback, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.partial").write_bytes(CONTENT)
    assert_fetched(fetch(remote(site.url + FILE), tmp_path, options=QUICK), tmp_path)
    assert site.requests == []


def test_a_complete_partial_of_unknown_size_is_told_by_the_server(site: Loopback, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.partial").write_bytes(CONTENT)
    url = site.serve(FILE, Reply(CONTENT))
    assert_fetched(fetch(Remote("archive.zip", (url,), sha256=SHA256), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [SIZE]


def test_a_partial_of_other_content_is_dropped(site: Loopback, tmp_path: Path) -> None:
    old = Remote("archive.zip", (site.serve(FILE, Reply(OTHER, drop_after=100_000)),), SIZE, "0" * 64)
    with pytest.raises(DownloadError):
        fetch(old, tmp_path, options=replace(QUICK, attempts=1))
    site.requests.clear()
    assert_fetched(fetch(remote(site.serve(FILE, Reply(CONTENT))), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None]


def test_a_wrong_checksum_is_the_next_mirrors_turn(site: Loopback, tmp_path: Path) -> None:
    bad, good = site.serve("/bad", Reply(OTHER, etag='"x"')), site.serve("/good", Reply(CONTENT))
    collected = Collected()
    assert_fetched(fetch(remote(bad, good), tmp_path, progress=collected, options=QUICK), tmp_path)
    assert [request.path for request in site.requests] == ["/bad", "/good"]
    assert site.starts() == [None, None]
    assert "wrong checksum: sha256" in collected.messages[0]


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"x"])
def test_a_wrong_size_is_seen_before_the_body(site: Loopback, tmp_path: Path, wrong: bytes) -> None:
    with pytest.raises(DownloadError, match=rf"wrong size: {len(wrong)} bytes, expected {SIZE}"):
        fetch(Remote("archive.zip", (site.serve(FILE, Reply(wrong)),), SIZE), tmp_path, options=QUICK)
    assert len(site.requests) == 1
    assert left_in(tmp_path) == set()


def test_a_body_longer_than_expected_is_cut_off(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(CONTENT + OTHER, declared=-1))
    with pytest.raises(DownloadError, match=f"more than the {SIZE} bytes"):
        fetch(remote(url), tmp_path, options=QUICK)
    assert left_in(tmp_path) == set()


def test_a_body_that_ends_early_without_a_length_is_continued(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(CONTENT, drop_after=99, declared=-1), Reply(CONTENT))
    assert_fetched(fetch(remote(url), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, 99]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_the_next_mirrors_turn_at_once(site: Loopback, tmp_path: Path, status: int) -> None:
    bad, good = site.serve("/bad", Reply(status=status)), site.serve("/good", Reply(CONTENT))
    assert_fetched(fetch(remote(bad, good), tmp_path, options=QUICK), tmp_path)
    assert [request.path for request in site.requests] == ["/bad", "/good"]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_busy_mirror_is_asked_again(site: Loopback, tmp_path: Path, status: int) -> None:
    url = site.serve(FILE, Reply(status=status, retry_after="0"), Reply(status=status), Reply(CONTENT))
    assert_fetched(fetch(remote(url), tmp_path, options=QUICK), tmp_path)
    assert len(site.requests) == 3


def test_retry_after_is_heeded_within_reason(site: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("segbench.data.download.time", SimpleNamespace(sleep=waits.append))
    busy = Reply(status=503)
    url = site.serve(FILE, busy, replace(busy, retry_after="7"), replace(busy, retry_after="86400"), Reply(CONTENT))
    fetch(remote(url), tmp_path, options=replace(QUICK, backoff=0.5))
    assert waits == [0.5, 7.0, 30.0]


def test_tries_are_bounded(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(status=503))
    with pytest.raises(DownloadError, match=r"answers 503 Service Unavailable \(4 tries\)"):
        fetch(remote(url), tmp_path, options=QUICK)
    assert len(site.requests) == 4


def test_tries_are_bounded_without_range_support_too(site: Loopback, tmp_path: Path) -> None:
    big = bytes(3 * 1024 * 1024)
    url = site.serve(FILE, Reply(big, ranges=False, drop_after=len(big) - 1))
    with pytest.raises(DownloadError, match="dropped the connection"):
        fetch(Remote("archive.zip", (url,), len(big)), tmp_path, options=QUICK)
    assert len(site.requests) == 4


def test_a_mirror_that_makes_headway_is_not_given_up(site: Loopback, tmp_path: Path) -> None:
    big = CONTENT * 30
    drop = Reply(big, etag='"one"', drop_after=1024 * 1024)
    wanted = Remote("archive.zip", (site.serve(FILE, drop),), len(big), hashlib.sha256(big).hexdigest())
    fetch(wanted, tmp_path, options=replace(QUICK, attempts=2))
    assert len(site.requests) == -(-len(big) // 1024**2)


def test_a_silent_mirror_is_left(site: Loopback, tmp_path: Path) -> None:
    gate = threading.Event()
    bad, good = site.serve("/bad", Reply(CONTENT, drop_after=500, gate=gate)), site.serve("/good", Reply(CONTENT))
    options = replace(QUICK, read_timeout=0.1, attempts=1)
    assert_fetched(fetch(remote(bad, good), tmp_path, options=options), tmp_path)
    assert site.starts() == [None, 500]
    gate.set()


def test_redirects_are_followed(site: Loopback, tmp_path: Path) -> None:
    site.serve("/two", Reply(status=301, location="/three"))
    site.serve("/three", Reply(CONTENT, etag='"one"', drop_after=7_000), Reply(CONTENT, etag='"one"'))
    url = site.serve("/one", Reply(status=302, location=site.url + "/two"))
    assert_fetched(fetch(remote(url), tmp_path, options=QUICK), tmp_path)
    assert site.starts("/three") == [None, 7_000]


@pytest.mark.parametrize("location", ["/one", "ftp://127.0.0.1/x", "http://[::1", ""])
def test_a_useless_redirect_is_given_up(site: Loopback, tmp_path: Path, location: str) -> None:
    url = site.serve("/one", Reply(status=302, location=location))
    with pytest.raises(DownloadError, match=r"redirects|connection|302"):
        fetch(remote(url), tmp_path, options=QUICK)


def test_a_web_page_is_not_a_file(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(b"<html>parked</html>", content_type="text/html; charset=utf-8"))
    with pytest.raises(DownloadError, match="web page"):
        fetch(remote(url, checked=False), tmp_path, options=QUICK)
    assert left_in(tmp_path) == set()


SLOW = replace(QUICK, minimum_rate=400_000, rate_window=0.1)


def test_a_slow_mirror_is_left_and_its_bytes_are_kept(site: Loopback, tmp_path: Path) -> None:
    slow, fast = site.serve("/slow", Reply(CONTENT, rate=50_000)), site.serve("/fast", Reply(CONTENT))
    collected = Collected()
    assert_fetched(fetch(remote(slow, fast), tmp_path, progress=collected, options=SLOW), tmp_path)
    start = site.starts("/fast")[0]
    assert start is not None and 0 < start < SIZE
    assert "slow: " in collected.messages[0]


def test_the_wait_between_tries_is_not_slowness(site: Loopback, tmp_path: Path) -> None:
    url = site.serve("/busy", Reply(status=503), Reply(CONTENT, drop_after=99), Reply(CONTENT))
    options = replace(SLOW, backoff=0.15)
    assert_fetched(fetch(remote(url, site.url + "/other"), tmp_path, options=options), tmp_path)
    assert site.starts("/busy") == [None, None, 99]


def test_bytes_of_unknown_content_do_not_go_to_another_mirror(site: Loopback, tmp_path: Path) -> None:
    slow, fast = (
        site.serve("/slow", Reply(OTHER, rate=50_000, etag='"x"')),
        site.serve("/fast", Reply(CONTENT, etag='"x"')),
    )
    assert_fetched(fetch(remote(slow, fast, checked=False), tmp_path, options=SLOW), tmp_path)
    assert site.starts("/fast") == [None]


def test_the_last_mirror_may_be_slow(site: Loopback, tmp_path: Path) -> None:
    content = CONTENT[:20_000]
    slow, gone = site.serve("/slow", Reply(content, rate=50_000, etag='"x"')), site.serve("/gone", Reply(status=404))
    wanted = Remote("archive.zip", (slow, gone))
    assert fetch(wanted, tmp_path, options=SLOW).read_bytes() == content
    assert [request.path for request in site.requests] == ["/slow", "/gone", "/slow"]
    assert site.starts()[2] is not None


def test_a_mirror_is_not_blamed_for_the_bytes_of_another(site: Loopback, tmp_path: Path) -> None:
    liar, good = site.serve("/liar", Reply(OTHER, drop_after=50_000)), site.serve("/good", Reply(CONTENT))
    assert_fetched(fetch(remote(liar, good), tmp_path, options=replace(QUICK, attempts=2)), tmp_path)
    assert site.starts("/good") == [100_000, None]


def test_the_users_mirrors_come_first(site: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.serve("/near/archive.zip", Reply(CONTENT))
    monkeypatch.setenv("SEGBENCH_MIRRORS", f"{site.url}/nothing  {site.url}/near/")
    assert_fetched(fetch(remote(site.serve(FILE, Reply(OTHER))), tmp_path, options=QUICK), tmp_path)
    assert [request.path for request in site.requests] == ["/nothing/archive.zip", "/near/archive.zip"]


def test_when_all_fail_one_line_lists_each_mirror(site: Loopback, tmp_path: Path) -> None:
    with loopback() as closed:
        dead = closed.url + "/dead"
    urls = (site.url + "/gone", site.serve("/wrong", Reply(OTHER)), site.serve("/busy", Reply(status=500)), dead)
    with pytest.raises(DownloadError) as caught:
        fetch(remote(*urls, "gopher://example.org/x"), tmp_path, options=QUICK)
    text = str(caught.value)
    assert "\n" not in text
    for part in (
        f"{urls[0]}: answers 404 Not Found;",
        f"{urls[1]}: wrong checksum: sha256",
        f"{urls[2]}: answers 500 Internal Server Error (4 tries);",
        f"{dead}: no connection (Connection refused) (2 tries);",
        "gopher://example.org/x: is not an http or https address.",
        "--from FILE",
    ):
        assert part in text
    assert caught.value.exit_code == 2


def test_no_address_is_said_too(tmp_path: Path, site: Loopback) -> None:
    with pytest.raises(DownloadError, match="no address is known"):
        fetch(remote(), tmp_path, options=QUICK)


def test_credentials_are_sent_but_never_shown_or_kept(site: Loopback, tmp_path: Path) -> None:
    base = site.url.replace("http://", "http://ann:s%40cret@")
    site.serve("/private?token=hidden", Reply(CONTENT, password="YW5uOnNAY3JldA==", drop_after=9_000))
    collected = Collected()
    with pytest.raises(DownloadError) as caught:
        fetch(remote(base + "/private?token=hidden"), tmp_path, progress=collected, options=replace(QUICK, attempts=1))
    kept = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    said = [str(caught.value), *collected.messages, kept, *map(str, (caught.value.__cause__, caught.value.__context__))]
    for secret in ("ann", "cret", "hidden"):
        assert all(secret not in text for text in said)
    assert "dropped the connection" in said[0]
    assert left_in(tmp_path) == {"archive.zip.partial", "archive.zip.partial.json"}


def test_a_password_of_the_address_opens(site: Loopback, tmp_path: Path) -> None:
    site.serve(FILE, Reply(CONTENT, password="YW5uOnNAY3JldA=="))
    url = site.url.replace("http://", "http://ann:s%40cret@") + FILE
    assert_fetched(fetch(remote(url), tmp_path, options=QUICK), tmp_path)


def test_progress_ends_at_the_size_whatever_happened(site: Loopback, tmp_path: Path) -> None:
    url = site.serve(FILE, Reply(CONTENT, ranges=False, drop_after=80_000), Reply(CONTENT, ranges=False))
    collected = Collected()
    fetch(remote(url), tmp_path, progress=collected, options=QUICK)
    assert collected.totals == [SIZE]
    assert sum(collected.steps) == SIZE
    assert min(collected.steps) == -80_000


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_room_is_said_before_the_body(
    site: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 1000, 1000))
    url = site.serve(FILE, Reply(CONTENT))
    with pytest.raises(DataError, match=f"needs {SIZE} more bytes, 1000 are free"):
        fetch(remote(url, checked=False), tmp_path, options=QUICK)


def test_a_full_disk_is_one_line_and_keeps_the_bytes(
    site: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Partial) -> BinaryIO:
        return open("/dev/full", "wb", buffering=0)

    wanted = remote(site.serve(FILE, Reply(CONTENT, drop_after=5_000), Reply(CONTENT)))
    with pytest.raises(DownloadError):
        fetch(wanted, tmp_path, options=replace(QUICK, attempts=1))
    with monkeypatch.context() as patched:
        patched.setattr(Partial, "append", full)
        with pytest.raises(DataError, match=r"archive.zip cannot be written .*No space left") as caught:
            fetch(wanted, tmp_path, options=QUICK)
    assert "\n" not in str(caught.value)
    assert_fetched(fetch(wanted, tmp_path, options=QUICK), tmp_path)
    assert site.starts()[-1] == 5_000


def test_a_folder_that_cannot_be_made_is_one_line(site: Loopback, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written .*SEGBENCH_HOME"):
        fetch(remote(site.url + FILE), tmp_path / "file" / "folder", options=QUICK)


def test_two_at_once_download_once(site: Loopback, tmp_path: Path) -> None:
    gate = threading.Event()
    wanted = remote(site.serve(FILE, Reply(CONTENT, drop_after=1_000, gate=gate)))
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(wanted, tmp_path, options=replace(QUICK, read_timeout=10))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert len(site.requests) == 1
    assert len(paths) == 3
    assert_fetched(paths[0], tmp_path)


CHILD = """
import sys
from pathlib import Path
from segbench.data.download import FetchOptions, Remote, fetch
url, sha256, folder = sys.argv[1:]
fetch(Remote("archive.zip", (url,), sha256=sha256), Path(folder), options=FetchOptions(read_timeout=20))
"""


def test_a_killed_download_is_continued(site: Loopback, tmp_path: Path) -> None:
    gate = threading.Event()
    whole = Reply(CONTENT, etag='"one"')
    url = site.serve(FILE, replace(whole, drop_after=200_000, gate=gate), whole)
    child = subprocess.Popen([sys.executable, "-c", CHILD, url, SHA256, str(tmp_path)], cwd=Path(__file__).parents[2])
    partial = tmp_path / "archive.zip.partial"
    deadline = time.monotonic() + 30
    while not (partial.exists() and partial.stat().st_size >= 100_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert left_in(tmp_path) == {"archive.zip.partial", "archive.zip.partial.json"}
    kept = partial.stat().st_size
    assert_fetched(fetch(Remote("archive.zip", (url,), sha256=SHA256), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None, kept]
    assert site.requests[1].headers["if-range"] == '"one"'
    gate.set()


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"content": {}, "source": {"who": 1}}', json.dumps(None)])
def test_a_damaged_state_is_no_state(site: Loopback, tmp_path: Path, state: str) -> None:
    (tmp_path / "archive.zip.partial").write_bytes(OTHER[:1000])
    (tmp_path / "archive.zip.partial.json").write_text(state)
    url = site.serve(FILE, Reply(CONTENT))
    assert_fetched(fetch(remote(url, checked=False), tmp_path, options=QUICK), tmp_path)
    assert site.starts() == [None]


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", ".."])
def test_a_remote_has_a_plain_file_name(name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        Remote(name, ())
