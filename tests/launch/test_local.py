"""``--launcher local``: threads divided, output kept, ends reported; the processes are short scripts."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from segbench.launch import local, threads
from segbench.launch.identity import start_time
from segbench.launch.local import Worker, run_workers
from segbench.launch.threads import threads_each


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "COMMAND", [sys.executable, "-c"])
    monkeypatch.setattr(local, "POLL_S", 0.02)


@pytest.mark.parametrize(("jobs", "each"), [(1, 8), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_the_processors_are_divided(monkeypatch: pytest.MonkeyPatch, jobs: int, each: int) -> None:
    monkeypatch.setattr(threads, "available_processors", lambda: 8)
    assert threads_each(jobs) == each


def run(folder: Path, code: str, jobs: int = 2) -> tuple[list[Worker], list[Worker]]:
    lost: list[Worker] = []
    return run_workers([code], jobs, 3, folder, watch=lambda workers: None, lost=lost.append), lost


def test_every_process_is_told_its_threads_and_its_output_is_kept(tmp_path: Path) -> None:
    names = "('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')"
    workers, lost = run(tmp_path / "logs", f"import os; print(*(os.environ[name] for name in {names}))")
    assert [worker.log.read_text() for worker in workers] == ["3 3 3\n"] * 2
    assert lost == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("raise SystemExit(2)", "ended with exit code 2"),
        ("raise SystemExit(1)", ""),
    ],
)
def test_a_bad_end_is_told_once(tmp_path: Path, code: str, text: str) -> None:
    workers, lost = run(tmp_path, code)
    assert [worker.ended_badly for worker in workers] == [text] * 2
    assert len(lost) == (2 if text else 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_until_all_have_saved(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import pathlib, os, time\n"
        f"here = pathlib.Path({str(tmp_path)!r}, str(os.getpid()))\n"
        "try:\n here.write_text('begun'); time.sleep(60)\n"
        "except KeyboardInterrupt:\n time.sleep(0.3); here.write_text('saved')"
    )

    def interrupt() -> None:
        while len([path for path in tmp_path.glob("[0-9]*") if path.is_file() and path.read_text() == "begun"]) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "logs", code)
    files = [path for path in tmp_path.glob("[0-9]*") if path.is_file()]
    assert [path.read_text() for path in files] == ["saved"] * 2
    assert [start_time(int(path.name)) for path in files] == [None, None]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_error_here_leaves_no_process_behind(tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(workers: object) -> None:
        assert isinstance(workers, list)
        seen.extend(worker.process.pid for worker in workers)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        run_workers(["import time; time.sleep(60)"], 2, 1, tmp_path, watch=watch, lost=lambda worker: None)
    assert [start_time(pid) for pid in seen] == [None, None]
