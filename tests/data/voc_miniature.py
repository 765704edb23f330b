"""Small PASCAL VOC 2012 and SBD releases for tests: a few official ids, made-up pixels, the official layouts."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from segbench.data import voc2012

Files = dict[str, bytes]
LabelMap = NDArray[np.uint8]

TRAIN = ("2007_000032", "2011_000003")
EXTRA = ("2008_000002", "2008_000003", "2011_003271")
VALIDATION = ("2007_000033", "2007_000129")
TEST = ("2008_000006", "2008_000011")
LISTS = {"train": TRAIN, "extra": EXTRA, "val": VALIDATION, "test": TEST}

DEVKIT = "VOCdevkit/VOC2012"
SBD = "benchmark_RELEASE/dataset"


@contextmanager
def short_lists() -> Iterator[None]:
    """Cuts the official lists down to ``LISTS``, so that a miniature is complete."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voc2012, "_lists", lambda: LISTS)
        _forget_lists()
        try:
            yield
        finally:
            _forget_lists()


def _forget_lists() -> None:
    voc2012.listed.cache_clear()
    voc2012.extra_ids.cache_clear()


def _dice(sample_id: str, purpose: str = "") -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{sample_id}{purpose}".encode()))


def size(sample_id: str) -> tuple[int, int]:
    """Height and width of an image, 9..24."""
    height, width = _dice(sample_id, "size").integers(9, 25, 2)
    return int(height), int(width)


def jpeg(sample_id: str) -> bytes:
    """Its photograph."""
    pixels = _dice(sample_id, "image").integers(0, 256, (*size(sample_id), 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG")
    return buffer.getvalue()


def label(sample_id: str, void: bool = True) -> LabelMap:
    """Its label map: every id 0..20, and 255 where ``void``."""
    ids = np.array([*range(21), *([255] if void else [])], dtype=np.uint8)
    values = ids[_dice(sample_id, "label").integers(0, len(ids), size(sample_id))]
    values.ravel()[: len(ids)] = ids
    return values


def truth(sample_id: str) -> LabelMap:
    """What has to come out for it."""
    return label(sample_id, void=sample_id not in EXTRA)


def colour_map() -> bytes:
    """VOC's palette, bit by bit."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    for index in range(256):
        rest, shift = index, 7
        while rest:
            for channel in range(3):
                palette[index, channel] |= (rest >> channel & 1) << shift
            rest, shift = rest >> 3, shift - 1
    return palette.tobytes()


def palette_png(ids: LabelMap, palette: bytes | None = None) -> bytes:
    """A label map of mode P, by default with VOC's palette."""
    image = Image.fromarray(ids)
    image.putpalette(palette or colour_map())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def mat(ids: LabelMap, boundaries: bool = True) -> bytes:
    """A label file of SBD: the struct ``GTcls`` with segmentation, boundaries and the classes present."""
    fields: dict[str, object] = {"Segmentation": ids, "CategoriesPresent": np.unique(ids[ids > 0])[:, None]}
    if boundaries:
        cells = np.empty((20, 1), dtype=object)
        cells[:] = [[ids == number] for number in range(1, 21)]
        fields["Boundaries"] = cells
    buffer = io.BytesIO()
    savemat(cast("Any", buffer), {"GTcls": fields}, do_compression=True)
    return buffer.getvalue()


def trainval() -> Files:
    """VOCtrainval_11-May-2012.tar: photographs of SBD's images, too, but label maps of VOC's own only."""
    files: Files = {f"{DEVKIT}/Annotations/{TRAIN[0]}.xml": b"<annotation/>"}
    # Lists that lie: what they say must not matter.
    for name in ("train", "val", "trainval"):
        files[f"{DEVKIT}/ImageSets/Segmentation/{name}.txt"] = f"{EXTRA[0]}\n{TRAIN[0]}\n".encode()
    for sample_id in (*TRAIN, *EXTRA, *VALIDATION):
        files[f"{DEVKIT}/JPEGImages/{sample_id}.jpg"] = jpeg(sample_id)
    files[f"{DEVKIT}/JPEGImages/2012_004331.jpg"] = b"an image of another task"
    for sample_id in (*TRAIN, *VALIDATION):
        files[f"{DEVKIT}/SegmentationClass/{sample_id}.png"] = palette_png(truth(sample_id))
        files[f"{DEVKIT}/SegmentationObject/{sample_id}.png"] = palette_png(np.full(size(sample_id), 3, np.uint8))
    return files


def unlabelled() -> Files:
    """VOC2012test.tar: photographs and their list."""
    images = {f"{DEVKIT}/JPEGImages/{sample_id}.jpg": jpeg(sample_id) for sample_id in TEST}
    return {f"{DEVKIT}/ImageSets/Segmentation/test.txt": f"{TEST[0]}\n".encode(), **images}


def augmented() -> Files:
    """SegmentationClassAug.zip: all label maps."""
    ids = (*TRAIN, *EXTRA, *VALIDATION)
    return {f"SegmentationClassAug/{sample_id}.png": palette_png(truth(sample_id)) for sample_id in ids}


def boundaries() -> Files:
    """SBD's benchmark.tgz, which also drew its own labels of an image of VOC's train and one of its val."""
    files: Files = {f"{SBD}/train.txt": "\n".join(VALIDATION).encode(), f"{SBD}/val.txt": "\n".join(EXTRA).encode()}
    for sample_id in (TRAIN[1], *EXTRA, VALIDATION[1]):
        files[f"{SBD}/img/{sample_id}.jpg"] = jpeg(sample_id)
        files[f"{SBD}/inst/{sample_id}.mat"] = b"instances"
        own = sample_id not in EXTRA
        files[f"{SBD}/cls/{sample_id}.mat"] = mat(np.full(size(sample_id), 7, np.uint8) if own else truth(sample_id))
    return files


def as_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Writes ``files`` below ``folder``."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def as_zip(files: Mapping[str, bytes], path: Path) -> Path:
    """Writes ``files`` into a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_tar(files: Mapping[str, bytes], path: Path, names: Iterable[str] | None = None) -> Path:
    """Writes ``files`` into a tar, compressed as the ending of ``path`` says, in the order of ``names``."""
    kinds = {".tgz": "w:gz", ".xz": "w:xz", ".tar": "w"}
    with tarfile.open(path, kinds[path.suffix]) as archive:  # type: ignore[call-overload]
        for name in names or files:
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return path
