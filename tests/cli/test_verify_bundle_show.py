"""verify, bundle and show: what they do is done by the data layer; here, what is passed on, shown and returned."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from segbench.registry import DATASETS
from tests.cli.conftest import Segbench
from tests.data import toy

CHECKOUT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("toy_dataset")


def test_verify_says_what_was_looked_at(segbench: Segbench) -> None:
    segbench("prepare", "toy")
    code, out, err = segbench("verify", "toy")
    assert code == 0
    rows = {line.split()[1]: line.split()[0] for line in out.splitlines()[3:] if line[:1].strip()}
    assert rows["fingerprint"] == rows["duplicates"] == "ok"
    assert rows["digest"] == "unconfirmed"
    assert err.startswith("Nothing is wrong (5 images in ")
    code, out, err = segbench("verify", "toy", "--json", "--quiet")
    values = json.loads(out)
    assert (code, err, values["ok"], values["digest"], values["findings"]) == (0, "", True, "unconfirmed", [])
    assert values["look_alikes"]["max_bits"] == 6
    assert values["counts"] == {"train": 3, "test": 2}


def test_verify_ends_with_1_where_something_is_wrong(segbench: Segbench, home: Path) -> None:
    segbench("prepare", "toy")
    (path,) = home.glob("data/toy/small/train/*.arrow")
    content, image = bytearray(path.read_bytes()), toy.sample(1).image
    content[content.index(image) + 4] ^= 1
    path.write_bytes(content)
    code, out, err = segbench("verify", "toy")
    assert (code, err) == (1, "")
    table = out[out.index("What is wrong") :]
    assert "images" in table and "train" in table and "toy_001" in table
    values = json.loads(segbench("verify", "toy", "--json").out)
    assert not values["ok"]
    assert ("images", "train", "toy_001") in [(one["check"], one["split"], one["id"]) for one in values["findings"]]


def test_what_is_not_prepared(segbench: Segbench) -> None:
    for arguments in (("verify", "toy"), ("bundle", "export", "toy", "toy.tar"), ("show", "toy")):
        code, out, err = segbench(*arguments)
        assert (code, out) == (2, "")
        assert err == "Error: toy small is not prepared. Run: segbench prepare toy\n"


def test_a_bundle_travels(segbench: Segbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    segbench("prepare", "toy")
    code, out, err = segbench("bundle", "export", "toy", "toy.tar", "--json")
    values = json.loads(out)
    assert (code, values["dataset"], values["bytes"]) == (0, "toy", Path("toy.tar").stat().st_size)
    assert "Terms of the images: CC0-1.0\n" in err
    assert segbench("bundle", "export", "toy", "toy.tar").code == 2
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path / "elsewhere"))
    code, out, _ = segbench("bundle", "import", "toy", "toy.tar", "--json", "--quiet")
    imported = json.loads(out)
    assert (code, imported["fingerprint"], imported["counts"]) == (0, values["fingerprint"], {"train": 3, "test": 2})
    code, out, err = segbench("bundle", "import", "toy", "toy.tar")
    assert (code, out) == (2, "")
    assert err.startswith("Error: toy small is prepared already: ")


def test_show_writes_a_sheet_and_a_plot(segbench: Segbench) -> None:
    segbench("prepare", "toy")
    code, out, err = segbench("show", "toy", "--count", "2", "--json")
    assert code == 0
    values = json.loads(out)
    assert (values["sheet"], values["plot"], values["split"]) == ("toy.show.png", "toy.classes.svg", "train")
    assert Image.open("toy.show.png").mode == "RGB"
    assert Path("toy.classes.svg").read_text().startswith("<?xml")
    assert "Terms of the images: CC0-1.0" in err
    first = Path("toy.show.png").read_bytes()
    assert segbench("show", "toy", "--count", "2", "-o", "pictures/again.png", "--quiet") == (0, "", "")
    assert Path("pictures/again.png").read_bytes() == first
    assert Path("pictures/again.classes.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--count", "0"), "--count 0 is not 1..60."),
        (("--count", "61"), "--count 61 is not 1..60."),
        (("--seed", "-1"), "--seed -1 is negative"),
        (("-o", "sheet.gif"), "-o sheet.gif: the sheet is a PNG file."),
        (("--split", "val"), "toy small has no split 'val'."),
    ],
)
def test_wrong_use_of_show(segbench: Segbench, arguments: tuple[str, ...], line: str) -> None:
    segbench("prepare", "toy")
    code, out, err = segbench("show", "toy", *arguments)
    assert (code, out) == (2, "")
    assert line in err


def test_git_ignores_what_show_writes_by_default() -> None:
    names = [f"{name}.{suffix}" for name in DATASETS for suffix in ("show.png", "classes.svg")]
    ignored = subprocess.run(
        ["git", "check-ignore", *names, "nested/camvid.show.png"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout.split() == [*names, "nested/camvid.show.png"]
