"""Where a preparation is under way: what is finished there survives a kill or Ctrl-C, and is taken away by an error."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from segbench.atomic import write_text
from segbench.specs import DatasetSpec, VariantSpec

__all__ = ["remove_work", "work_folder", "work_key", "work_path"]

KEY_FILE = "key.txt"


def work_path(target: Path) -> Path:
    """The folder in which ``target`` is being made."""
    return target.parent / f".{target.name}.shards.partial"


def work_key(spec: DatasetSpec, variant: VariantSpec, size: tuple[int, int] | None) -> str:
    """What finished work depends on besides the samples, each of which has a digest of its own."""
    from segbench.data import shards

    libraries = {"zlib": zlib.ZLIB_RUNTIME_VERSION, **{name: version(name) for name in ("pillow", "pyarrow", "numpy")}}
    limits = (shards.MAX_SHARD_BYTES, shards.BATCH_BYTES, shards.BATCH_ROWS)
    facts = (spec.name, repr(variant), size, libraries, limits, _code_digest())
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _code_digest() -> str:
    """Of the modules of this folder: another version of them may decode or map otherwise."""
    here = Path(__file__).parent
    content = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        content.update(f"{path.relative_to(here).as_posix()}\n".encode() + path.read_bytes())
    return content.hexdigest()


@contextmanager
def work_folder(target: Path, key: str) -> Iterator[Path]:
    """The folder for the work on ``target``, with what was finished under the same ``key``.

    It is gone at the end, and when an error leaves the block; an interruption leaves it for the next time.
    """
    path = work_path(target)
    if _key_of(path) != key:
        remove_work(target)
        path.mkdir(parents=True)
        write_text(path / KEY_FILE, key)
    try:
        yield path
    except Exception:
        remove_work(target)
        raise
    remove_work(target)


def remove_work(target: Path) -> None:
    """Takes the folder away."""
    shutil.rmtree(work_path(target), ignore_errors=True)


def _key_of(path: Path) -> str | None:
    try:
        return (path / KEY_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
