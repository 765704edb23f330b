"""Small SUN RGB-D releases for tests: the official lists in full length, a few made-up scenes, both layouts.

The official archives are written as MATLAB writes them: version 5 files by scipy, the version 7.3 file by h5py with a
512-byte user block, object references into ``#refs#`` and every matrix transposed.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from tests.data.toy import png

AUTHORS_FOLDER = "/n/fs/sun3d/data/SUNRGBD"
NUM_TEST, NUM_IMAGES = 5050, 10335
NAMES = [
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter"),
    *("blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor_mat", "clothes", "ceiling"),
    *("books", "fridge", "tv", "paper", "towel", "shower_curtain", "box", "whiteboard", "person", "night_stand"),
    *("toilet", "sink", "lamp", "bathtub", "bag"),
]
KNOWN_FOLDERS = {
    1: "kv2/kinect2data/000002_2014-05-26_14-23-37_260595134347_rgbf000103-resize",
    5050: "realsense/sa/2014_10_21-18_19_07-1311000073",
    10335: "realsense/shr/2014_12_18-16_29_39-1311000073",
}
NUMBERS = (1, 2, 3, 5050, 5051, 5052, 10335)
"""Of the scenes that are there unless a test says otherwise."""

Files = dict[str, bytes]


@dataclass(frozen=True)
class Scene:
    """One image with what belongs to it.

    Attributes:
        number: Its place in SUNRGBDMeta.mat, from 1; up to 5050 are test images.
        size: Height and width.
    """

    number: int
    size: tuple[int, int]

    @property
    def folder(self) -> str:
        return folder(self.number)

    @property
    def image(self) -> bytes:
        """JPEG."""
        buffer = io.BytesIO()
        pixels = np.random.default_rng(self.number).integers(0, 256, (*self.size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=90)
        return buffer.getvalue()

    @property
    def label(self) -> NDArray[np.uint8]:
        """Ids 0..37: void but for the upper right corner, and its number's digits down the left edge."""
        label = np.zeros(self.size, dtype=np.uint8)
        label[0, -1] = 1 + self.number % 37
        label[1:5, 0] = [int(digit) for digit in f"{self.number % 10_000:04d}"]
        return label

    @property
    def depth(self) -> NDArray[Any]:
        """Millimetres, uint16."""
        return np.random.default_rng(self.number).integers(0, 6000, self.size, dtype=np.uint16)


def scenes(numbers: Iterable[int] = NUMBERS) -> list[Scene]:
    """Scenes that are never square."""
    return [Scene(number, (6 + number % 3, 12 + number % 5)) for number in numbers]


def folder(number: int) -> str:
    """The folder of a sample below SUNRGBD."""
    if number in KNOWN_FOLDERS:
        return KNOWN_FOLDERS[number]
    kinds = ("kv1/NYUdata/NYU{:04d}", "xtion/sun3ddata/brown_bm_{0}/brown_bm_{0}_0", "kv2/align_kv2/2014-{:05d}")
    return kinds[number % 3].format(number)


def photograph(number: int) -> str:
    return f"{number:07d}.jpg"


def depth_name(number: int) -> str:
    return f"{number:07d}-depth.png"


def authors_path(number: int) -> str:
    """The sample's folder as allsplit.mat has it; those of xtion and realsense end in a slash too many."""
    path = folder(number)
    return f"{AUTHORS_FOLDER}/{path}{'/' if path.startswith(('xtion', 'realsense')) else ''}"


# -- The official release


def all_split(numbers: Sequence[int] = range(1, NUM_IMAGES + 1)) -> bytes:
    """allsplit.mat: two cell arrays of paths; the first two of each stand in another order than elsewhere."""
    parts = {
        "alltrain": [number for number in numbers if number > NUM_TEST],
        "alltest": [number for number in numbers if number <= NUM_TEST],
    }
    cells: dict[str, Any] = {}
    for name, group in parts.items():
        order = [*group[1::-1], *group[2:]]
        cells[name] = np.empty((1, len(order)), dtype=object)
        cells[name][0, :] = [authors_path(number) for number in order]
    return _mat5(cells)


FIELDS = (
    *("sequenceName", "groundtruth3DBB", "Rtilt", "K", "depthpath", "rgbpath", "anno_extrinsics", "depthname"),
    *("rgbname", "sensorType", "valid", "gtCorner3D", "groundtruth2DBB"),
)
PATHS = ("sequenceName", "depthpath", "rgbpath", "depthname", "rgbname")
"""The fields that are quick to write."""


def meta(numbers: Sequence[int] = range(1, NUM_IMAGES + 1), kept: Sequence[str] = FIELDS) -> bytes:
    """SUNRGBDMeta.mat: a structure array with the fields of the real one, or some of them."""
    records = np.empty((1, len(numbers)), dtype=[(field, object) for field in kept])
    for position, number in enumerate(numbers):
        values = _record(number)
        for field in kept:
            records[field][0, position] = values[field]
    return _mat5({"SUNRGBDMeta": records})


def _record(number: int) -> dict[str, Any]:
    here = f"{authors_path(number)}/"
    return {
        "sequenceName": f"SUNRGBD/{folder(number)}",
        "groundtruth3DBB": _boxes_3d(),
        "Rtilt": np.eye(3),
        "K": np.diag([529.5, 529.5, 1.0]),
        "depthpath": f"{here}depth/{depth_name(number)}",
        "rgbpath": f"{here}image/{photograph(number)}",
        "anno_extrinsics": np.eye(3),
        "depthname": depth_name(number),
        "rgbname": photograph(number),
        "sensorType": folder(number).partition("/")[0],
        "valid": 1.0,
        "gtCorner3D": np.zeros((3, 8)),
        "groundtruth2DBB": _boxes_2d(),
    }


@cache
def _boxes_3d() -> NDArray[Any]:
    boxes = np.empty((1, 4), dtype=[(name, object) for name in ("basis", "coeffs", "centroid", "classname")])
    boxes[:] = (np.eye(3), np.ones((1, 3)), np.ones((1, 3)), "chair")
    return boxes


@cache
def _boxes_2d() -> NDArray[Any]:
    boxes = np.empty((1, 4), dtype=[(name, object) for name in ("objid", "classname", "gtBb2D")])
    boxes[:] = (1.0, "chair", np.ones((1, 4)))
    return boxes


def _mat5(variables: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    savemat(cast("Any", buffer), dict(variables), do_compression=True)
    return buffer.getvalue()


def segmentation(
    labels: Mapping[int, NDArray[Any]],
    length: int = NUM_IMAGES,
    *,
    names: Sequence[str] = NAMES,
    field: str = "seglabel",
) -> bytes:
    """SUNRGBD2Dseg.mat with a reference to each label map, and null references where there is none.

    Args:
        labels: Matrices [H, W] of any number type, by image number.
        length: Number of references.
        names: The classes in seg37list.
        field: What the structure's list of maps is called.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        store = file.create_group("#refs#")
        references = np.full((length, 1), h5py.Reference(), dtype=h5py.ref_dtype)
        for number, label in labels.items():
            references[number - 1, 0] = _matrix(store, f"l{number}", label).ref
        group = file.create_group("SUNRGBD2Dseg")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for name in (field, "seglabelall"):
            group.create_dataset(name, data=references, dtype=h5py.ref_dtype)
        letters = [_matrix(store, f"n{n}", _letters(name), "char").ref for n, name in enumerate(names)]
        cells = file.create_dataset("seg37list", data=np.array(letters, dtype=h5py.ref_dtype)[:, None])
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
    content = bytearray(buffer.getvalue())
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jun  1 12:00:00 2015 HDF5 schema 1.00 ."
    content[:128] = header.ljust(124) + b"\x00\x02IM"
    return bytes(content)


def _matrix(store: h5py.Group, name: str, values: NDArray[Any], kind: str | None = None) -> h5py.Dataset:
    """A MATLAB matrix: columns first, so transposed, and compressed."""
    dataset = store.create_dataset(name, data=np.ascontiguousarray(values.T), compression="gzip", compression_opts=3)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind or {"float64": "double"}.get(values.dtype.name, values.dtype.name))
    return dataset


def _letters(text: str) -> NDArray[np.uint16]:
    return np.frombuffer(text.encode("utf-16-le"), dtype="<u2")[None, :]


def toolbox(present: Sequence[Scene], **changed: bytes) -> Files:
    """The files of SUNRGBDtoolbox.zip that matter, and some that do not; ``changed`` by their stem."""
    contents: dict[str, Callable[[], bytes]] = {
        "allsplit": standard_all_split,
        "SUNRGBDMeta": standard_meta,
        "SUNRGBD2Dseg": lambda: segmentation({scene.number: scene.label for scene in present}),
    }
    made = {stem: changed[stem] if stem in changed else make() for stem, make in contents.items()}
    return {
        "SUNRGBDtoolbox/readme.txt": b"toolbox",
        "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat": made["allsplit"],
        "SUNRGBDtoolbox/Metadata/SUNRGBDMeta.mat": made["SUNRGBDMeta"],
        "SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat": made["SUNRGBD2Dseg"],
        "SUNRGBDtoolbox/Metadata/seglistall.mat": b"not read",
    }


@cache
def standard_all_split() -> bytes:
    return all_split()


@cache
def standard_meta() -> bytes:
    return meta(kept=PATHS)


def photographs(present: Sequence[Scene]) -> Iterator[tuple[str, bytes]]:
    """The files of SUNRGBD.zip."""
    for scene in present:
        top = f"SUNRGBD/{scene.folder}"
        yield f"{top}/intrinsics.txt", b"529.5 0 365.0 0 529.5 265.0 0 0 1"
        yield f"{top}/image/{photograph(scene.number)}", scene.image
        yield f"{top}/depth/{depth_name(scene.number)}", b"the raw depth, not read"
        yield f"{top}/depth_bfx/{depth_name(scene.number)}", png(rotated(scene.depth))
        yield f"{top}/annotation2Dfinal/index.json", b"{}"
        yield f"{top}/seg.mat", b"names of its own, not read"


def rotated(depth: NDArray[Any]) -> NDArray[Any]:
    """As depth_bfx stores millimetres: three bits to the left, the highest come in again on the right."""
    stored: NDArray[Any] = (depth << 3) | (depth >> 13)
    return stored


def official(target: Path, present: Sequence[Scene], **changed: bytes) -> list[Path]:
    """Writes SUNRGBD.zip and SUNRGBDtoolbox.zip into ``target``."""
    return [
        as_zip(photographs(present), target / "SUNRGBD.zip"),
        as_zip(toolbox(present, **changed).items(), target / "SUNRGBDtoolbox.zip"),
    ]


# -- The repackaged release


def repackaged(target: Path, present: Sequence[Scene], *, depth: bool = False, order: int = 1) -> list[Path]:
    """Writes the tarballs into ``target``; ``order`` -1 stores their files backwards."""
    train = [scene for scene in present if scene.number > NUM_TEST]
    test = [scene for scene in present if scene.number <= NUM_TEST]
    groups: dict[str, Iterable[tuple[str, bytes]]] = {
        "SUNRGBD-train_images.tgz": ((f"img-{s.number - NUM_TEST:06d}.jpg", s.image) for s in train[::order]),
        "SUNRGBD-test_images.tgz": ((f"img-{s.number:06d}.jpg", s.image) for s in test[::order]),
        "sunrgbd_train_test_labels.tar.gz": ((f"img-{s.number:06d}.png", png(s.label)) for s in present[::order]),
    }
    if depth:
        for name, group, offset in (("train", train, NUM_TEST), ("test", test, 0)):
            groups[f"sunrgb_{name}_depth.tgz"] = [
                (f"sunrgbd_{name}_depth/{s.number - offset}.png", png(s.depth * 10)) for s in group[::order]
            ]
    return [as_tgz(files, target / name) for name, files in groups.items()]


# -- Writing


def as_zip(files: Iterable[tuple[str, bytes]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def as_tgz(files: Iterable[tuple[str, bytes]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files:
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
