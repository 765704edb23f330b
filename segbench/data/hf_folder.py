"""The files by which ``datasets.load_from_disk`` knows a folder, written without that library.

So the bytes depend on no version of it, and preparing does not wait for its import. The layout is that of
``DatasetDict.save_to_disk``: one folder for each split with Arrow streams, ``state.json`` and ``dataset_info.json``,
and ``dataset_dict.json`` beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.specs import DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from segbench.data.row import Row

__all__ = ["arrow_schema", "record_batch", "shard_name", "write_dict", "write_split"]


def features(variant: VariantSpec) -> dict[str, Any]:
    """The columns as ``dataset_info.json`` describes them."""
    classes = {"feature": {"names": list(variant.class_names), "_type": "ClassLabel"}, "_type": "List"}
    depth = {"depth": {"_type": "Image"}} if variant.depth else {}
    return {
        "id": {"dtype": "string", "_type": "Value"},
        "image": {"_type": "Image"},
        "label": {"_type": "Image"},
        **depth,
        "classes": classes,
    }


def arrow_schema(variant: VariantSpec) -> pa.Schema:
    """The columns as Arrow types; the description travels in the metadata."""
    import pyarrow as pa

    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    types = {"Value": pa.string(), "Image": image, "List": pa.list_(pa.int64())}
    described = features(variant)
    fields = [pa.field(name, types[column["_type"]]) for name, column in described.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": described}})})


def record_batch(schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    """Some rows under ``schema``."""
    import pyarrow as pa

    columns: dict[str, Callable[[], pa.Array]] = {
        "id": lambda: _bytes([row.measure.id.encode() for row in rows], pa.string()),
        "image": lambda: _images([row.image for row in rows]),
        "label": lambda: _images([row.label for row in rows]),
        "depth": lambda: _images([row.depth for row in rows]),
        "classes": lambda: _lists([row.measure.class_ids for row in rows]),
    }
    return pa.RecordBatch.from_arrays([columns[name]() for name in schema.names], schema=schema)


# Arrays are put together from their buffers: `pa.array` of a list imports pandas, and copies each value by itself.


def _images(files: Sequence[bytes | None]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    there = np.array([data is not None for data in files])
    mask = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    parts = [_bytes([data or b"" for data in files], pa.binary()), pa.nulls(len(files), pa.string())]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return pa.Array.from_buffers(kind, len(files), [mask], children=parts)


def _bytes(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(values), [None, _offsets(values), pa.py_buffer(b"".join(values))])


def _lists(values: Sequence[Sequence[int]]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    flat = np.array([value for inner in values for value in inner], dtype=np.int64)
    inner = pa.Array.from_buffers(pa.int64(), len(flat), [None, pa.py_buffer(flat)])
    return pa.Array.from_buffers(pa.list_(pa.int64()), len(values), [None, _offsets(values)], children=[inner])


def _offsets(values: Sequence[Sized]) -> pa.Buffer:
    import numpy as np
    import pyarrow as pa

    return pa.py_buffer(np.cumsum([0, *map(len, values)], dtype=np.int32))


def shard_name(position: int, count: int) -> str:
    """Name of a shard in the folder of its split."""
    return f"data-{position:05d}-of-{count:05d}.arrow"


def write_split(
    folder: Path, split: str, num_shards: int, fingerprint: str, info: tuple[DatasetSpec, VariantSpec]
) -> None:
    """Writes what stands beside the shards of a split.

    Args:
        folder: Of the split.
        split: Its name.
        num_shards: Number of shards, named by ``shard_name``.
        fingerprint: What ``Dataset._fingerprint`` becomes.
        info: What ``Dataset.info`` tells.
    """
    state: dict[str, Any] = {
        "_data_files": [{"filename": shard_name(position, num_shards)} for position in range(num_shards)],
        "_fingerprint": fingerprint,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    _dump(folder / "state.json", state)
    _dump(folder / "dataset_info.json", _info(*info))


def write_dict(folder: Path, splits: Sequence[str]) -> None:
    """Writes the list of splits."""
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}), encoding="utf-8")


def _info(spec: DatasetSpec, variant: VariantSpec) -> dict[str, Any]:
    return {
        "citation": spec.citation,
        "config_name": variant.name,
        "dataset_name": spec.name,
        "description": spec.summary,
        "features": features(variant),
        "homepage": spec.homepage,
        "license": spec.licence,
    }


def _dump(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")
