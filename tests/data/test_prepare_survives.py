"""Preparing in a world of kills, full and forbidden disks, and others who prepare at the same time."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from segbench.data import shards
from segbench.data.preparation import find_prepared, prepare
from segbench.errors import DataError
from tests.data import toy
from tests.data.trees import contents

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "segbench", "prepare", "synthetic-roads", "--size", "48x64", "--jobs", "2"]
NOBODY = 65534
HOME_IN_COMMANDS = "SEGBENCH_HOME"


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, HOME_IN_COMMANDS: str(home), "PYTHONPATH": str(CHECKOUT)}


def run(home: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        COMMAND, env=environment(home), cwd=home.parent, capture_output=True, text=True, check=False, **options
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert all(word in line for word in words), line


def left_in(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_random_moments_it_ends_as_a_clean_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.killed_prepare", str(tmp_path)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen["trials"] >= 50
    assert seen["shards"] >= 6
    # Not luck: most kills hit a preparation under way, and some left shards that the next one took up.
    assert seen["hits"] >= seen["trials"] // 2
    assert seen["resumed"] >= 5


@pytest.mark.timeout(300)
def test_a_full_disk_then_room(tmp_path: Path) -> None:
    """The system refuses files above 200 kB, as a full disk does after so much."""
    home = tmp_path / "home"
    done = run(home, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
    assert_one_line(done, "synthetic-roads/96x128-11 cannot be written", "File too large", "SEGBENCH_HOME")
    assert left_in(home) == [".96x128-11.lock"]
    assert run(home).returncode == 0
    assert run(tmp_path / "clean").returncode == 0
    assert contents(home / "data/synthetic-roads") == contents(tmp_path / "clean/data/synthetic-roads")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a disk can be mounted by root only")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.timeout(300)
def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    done = run(small_disk / "home")
    assert_one_line(done, "cannot be written (No space left on device)", "Free some space")
    assert left_in(small_disk) == [".96x128-11.lock"]


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write anywhere, so the test is somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    yield
    if root:
        os.seteuid(0)


def test_a_folder_that_may_not_be_written(
    toy_dataset: list[toy.ToySource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    prepare("toy")  # what is imported late is imported now, while it may be read
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    monkeypatch.setenv(HOME_IN_COMMANDS, str(locked))
    request.getfixturevalue("nobody")
    with pytest.raises(
        DataError, match=r"toy/small cannot be written \(Permission denied\)\. Make the folder writable"
    ):
        prepare("toy")


@pytest.fixture
def open_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that others can read, not below pytest's folder, which is closed to them."""
    with TemporaryDirectory() as folder:
        monkeypatch.setenv(HOME_IN_COMMANDS, folder)
        yield Path(folder)


def test_what_is_prepared_may_lie_where_nobody_may_write(
    toy_dataset: list[toy.ToySource], open_home: Path, request: pytest.FixtureRequest
) -> None:
    folder = prepare("toy").folder
    for path in (open_home, *open_home.rglob("*")):
        path.chmod(0o555)
    request.getfixturevalue("nobody")
    again = prepare("toy")
    assert (again.folder, again.fresh) == (folder, False)


@pytest.mark.timeout(300)
def test_two_commands_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    both = [
        subprocess.Popen(
            [*COMMAND, "--json"],
            env=environment(home),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    results = [json.loads(out) for out, _ in said]
    assert sorted(result["fresh"] for result in results) == [False, True]
    assert results[0]["fingerprint"] == results[1]["fingerprint"]


@pytest.mark.parametrize("where", ["first write", "later write", "close", "state", "manifest"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_disk_that_refuses_at_any_moment(
    toy_dataset: list[toy.ToySource], home: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 5000)
    samples = [toy.sample(position, (16, 16)) for position in range(20)]
    toy_dataset.append(toy.ToySource({"train": samples}))
    clean = contents(prepare("toy").folder)
    targets = {
        "first write": ("segbench.data.shards._Stream.write", 0),
        "later write": ("segbench.data.shards._Stream.write", 5),
        "close": ("segbench.data.shards._Stream.close", 1),
        "state": ("segbench.data.assembly.write_split", 0),
        "manifest": ("segbench.manifest.Manifest.write", 0),
    }
    name, refused_call = targets[where]
    with monkeypatch.context() as patch:
        refuse(patch, name, refused_call, OSError(code, os.strerror(code)))
        with pytest.raises(DataError, match=rf"toy/small cannot be written \({os.strerror(code)}\)"):
            prepare("toy", force=True)
    # What was there is still there, whole.
    assert contents(find_prepared("toy").folder) == clean
    assert sorted(path.name for path in (home / "data/toy").iterdir()) == [".small.lock", "small"]
    assert contents(prepare("toy", force=True).folder) == clean


def refuse(patch: pytest.MonkeyPatch, name: str, call: int, error: OSError) -> None:
    """Lets ``name`` raise at its ``call``-th call."""
    owner_name, _, attribute = name.rpartition(".")
    owner = import_owner(owner_name)
    original = getattr(owner, attribute)
    calls = iter(range(1000))

    def refusing(*arguments: object) -> object:
        if next(calls) == call:
            raise error
        return original(*arguments)

    patch.setattr(owner, attribute, refusing)


def import_owner(name: str) -> object:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)


@pytest.mark.timeout(300)
def test_no_process_outlives_a_killed_command(tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = subprocess.Popen(COMMAND, env=environment(home), cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(processes_of(home)) == 3)
    running.kill()
    running.wait()
    wait_until(lambda: not processes_of(home))


def processes_of(home: Path) -> list[str]:
    """Processes whose home it is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{HOME_IN_COMMANDS}={home}\0".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
