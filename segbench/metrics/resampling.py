"""Bootstrap resamples of the images of a split: drawn one by one, or in blocks of consecutive frames.

Neighbouring frames of a video are alike, so a video tells less than as many independent images would, and intervals
from images drawn one by one are too narrow. Blocks keep neighbours together (Künsch 1989; circular: Politis and Romano
1992): each begins at a frame drawn at random and goes on within its run of consecutive frames, from the end to the
beginning. Resamples follow from the seed, the number of images and the runs alone, on every machine and under every
release of NumPy: they are made of PCG64's raw output by integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segbench.errors import UsageError
from segbench.metrics.sequences import find_sequences

__all__ = ["RESAMPLES", "Resampling", "choose_resampling"]

RESAMPLES = 10_000
FEWEST_RESAMPLES = 100

Weights = NDArray[np.float64]

# Weights that are held at once, as numbers: 8 MiB.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Resampling:
    """How the images of a split are drawn again.

    Attributes:
        num_images: n.
        runs: Runs of consecutive frames, positions of the images, each image once; empty: images are independent.
        block_length: Frames that are drawn together, 1 where images are independent.
        resamples: R.
        seed: Of the random draws.
    """

    num_images: int
    runs: tuple[tuple[int, ...], ...] = ()
    block_length: int = 1
    resamples: int = RESAMPLES
    seed: int = 0

    @property
    def method(self) -> str:
        """In words."""
        drawn = "images drawn one by one"
        if self.runs:
            drawn = f"blocks of {self.block_length} consecutive frames"
        return f"percentile bootstrap, {self.resamples:,} resamples, {drawn}"

    @property
    def sentence(self) -> str:
        """What was taken for independent, for people."""
        if not self.runs:
            return "The images were taken as independent: their names tell of no video."
        videos = sum(len(run) > 1 for run in self.runs)
        chosen = " (twice the cube root of their number)" if self.block_length == _length(self.num_images) else ""
        return (
            f"The images are frames of a video ({videos} run{'s' if videos > 1 else ''} of consecutive frames): they "
            f"were drawn in blocks of {self.block_length} frames{chosen}, because neighbours are alike."
        )

    def weights(self) -> Iterator[Weights]:
        """Yields how often each image is drawn, float64 [r,n], a few resamples at a time, R in all."""
        generator = np.random.PCG64(self.seed)
        step = max(1, _CHUNK // max(1, self.num_images))
        for start in range(0, self.resamples, step):
            count = min(step, self.resamples - start)
            drawn = self._blocks(generator, count) if self.runs else self._images(generator, count)
            yield _counted(drawn, self.num_images)

    def _images(self, generator: np.random.PCG64, count: int) -> NDArray[np.int64]:
        """Positions of images, [count,n]; each is drawn from 32 bits."""
        words = -(-self.num_images // 2)
        raw = np.asarray(generator.random_raw(count * words)).reshape(count, words)
        halves = np.concatenate([raw >> np.uint64(32), raw & np.uint64(0xFFFFFFFF)], axis=1)[:, : self.num_images]
        return ((halves * np.uint64(self.num_images)) >> np.uint64(32)).astype(np.int64)

    def _blocks(self, generator: np.random.PCG64, count: int) -> NDArray[np.int64]:
        """Positions of images, [count,*]; n where a block is shorter than the others."""
        table = self._table
        raw = np.asarray(generator.random_raw(count * table.last.size)).reshape(count, -1)
        starts = np.searchsorted(table.cumulative, (raw >> np.uint64(11)) * 2.0**-53, side="right")
        offsets = np.arange(self.block_length)
        place = (table.place[starts][..., None] + offsets) % table.length[starts][..., None]
        drawn = table.order[table.begin[starts][..., None] + place]
        share = np.minimum(self.block_length, table.length[starts]) * table.last
        drawn[offsets >= np.maximum(1, np.rint(share))[..., None]] = self.num_images
        return drawn.reshape(count, -1)

    @cached_property
    def _table(self) -> _Blocks:
        return _Blocks(self.runs, self.block_length)


class _Blocks:
    """Where blocks may begin.

    A run shorter than a block is a block as a whole. Runs are chosen by the number of blocks they fill, so that every
    frame is drawn equally often.

    Attributes:
        order: int64 [n], positions of the images run by run.
        begin: int64 [n], where the run of a frame begins in ``order``.
        length: int64 [n], frames of its run.
        place: int64 [n], its place there.
        cumulative: float64 [n], probability that a block begins at this frame or before it; ends above 1.
        last: float64 [B], the part of each block that is drawn: 1, or less for the last, which makes up n.
    """

    def __init__(self, runs: Sequence[Sequence[int]], block_length: int) -> None:
        lengths = np.array([len(run) for run in runs], np.int64)
        self.order = np.concatenate([np.asarray(run, np.int64) for run in runs])
        self.length = lengths.repeat(lengths)
        self.begin = (np.cumsum(lengths) - lengths).repeat(lengths)
        self.place = np.arange(self.order.size) - self.begin
        weight = 1 / np.minimum(self.length, block_length)
        filled = np.cumsum(weight)
        blocks = float(filled[-1])
        self.cumulative = np.append(filled[:-1] / blocks, 2.0)
        whole = int(blocks + 1e-9)
        part = blocks - whole
        self.last = np.append(np.ones(whole), [part] if part > 1e-6 else [])


def _counted(drawn: NDArray[np.int64], num_images: int) -> Weights:
    """How often each position occurs in each row; n stands for nothing."""
    width = num_images + 1
    rows = np.arange(len(drawn))[:, None] * width
    counts = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * width)
    return counts.reshape(len(drawn), width)[:, :num_images].astype(np.float64)


def choose_resampling(
    image_ids: Sequence[str],
    blocks: int | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampling:
    """How the images of these names are to be drawn.

    Args:
        image_ids: Names of the images.
        blocks: Frames a block; 1 takes the images as independent; ``None`` draws blocks where the names tell of a video
            (``find_sequences``), long enough for frames whose correlation falls to 2/3 from one to the next: the
            smallest whole number of at least twice the cube root of the number of images, the order that makes the
            error of a block bootstrap smallest (Hall, Horowitz and Jing 1995).
        resamples: R.
        seed: Of the random draws.

    Raises:
        UsageError: There is no image, a number is too small, or blocks were asked for and there is no video.
    """
    _check(len(image_ids), blocks, resamples, seed)
    if blocks == 1:
        return Resampling(len(image_ids), resamples=resamples, seed=seed)
    # Who asks for blocks knows that numbered images are frames.
    runs = find_sequences(image_ids, smallest_step=2 if blocks is None else 1)
    if not runs and blocks is not None:
        raise UsageError(
            f"The images are not consecutive frames of a video, such as {image_ids[0]}: there are no blocks of them.",
            "Take the images as independent: --blocks 1",
        )
    if not runs:
        return Resampling(len(image_ids), resamples=resamples, seed=seed)
    length = min(blocks or _length(len(image_ids)), max(map(len, runs)))
    return Resampling(len(image_ids), tuple(map(tuple, runs)), length, resamples, seed)


def _length(num_images: int) -> int:
    """The smallest whole number of at least twice the cube root."""
    return next(length for length in range(1, num_images + 2) if length**3 >= 8 * num_images)


def _check(num_images: int, blocks: int | None, resamples: int, seed: int) -> None:
    if not num_images:
        raise UsageError("There is no image to draw from: score at least one.")
    if blocks is not None and blocks < 1:
        raise UsageError(f"Blocks of {blocks} frames cannot be drawn: give 1 (independent images) or more.")
    if resamples < FEWEST_RESAMPLES:
        raise UsageError(f"{resamples} resamples are too few for an interval: give {FEWEST_RESAMPLES} or more.")
    if seed < 0:
        raise UsageError(f"The seed {seed} is negative: give 0 or more.")
