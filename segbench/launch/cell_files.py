"""The small files in a cell's folder that say how it stands; whoever shares the folder reads them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from segbench.atomic import dump_json

__all__ = [
    "CLAIM_FILE",
    "Deaths",
    "Done",
    "Facts",
    "Failure",
    "GridCell",
    "Position",
    "Submitted",
    "has",
    "read",
    "remove",
    "write",
]

CLAIM_FILE = "claim.json"


class GridCell(Protocol):
    """What the launchers need of a cell."""

    @property
    def cell_id(self) -> str: ...

    @property
    def folder(self) -> Path: ...


@dataclass(frozen=True)
class Facts:
    """What a cell is; there from the moment it is planned.

    Attributes:
        recipe: The variant of the recipe.
        iterations: Training steps in all.
    """

    FILE: ClassVar = "cell.json"

    cell_id: str
    model: str
    recipe: str
    dataset: str
    dataset_variant: str
    seed: int
    iterations: int


@dataclass(frozen=True)
class Done:
    """A finished cell.

    Attributes:
        record: Path of the record, from the folder that holds ``runs`` and ``leaderboards``.
        pictures: Paths from the same folder.
    """

    FILE: ClassVar = "done.json"

    run_id: str
    record: str
    pictures: list[str]


@dataclass(frozen=True)
class Failure:
    """Why a cell failed.

    Attributes:
        error: One line.
        step: The last training step that was reported.
        time: UTC, ISO 8601; tells one failure from the next.
        log: Name of the file in the cell's folder that holds the traceback.
    """

    FILE: ClassVar = "failure.json"

    error: str
    step: int
    time: str
    log: str


@dataclass(frozen=True)
class Position:
    """How far a running cell is; renewed with the claim.

    Attributes:
        phase: What is being done, such as ``Training``.
        done: Units of it that are done, of ``total``.
        unit: ``steps`` or ``images``.
        step: Training steps that are done.
        images_per_s: Of the training.
        per_s: Units a second since the phase began here.
    """

    FILE: ClassVar = "progress.json"

    phase: str
    done: int
    total: int | None
    unit: str
    step: int
    images_per_s: float | None
    per_s: float | None


@dataclass(frozen=True)
class Deaths:
    """Processes that died over a cell, one after the other, without a new checkpoint.

    Attributes:
        checkpoint: Time of the latest checkpoint, in ns; 0: none.
    """

    FILE: ClassVar = "deaths.json"

    count: int
    checkpoint: int


@dataclass(frozen=True)
class Submitted:
    """The job of Slurm that has a cell to compute.

    Attributes:
        cluster: Slurm's name of the cluster.
        job: Its id there, such as ``17_3``.
        log: Path of what it prints, from the folder that holds ``runs`` and ``leaderboards``.
    """

    FILE: ClassVar = "job.json"

    cluster: str
    job: str
    log: str


Kind = TypeVar("Kind", Facts, Done, Failure, Position, Deaths, Submitted)
_Any = Facts | Done | Failure | Position | Deaths | Submitted


def read(folder: Path, kind: type[Kind]) -> Kind | None:
    """What the folder says; ``None`` where it has no such file, or one that a loss of power damaged."""
    try:
        values = json.loads((folder / kind.FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    names = {field.name for field in fields(kind)}
    if not isinstance(values, Mapping) or not names <= values.keys():
        return None
    known: dict[str, Any] = {name: values[name] for name in names}
    return kind(**known)


def has(folder: Path, kind: type[_Any]) -> bool:
    """Whether there is such a file."""
    return (folder / kind.FILE).exists()


def write(folder: Path, value: _Any) -> None:
    """Puts the file into the folder, whole; not synced: each of them can be found out anew."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / value.FILE
    temporary = folder / f".{value.FILE}.{secrets.token_hex(4)}.partial"
    try:
        temporary.write_text(dump_json(asdict(value)), encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove(folder: Path, kind: type[_Any]) -> None:
    """Takes the file away, if there is one."""
    (folder / kind.FILE).unlink(missing_ok=True)
