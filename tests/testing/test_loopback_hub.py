"""The loopback Hub against the real clients, each in a process of its own: what it stands for is the protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segbench.testing import LoopbackHub

USE = """
import sys
from pathlib import Path

import huggingface_hub as hub

api = hub.HfApi()
folder = Path(sys.argv[1])
assert api.whoami()["name"] == "me"

url = api.create_repo("me/net", private=True)
assert url.repo_id == "me/net"
assert api.create_repo("me/net", exist_ok=True).repo_id == "me/net"
try:
    api.create_repo("me/net")
except hub.errors.HfHubHTTPError as error:
    assert error.response.status_code == 409

(folder / "sub").mkdir()
(folder / "sub" / "large.bin").write_bytes(bytes(range(256)) * 64)
(folder / "small.json").write_text("{}")
first = api.upload_folder(repo_id="me/net", folder_path=folder)
assert api.upload_folder(repo_id="me/net", folder_path=folder).oid == first.oid
info = api.model_info("me/net")
assert (info.private, info.sha) == (True, first.oid)
assert set(api.list_repo_files("me/net")) == {".gitattributes", "small.json", "sub/large.bin"}
assert {entry.path for entry in api.list_repo_tree("me/net")} == {".gitattributes", "small.json", "sub"}
(listed,) = api.get_paths_info("me/net", ["sub/large.bin"])
assert listed.lfs.size == 16384

copy = Path(hub.snapshot_download("me/net"))
assert (copy / "sub" / "large.bin").read_bytes() == (folder / "sub" / "large.bin").read_bytes()
assert hub.HfFileSystem().cat_file("me/net/sub/large.bin", start=250, end=260) == bytes([*range(250, 256), *range(4)])

api.create_branch("me/net", branch="next")
api.upload_file(repo_id="me/net", path_or_fileobj=b"[]", path_in_repo="small.json", revision="next")
assert Path(hub.hf_hub_download("me/net", "small.json", revision="next")).read_text() == "[]"
assert Path(hub.hf_hub_download("me/net", "small.json")).read_text() == "{}"
assert {ref.name for ref in api.list_repo_refs("me/net").branches} == {"main", "next"}

add = [hub.CommitOperationAdd("a.txt", b"a")]
try:
    api.create_commit("me/net", add, commit_message="late", parent_commit="0" * 40)
except hub.errors.HfHubHTTPError as error:
    assert error.response.status_code == 412
api.create_commit("me/net", [hub.CommitOperationDelete("sub/", is_folder=True)], commit_message="less")
assert set(api.list_repo_files("me/net")) == {".gitattributes", "small.json"}
for wrong in (lambda: api.model_info("me/nothing"), lambda: api.model_info("me/net", revision="nothing")):
    try:
        wrong()
    except (hub.errors.RepositoryNotFoundError, hub.errors.RevisionNotFoundError):
        continue
    raise AssertionError("found")
assert not api.file_exists("me/net", "nothing.txt")
api.delete_repo("me/net")
assert not api.repo_exists("me/net")
"""

DATASETS = """
import datasets

made = datasets.Dataset.from_dict({"id": ["a", "b"]})
datasets.DatasetDict({"train": made, "test": made.select([0])}).push_to_hub("lab/data", "first", private=True)
made.push_to_hub("lab/data", "second", split="train")
assert datasets.load_dataset("lab/data", "first")["test"]["id"] == ["a"]
assert list(datasets.load_dataset("lab/data", "second", split="train", streaming=True)) == [{"id": "a"}, {"id": "b"}]
"""


def ended(hub: LoopbackHub, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """How a script ended that talks to the Hub."""
    (folder / "given").mkdir()
    return subprocess.run(
        [sys.executable, "-c", code, str(folder / "given")],
        env=os.environ | hub.environment(folder / "cache"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("chunk", [0, 5000])
def test_the_client_of_the_hub_finds_all_it_asks_for(tmp_path: Path, chunk: int) -> None:
    with LoopbackHub(chunk) as hub:
        done = ended(hub, tmp_path, USE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len([one for one in hub.asked("_lfs") if one.method == "PUT"]) == (4 if chunk else 1)
    assert hub.repositories == {}


def test_datasets_are_pushed_loaded_and_streamed(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        done = ended(hub, tmp_path, DATASETS)
        assert done.returncode == 0, done.stderr[-3000:]
        assert hub.repository("lab/data", "dataset").private
        assert any(path.endswith(".parquet") for path in hub.files("lab/data", "dataset"))


def test_it_tells_what_was_asked_and_by_whom(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        hub.create("me/open", {"a.txt": b"a"})
        done = ended(
            hub, tmp_path, "import huggingface_hub as h; print(h.HfApi(token=False).model_info('me/open').sha)"
        )
        assert done.stdout.strip() == hub.repository("me/open").head
    assert [(one.method, one.status, one.authorised) for one in hub.requests] == [("GET", 200, False)]
