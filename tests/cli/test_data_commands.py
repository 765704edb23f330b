"""prepare and cache: what they do is done by the data layer; here, what is passed on and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Segbench
from tests.data import toy

pytestmark = pytest.mark.usefixtures("toy_dataset")


def test_prepare_twice(segbench: Segbench, home: Path) -> None:
    code, out, err = segbench("prepare", "toy", "--json")
    first = json.loads(out)
    assert code == 0
    assert (first["dataset"], first["variant"], first["fresh"]) == ("toy", "small", True)
    assert first["counts"] == {"train": 3, "test": 2}
    assert first["folder"] == str(home / "data" / "toy" / "small")
    sky = sum(int((toy.label(position, toy.SIZES[position]) == 0).sum()) for position in range(3))
    assert first["pixels"]["train"]["sky"] == sky
    assert err == f"Prepared toy small: 3 train, 2 test in {first['folder']}\n"
    second = json.loads(segbench("prepare", "toy", "--json", "--quiet").out)
    assert second == {**first, "fresh": False}


def test_prepare_shows_the_share_of_each_class(segbench: Segbench) -> None:
    code, out, _ = segbench("prepare", "toy", "--quiet")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()}
    assert rows["images"] == ["3", "2"]
    shares = [float(rows[name][0]) for name in ("sky", "road", "car", "void")]
    assert sum(shares) == pytest.approx(100, abs=0.3)


def test_all_that_follows_from_is_a_source(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("segbench.data.preparation.prepare", lambda *names, **options: given.update(options))
    ended = segbench(
        *("prepare", "toy", "--from", "a.zip", "b.zip", "--from", "c", "--size", "20x30", "--force", "--partial"),
        *("--download-only", "--json", "--quiet"),
    )
    assert (ended.code, json.loads(ended.out)) == (0, {"dataset": "toy", "downloaded": True})
    assert sorted(given["sources"]) == ["a.zip", "b.zip", "c"]
    assert (given["size"], given["force"], given["partial"], given["download_only"]) == ((20, 30), True, True, True)


def test_the_cache_is_listed_and_cleared(segbench: Segbench) -> None:
    from segbench.data.preparation import find_prepared
    from segbench.data.raw_cache import open_split

    assert segbench("cache", "list", "--json") == (0, "[]\n", "The raw cache is empty.\n")
    segbench("prepare", "toy")
    open_split(find_prepared("toy"), "train")
    listed = json.loads(segbench("cache", "list", "--json").out)
    assert [(row["dataset"], row["variant"], row["split"], row["num_images"]) for row in listed] == [
        ("toy", "small", "train", 3)
    ]
    assert re.search(r"toy +small +train +3 +\d+ KiB", segbench("cache", "list").out)
    assert json.loads(segbench("cache", "clear", "toy", "--variant", "other", "--json").out) == {"freed_bytes": 0}
    freed = json.loads(segbench("cache", "clear", "toy", "--json").out)["freed_bytes"]
    assert freed == listed[0]["num_bytes"]
    assert segbench("cache", "clear") == (0, "0 B freed.\n", "")
