"""The Arrow files of a split while it is made: each complete or not there, so that a killed preparation goes on.

Beside ``00000.arrow`` lies ``00000.json`` with what was put into it: for each sample the digest of its input and its
figures, or why it was left out. The second file is written when the first one is safe on disk.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.atomic import write_text
from segbench.data.hf_folder import arrow_schema, record_batch
from segbench.data.row import Measure, Row
from segbench.specs import VariantSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MAX_SHARD_BYTES", "Entry", "Shard", "ShardWriter", "finished_shards"]

MAX_SHARD_BYTES = 500_000_000
BATCH_BYTES = 8_000_000
BATCH_ROWS = 100
_END_BYTES = 16  # what closes an Arrow stream


@dataclass(frozen=True)
class Entry:
    """One sample of the source that a shard has dealt with.

    Attributes:
        id: Its id.
        input: Digest of what was read, 64 hex digits.
        measure: Its figures; ``None`` where it was left out.
        reason: Why it was left out.
    """

    id: str
    input: str
    measure: Measure | None = None
    reason: str = ""


@dataclass(frozen=True)
class Shard:
    """A complete file.

    Attributes:
        path: The Arrow stream.
        entries: What it was made from, in order.
        last: The split ended with it.
    """

    path: Path
    entries: tuple[Entry, ...]
    last: bool


def finished_shards(folder: Path) -> list[Shard]:
    """The complete shards of a split, in order; what comes after a missing or damaged one is not listed."""
    found: list[Shard] = []
    while (shard := _read(folder / f"{len(found):05d}.json")) is not None:
        found.append(shard)
    return found


def _read(path: Path) -> Shard | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        arrow = path.with_suffix(".arrow")
        whole = arrow.stat().st_size == values["bytes"]
        entries = tuple(_entry(entry) for entry in values["entries"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Shard(arrow, entries, bool(values["last"])) if whole else None


def _entry(values: list[Any]) -> Entry:
    sample_id, content, reason, *measured = values
    if not measured:
        return Entry(sample_id, content, reason=reason)
    digest, (height, width), pixels = measured
    counts = None if pixels is None else {int(value): count for value, count in pixels.items()}
    return Entry(sample_id, content, Measure(sample_id, digest, (height, width), counts))


def _values(entry: Entry) -> list[Any]:
    found = entry.measure
    measured = [] if found is None else [found.digest, found.size, found.pixels]
    return [entry.id, entry.input, entry.reason, *measured]


class ShardWriter:
    """Puts rows into shards of at most ``MAX_SHARD_BYTES``; the same rows give the same files.

    Args:
        folder: Of the split; exists.
        variant: Decides the columns.
        position: Number of the first shard to write.
    """

    def __init__(self, folder: Path, variant: VariantSpec, position: int) -> None:
        _remove_others(folder, position)
        self._folder = folder
        self._schema = arrow_schema(variant)
        self._position = position
        self._stream: _Stream | None = None
        self._rows: list[Row] = []
        self._row_bytes = 0
        self._batch_entries: list[Entry] = []
        self._shard_entries: list[Entry] = []

    def add(self, entry: Entry, row: Row | None) -> None:
        """Takes a sample, or notes that it was left out."""
        self._batch_entries.append(entry)
        if row is None:
            return
        self._rows.append(row)
        self._row_bytes += sum(len(part or b"") for part in (row.image, row.label, row.depth))
        if len(self._rows) == BATCH_ROWS or self._row_bytes >= min(BATCH_BYTES, MAX_SHARD_BYTES // 4):
            self._write_batch()

    def finish(self) -> None:
        """Completes the last shard; the split has ended."""
        self._write_batch()
        if self._stream is not None or self._shard_entries:
            self._close(last=True)

    def abandon(self) -> None:
        """Closes what is open without completing it."""
        if self._stream is not None:
            self._stream.abandon()

    def _write_batch(self) -> None:
        if self._rows:
            batch = record_batch(self._schema, self._rows)
            if self._stream is not None and not self._stream.has_room(batch):
                self._close(last=False)
            if self._stream is None:
                self._stream = _Stream(self._path, self._schema)
            self._stream.write(batch)
        self._shard_entries += self._batch_entries
        self._rows, self._row_bytes, self._batch_entries = [], 0, []

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._position:05d}.arrow"

    def _close(self, *, last: bool) -> None:
        if self._stream is None:  # every sample of the split was left out
            self._stream = _Stream(self._path, self._schema)
        self._stream.close()
        entries = [_values(entry) for entry in self._shard_entries]
        values = {"bytes": self._path.stat().st_size, "last": last, "entries": entries}
        write_text(self._path.with_suffix(".json"), json.dumps(values))
        self._stream, self._shard_entries = None, []
        self._position += 1


def _remove_others(folder: Path, position: int) -> None:
    """Whatever is not one of the first ``position`` shards."""
    kept = {f"{number:05d}.{kind}" for number in range(position) for kind in ("arrow", "json")}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()


class _Stream:
    """One Arrow file that is being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow as pa

        # Python's own file: its errors bear the system's number, by which a full disk is told from a bug.
        self._file = path.open("wb")
        self._writer = pa.ipc.new_stream(self._file, schema)

    def has_room(self, batch: pa.RecordBatch) -> bool:
        import pyarrow as pa

        return self._file.tell() + int(pa.ipc.get_record_batch_size(batch)) + _END_BYTES <= MAX_SHARD_BYTES

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Completes the stream and waits until it is on disk."""
        try:
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Lets go of the file as it is."""
        with suppress(OSError):
            self._file.close()
