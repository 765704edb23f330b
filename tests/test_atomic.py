"""Files and folders that are complete or not there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from segbench.atomic import dump_json, new_file, new_folder, write_bytes, write_json, write_text

CHECKOUT = Path(__file__).parents[1]


class StopHereError(BaseException):
    """Not an Exception, as Ctrl-C is none."""


def names(folder: Path) -> list[str]:
    """All names in a folder, hidden ones too."""
    return sorted(entry.name for entry in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fail_in_file(target: Path, error: type[BaseException]) -> None:
    with new_file(target) as temporary:
        temporary.write_text("half")
        raise error


def fail_in_folder(target: Path, error: type[BaseException]) -> None:
    with new_folder(target) as temporary:
        (temporary / "half").touch()
        raise error


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.txt"
    with new_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent  # so that renaming is atomic
    assert target.read_text() == "whole"
    assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StopHereError])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failed_file_leaves_what_was_there(tmp_path: Path, error: type[BaseException], before: str | None) -> None:
    target = tmp_path / "file.txt"
    if before:
        target.write_text(before)
    with pytest.raises(error):
        fail_in_file(target, error)
    assert names(tmp_path) == (["file.txt"] if before else [])
    assert not before or target.read_text() == before


def test_a_failed_rename_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(target, "new")
    assert (names(tmp_path), target.read_text()) == (["file.txt"], "old")


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    script = (
        "import os, signal, sys; from pathlib import Path; from segbench.atomic import new_file\n"
        "with new_file(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(target)], cwd=CHECKOUT, check=False)
    assert ended.returncode == -9
    assert target.read_text() == "old"
    assert all(name.endswith(".partial") for name in names(tmp_path) if name != "file.txt")


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0, 0o666, 0o777)])
def test_permissions_are_those_of_ordinary_files(tmp_path: Path, mask: int, file: int, folder: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file.txt", "x")
        with new_folder(tmp_path / "folder") as temporary:
            (temporary / "inside").touch()
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (mode(tmp_path / "file.txt"), mode(tmp_path / "folder")) == (file, folder)


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    contents = [bytes([number]) * 50_000 for number in range(8)]
    write_bytes(target, contents[0])
    done = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(target.read_bytes())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for data in contents:
        write_bytes(target, data)
    done.set()
    for reader in readers:
        reader.join()
    assert seen
    assert seen <= set(contents)
    assert names(tmp_path) == ["file.bin"]


def test_two_writers_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    contents = [bytes([number]) * 100_000 for number in range(6)]
    writers = [threading.Thread(target=write_bytes, args=(target, data)) for data in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert target.read_bytes() in contents
    assert names(tmp_path) == ["file.bin"]


def test_text_keeps_its_newlines_and_letters(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "a\r\nb\né")
    assert (tmp_path / "file.txt").read_bytes() == b"a\r\nb\n\xc3\xa9"


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with new_folder(target) as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "file").write_text("x")
        assert not target.exists()
    assert (target / "sub" / "file").read_text() == "x"
    assert names(target.parent) == ["folder"]


def test_a_folder_replaces_the_one_before_entirely(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with new_folder(target) as temporary:
            (temporary / name).touch()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StopHereError])
@pytest.mark.parametrize("before", [False, True])
def test_a_failed_folder_leaves_what_was_there(tmp_path: Path, error: type[BaseException], before: bool) -> None:
    target = tmp_path / "folder"
    if before:
        target.mkdir()
        (target / "old").touch()
    with pytest.raises(error):
        fail_in_folder(target, error)
    assert names(tmp_path) == (["folder"] if before else [])
    assert not before or names(target) == ["old"]


def test_a_failed_swap_brings_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output"), new_folder(target) as temporary:
        (temporary / "new").touch()
    assert names(tmp_path) == ["folder"]
    assert names(target) == ["old"]


def test_everything_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, rename = os.fsync, Path.rename

    def noted_sync(handle: int) -> None:
        order.append("sync")
        sync(handle)

    def noted_rename(self: Path, target: Path) -> Path:
        order.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    with new_folder(tmp_path / "folder") as temporary:
        (temporary / "file").touch()
    assert order == ["sync", "sync", "rename", "sync"]  # the file, its folder; then the folder around


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_is_indented_utf8_with_a_last_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, None], "ä": 0.5})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "b": [\n    1,\n    null\n  ],\n  "ä": 0.5\n}\n'
    assert json.loads(text) == {"b": [1, None], "ä": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_is_no_number(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json({"a": [value]})
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", value)
    assert (tmp_path / "a.json").read_text() == "old"
    assert names(tmp_path) == ["a.json"]
