"""prepare --from hf:ORG/NAME against a Hub on this machine, in a process of its own: its client reads the environment
when it is imported."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pytest

from segbench.data.fingerprint import SplitHash, combine
from segbench.data.hub_repository import is_hub, parse_address
from segbench.errors import UsageError
from segbench.registry import DATASETS
from segbench.specs import DatasetSpec
from segbench.testing import LoopbackHub
from tests.data import toy

CHECKOUT = Path(__file__).parents[2]
TOKEN = LoopbackHub.token
IDS = {"train": ("toy_000", "toy_001", "toy_002"), "validation": (), "test": ("toy_003", "toy_004")}
SPEC = replace(
    toy.SPEC,
    name="pushed",
    variants={
        "small": replace(
            toy.VARIANT, counts={"train": 3, "test": 2}, official_ids="tests.data.test_hub_source:official_ids"
        ),
        "other": replace(toy.VARIANT, name="other", class_names=("sky", "street", "car")),
    },
)

# Runs command lines one after the other and prints how each ended.
RUN = """
import contextlib, io, json, os, sys
from segbench.cli import main
from segbench.registry import DATASETS
from tests.data.test_hub_source import SPEC
DATASETS.add(SPEC)
ended = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as error:
            code = error.code
    ended.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(ended))
"""


def official_ids(split: str) -> tuple[str, ...]:
    """The list of ``pushed``."""
    return IDS[split]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def rows(split: str) -> list[dict[str, Any]]:
    """What a pushed split holds."""
    return [row(int(name[-3:])) for name in IDS[split]]


def row(position: int) -> dict[str, Any]:
    """One row, its label stored with a palette as other tools do."""
    label = toy.label(position, toy.SIZES[position % 3])
    return {
        "id": f"toy_{position:03d}",
        "image": {"bytes": toy.sample(position).image, "path": None},
        "label": {"bytes": toy.png(label), "path": None},
        "classes": sorted({int(value) for value in label.flat} - {255}),
    }


def parquet(split_rows: list[dict[str, Any]], names: tuple[str, ...] = toy.VARIANT.class_names) -> bytes:
    """Rows as ``push_to_hub`` stores them."""
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "label": datasets.Image(),
            "classes": datasets.List(datasets.ClassLabel(names=list(names))),
        }
    )
    buffer = io.BytesIO()
    datasets.Dataset.from_list(split_rows, features=features).to_parquet(buffer)
    return buffer.getvalue()


def small(**splits: bytes) -> dict[str, bytes]:
    """The files of a repository with the configuration ``small``."""
    lines = [f"  - split: {split}\n    path: small/{split}-*\n" for split in splits]
    card = f"---\nconfigs:\n- config_name: small\n  data_files:\n{''.join(lines)}---\n"
    files = {f"small/{split}-00000-of-00001.parquet": content for split, content in splits.items()}
    return {"README.md": card.encode(), **files}


def fill(hub: LoopbackHub) -> None:
    """Makes what the Hub holds."""
    train, test = parquet(rows("train")), parquet(rows("test"))
    stranger = [{**rows("train")[0], "id": "stranger"}, *rows("train")[1:]]
    painted = [{**rows("train")[0], "label": {"bytes": toy.png(np.full(toy.SIZES[0], 7, np.uint8)), "path": None}}]
    good = small(train=train, test=test)
    repositories = {
        "good": good,
        "private": good,
        "closed": good,
        "busy": good,
        "damaged": good,
        "short": small(train=parquet(rows("train")[:2]), test=test),
        "stranger": small(train=parquet(stranger), test=test),
        "swapped": small(train=parquet(rows("train")[::-1]), test=test),
        "painted": small(train=parquet(painted + rows("train")[1:]), test=test),
        "renamed": small(train=parquet(rows("train"), ("sky", "street", "car")), test=test),
        "dev": small(train=train, dev=test),
        "csv": {"train.csv": b"id,image\na,b\n"},
        "script": {"script.py": b"raise SystemExit('ran')\n", "README.md": b"---\n---\n"},
        "empty": {"README.md": b"# nothing\n"},
    }
    for name, files in repositories.items():
        hub.create(f"me/{name}", files, kind="dataset", private=name == "private")
    hub.repository("me/closed", "dataset").closed = True
    hub.repository("me/busy", "dataset").status = 503
    hub.damage("me/damaged", "small/test-00000-of-00001.parquet", "dataset")


CASES: dict[str, tuple[str, ...]] = {
    "good": ("--from", "hf:me/good", "--json"),
    "revision": ("--from", "hf:me/good@main", "--json", "--force"),
    "private": ("--from", "hf:me/private", "--json", "--force"),
    "short": ("--from", "hf:me/short", "--force"),
    "partial": ("--from", "hf:me/short", "--partial", "--force", "--json"),
    "download-only": ("--from", "hf:me/good", "--download-only", "--json"),
    **{
        name: ("--from", f"hf:me/{name}", "--force")
        for name in (
            *("closed", "busy", "stranger", "swapped", "painted", "renamed", "damaged"),
            *("dev", "csv", "script", "empty", "missing"),
        )
    },
    "no revision": ("--from", "hf:me/good@v9", "--force"),
    "no configuration": ("--variant", "other", "--from", "hf:me/good", "--force"),
    "two sources": ("--from", "hf:me/good", "hf:me/private", "--force"),
    "no address": ("--from", f"hf:https://user:{TOKEN}@hub/me/good", "--force"),
}


def run(hub: LoopbackHub, home: Path, cases: Sequence[tuple[str, ...]], **environment: str) -> list[Ended]:
    """Runs prepare for each case in one fresh interpreter."""
    variables = {
        **os.environ,
        **hub.environment(home / "huggingface"),
        "SEGBENCH_HOME": str(home / "segbench"),
        "PYTHONPATH": str(CHECKOUT),
        **environment,
    }
    given = json.dumps([["prepare", "pushed", *case] for case in cases])
    ended = subprocess.run(
        [sys.executable, "-c", RUN], input=given, env=variables, cwd=home, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return [Ended(*one) for one in json.loads(ended.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        fill(server)
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def ended(hub: LoopbackHub, home: Path) -> dict[str, Ended]:
    """How each of ``CASES`` ended, in their order."""
    return dict(zip(CASES, run(hub, home, list(CASES.values())), strict=True))


def fingerprint() -> str:
    """Of the whole toy, from its arrays."""
    found = {}
    for split in ("train", "test"):
        content = SplitHash()
        for name in IDS[split]:
            position = int(name[-3:])
            size = toy.SIZES[position % 3]
            content.add(name, toy.pixels(position, size), toy.label(position, size))
        found[split] = content.hexdigest()
    return combine(found)


@pytest.mark.parametrize("case", ["good", "revision", "private"])
def test_what_was_pushed_is_prepared(ended: dict[str, Ended], case: str) -> None:
    assert ended[case].code == 0, ended[case].err
    values = json.loads(ended[case].out)
    assert (values["counts"], values["partial"]) == ({"train": 3, "test": 2}, False)
    assert values["fingerprint"] == fingerprint()


def test_part_of_it_is_prepared_only_when_asked(ended: dict[str, Ended]) -> None:
    assert ended["short"].code == 2
    assert "of train, toy_002 is missing (1 such ids). Add --partial" in ended["short"].err
    values = json.loads(ended["partial"].out)
    assert (values["counts"], values["partial"]) == ({"train": 2, "test": 2}, True)


def test_the_manifest_names_repository_and_commit(ended: dict[str, Ended], hub: LoopbackHub, home: Path) -> None:
    folder = Path(json.loads(ended["partial"].out)["folder"])
    sources = json.loads((folder / "manifest.json").read_text())["sources"]
    commit = hub.repository("me/short", "dataset").head
    origin = f"{hub.endpoint}/datasets/me/short"
    assert sources == [{"name": "hf:me/short", "origin": origin, "sha256": None, "digest": commit}]


def test_download_only_stops_there(ended: dict[str, Ended]) -> None:
    assert json.loads(ended["download-only"].out) == {"dataset": "pushed", "downloaded": True}


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ("closed", "hf:me/closed is no dataset repository that can be read; private ones need a token."),
        ("missing", "hf:me/missing is no dataset repository that can be read; private ones need a token."),
        ("busy", "hf:me/busy cannot be read: the Hub answered 503."),
        ("no revision", "hf:me/good has no revision 'v9'."),
        ("no configuration", "hf:me/good has no configuration 'other', only small."),
        ("stranger", "hf:me/stranger: of train, stranger is not in the official list (2 such ids)."),
        ("swapped", "of train, toy_002 stands where the official list has toy_000 (1 such ids)."),
        ("painted", "toy_000: its label holds 7; small has 0..2 and 255 (ignore)."),
        ("renamed", "the classes of train are sky, street, car; small has sky, road, car."),
        ("damaged", "small/test-00000-of-00001.parquet of hf:me/damaged is damaged: sha256 "),
        ("dev", "hf:me/dev has the split 'dev'; pushed has train, validation, test."),
        ("csv", "hf:me/csv has no configuration 'small', only default."),
        ("script", "hf:me/script holds no dataset that can be read without running code."),
        ("empty", "hf:me/empty holds no dataset that can be read without running code."),
        ("two sources", "A Hub repository is the only source or none"),
        ("no address", "A source that begins with hf: is hf:ORG/NAME or hf:ORG/NAME@REVISION"),
    ],
)
def test_what_cannot_be_prepared_is_said_in_one_line(ended: dict[str, Ended], case: str, line: str) -> None:
    code, out, err = ended[case]
    assert (code, out) == (2, "")
    assert line in err
    errors = [said for said in err.splitlines() if said.startswith("Error: ")]
    assert len(errors) == 1
    assert err.splitlines()[-1] == errors[0]


def test_no_token_is_ever_told_or_written(ended: dict[str, Ended], home: Path) -> None:
    assert not [case for case, found in ended.items() if TOKEN in found.out + found.err]
    written = [path for path in (home / "segbench").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_without_a_network(hub: LoopbackHub, home: Path) -> None:
    case = [("--from", "hf:me/good", "--force")]
    assert run(hub, home, case, HF_HUB_OFFLINE="1") == [
        Ended(
            2, "", "Error: hf:me/good cannot be reached: HF_HUB_OFFLINE is set. Unset it, or use 'segbench bundle'.\n"
        )
    ]
    (nobody,) = run(hub, home, case, HF_ENDPOINT="http://127.0.0.1:9")
    assert nobody.code == 2
    assert nobody.err.startswith("Error: hf:me/good cannot be reached (ConnectError). Try again later")


def test_addresses() -> None:
    assert is_hub("hf:me/data") and not is_hub("data.zip") and not is_hub(Path("hf:me/data"))
    assert parse_address("hf:me/data") == ("me/data", None)
    assert parse_address("hf:me/data-1.x@refs/pr/3") == ("me/data-1.x", "refs/pr/3")
    for wrong in ("hf:", "hf:data", "hf:a/b/c", "hf:../b", "hf:me/data@", "hf:me/da ta", "hf:me/data@x y"):
        with pytest.raises(UsageError, match=r"hf:ORG/NAME@REVISION"):
            parse_address(wrong)


def test_any_registered_dataset_may_come_from_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import segbench.data  # noqa: F401  (registers the datasets)
    from segbench.data import hub_source
    from segbench.data.preparation import prepare

    asked: list[str] = []

    def noted(spec: DatasetSpec, *others: object) -> None:
        asked.append(spec.name)
        raise UsageError("noted")

    monkeypatch.setattr(hub_source, "open_source", noted)
    monkeypatch.setenv("SEGBENCH_HOME", str(tmp_path))
    for name in DATASETS:
        with pytest.raises(UsageError, match="noted"):
            prepare(name, sources=["hf:me/data"])
    assert asked == list(DATASETS)
