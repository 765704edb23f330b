"""A prepared split as parquet files, which the Hub shows and ``load_dataset`` reads: the same rows, the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.errors import DataError
from segbench.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["MAX_SHARD_BYTES", "SplitShards", "column_features", "split_ids", "write_shards"]

MAX_SHARD_BYTES = 500_000_000
# As `datasets` writes them. The Hub's viewer reads single pages by their index, and a process that leaves a stream of
# several row groups half-read can crash when it ends (datasets 5.2 with pyarrow 26), so there are few.
ROW_GROUP_BYTES = 100_000_000
# Offsets, headers and the index of pages, which lie beside what is stored.
ROW_OVERHEAD = 512
FILE_OVERHEAD = 65_536
IMAGES = ("image", "label", "depth")


@dataclass(frozen=True)
class SplitShards:
    """One split in parquet.

    Attributes:
        split: Its name.
        paths: ``<split>-00000-of-0000N.parquet`` in order.
        num_rows: Rows of all files.
        num_bytes: What their images and labels take.
    """

    split: str
    paths: tuple[Path, ...]
    num_rows: int
    num_bytes: int

    @property
    def file_bytes(self) -> int:
        """What the files take."""
        return sum(path.stat().st_size for path in self.paths)


def column_features(folder: Path, split: str) -> dict[str, Any]:
    """The columns of a prepared split as ``datasets`` describes them in JSON.

    Args:
        folder: Of the prepared dataset.
        split: Its name.

    Raises:
        DataError: The files are missing or damaged.
    """
    for schema, _ in _batches(folder / split):
        features: dict[str, Any] = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return features
    raise DataError(f"{folder / split} holds no rows.", "Prepare the dataset again with --force.")


def split_ids(folder: Path, split: str) -> list[str]:
    """The ids of a prepared split in order; no image is read."""
    return [str(value) for _, batch in _batches(folder / split) for value in batch.column("id").to_pylist()]


def write_shards(
    folder: Path, split: str, target: Path, *, max_bytes: int = MAX_SHARD_BYTES, progress: Progress = SILENT
) -> SplitShards:
    """Writes a prepared split as parquet.

    Where files end depends on the rows alone, not on how the prepared dataset happens to be cut, so a dataset that was
    prepared twice gives the same files twice (with one version of pyarrow).

    Args:
        folder: Of the prepared dataset.
        split: Its name.
        target: Folder of the files; is made.
        max_bytes: Of one file; a single row that is larger stands alone.
        progress: Told how many images are written.

    Raises:
        DataError: The prepared files are missing or damaged.
    """
    target.mkdir(parents=True, exist_ok=True)
    with progress.task(f"parquet {split}", None, "images") as bar:
        writer = _Writer(target, split, max_bytes, bar)
        for schema, batch in _batches(folder / split):
            writer.add(schema, batch)
        return writer.finish()


# --- what is read ---------------------------------------------------------------------------------------------------


def _batches(folder: Path) -> Iterator[tuple[pa.Schema, pa.RecordBatch]]:
    """The Arrow streams of a split in the order of its state.json."""
    import pyarrow as pa

    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        for name in [Path(file["filename"]).name for file in state["_data_files"]]:
            with pa.memory_map(str(folder / name)) as source, pa.ipc.open_stream(source) as stream:
                for batch in stream:
                    yield stream.schema, batch
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} cannot be read ({type(error).__name__}).", "Prepare the dataset again with --force."
        ) from error


def _row_bytes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Bytes of the images and labels of each row, int64 [rows]."""
    import numpy as np
    import pyarrow.compute as pc

    total = np.zeros(batch.num_rows, np.int64)
    for name in [name for name in IMAGES if name in batch.schema.names]:
        lengths = pc.binary_length(pc.struct_field(batch.column(name), "bytes"))
        total += pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return total


def _described(schema: pa.Schema) -> pa.Schema:
    """The schema with nothing in its metadata but the columns' description."""
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


# --- what is written --------------------------------------------------------------------------------------------------


class _Writer:
    """Collects rows into row groups and row groups into files."""

    def __init__(self, target: Path, split: str, max_bytes: int, bar: Task) -> None:
        self._target, self._split, self._bar = target, split, bar
        self._max_bytes = max_bytes
        self._file: Any = None
        self._file_bytes = FILE_OVERHEAD
        self._slices: list[pa.RecordBatch] = []
        self._group_rows = self._group_bytes = 0
        self._written: list[Path] = []
        self._num_rows = self._num_bytes = 0

    def add(self, schema: pa.Schema, batch: pa.RecordBatch) -> None:
        """Takes the rows of a batch, one after the other."""
        start = 0
        for row, size in enumerate(_row_bytes(batch).tolist()):
            if self._full(size):
                self._keep(batch, start, row)
                self._flush(schema)
                if not self._fits(size, 1):
                    self._close()
                start = row
            self._group_rows += 1
            self._group_bytes += size
        self._keep(batch, start, batch.num_rows)
        self._schema = schema

    def _full(self, size: int) -> bool:
        """Whether a row of ``size`` belongs into another row group."""
        grown = self._group_bytes + size
        return self._group_rows > 0 and (grown > ROW_GROUP_BYTES or not self._fits(grown, self._group_rows + 1))

    def _fits(self, num_bytes: int, num_rows: int) -> bool:
        """Whether a row group goes into the file that is open."""
        return self._file_bytes + num_bytes + num_rows * ROW_OVERHEAD <= self._max_bytes

    def _keep(self, batch: pa.RecordBatch, start: int, end: int) -> None:
        if end > start:
            self._slices.append(batch.slice(start, end - start))

    def _flush(self, schema: pa.Schema) -> None:
        import pyarrow as pa

        if not self._slices:
            return
        # Without the seams between the batches, which would show in the pages.
        table = pa.Table.from_batches(self._slices).combine_chunks().replace_schema_metadata(None)
        table = table.cast(_described(schema))
        if self._file is None:
            self._open(table.schema)
        self._file.write_table(table, row_group_size=table.num_rows)
        self._num_rows += table.num_rows
        self._num_bytes += self._group_bytes
        self._bar.advance(table.num_rows)
        self._file_bytes += self._group_bytes + table.num_rows * ROW_OVERHEAD
        self._slices, self._group_rows, self._group_bytes = [], 0, 0

    def _open(self, schema: pa.Schema) -> None:
        from pyarrow import parquet

        path = self._target / f"{self._split}-{len(self._written):05d}.part"
        # Images are compressed already, and their least and greatest bytes help nobody.
        self._file = parquet.ParquetWriter(
            path, schema, compression="none", use_dictionary=False, write_statistics=["id"], write_page_index=True
        )
        self._written.append(path)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._file_bytes = None, FILE_OVERHEAD

    def finish(self) -> SplitShards:
        """Writes what is left and gives the files their names, in which their number stands."""
        if self._slices:
            self._flush(self._schema)
        self._close()
        paths = tuple(
            path.rename(self._target / shard_name(self._split, position, len(self._written)))
            for position, path in enumerate(self._written)
        )
        return SplitShards(self._split, paths, self._num_rows, self._num_bytes)


def shard_name(split: str, position: int, count: int) -> str:
    """Name of a parquet file, such as ``train-00000-of-00002.parquet``."""
    return f"{split}-{position:05d}-of-{count:05d}.parquet"
