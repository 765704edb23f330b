"""Which images follow each other in a video: told by their names, a prefix and the number of the frame."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

__all__ = ["find_sequences"]

_NAME = re.compile(r"(.*?)(\d+)")
_FEWEST_FRAMES = 4


def find_sequences(image_ids: Sequence[str], *, smallest_step: int = 2) -> list[list[int]]:
    """The runs of consecutive frames among images, such as ``0001TP_008550``, ``0001TP_008580`` ...

    Images of one prefix are frames of a video where most of them follow their predecessor at one distance. Labelled
    videos are sampled, so that distance is more than 1; names that count from one image to the next say nothing of a
    video (SUN RGB-D, synthetic-roads), nor do those at irregular distances (VOC).

    Args:
        image_ids: Names of the images, in any order.
        smallest_step: The smallest distance that is taken for a video's; 1 takes numbered images for frames, too.

    Returns:
        Positions in ``image_ids``, by frame number within each run, every image once; an image that is no frame is a
        run of its own. Empty where there is no video at all.
    """
    videos: dict[str, list[tuple[int, int]]] = {}
    for position, name in enumerate(image_ids):
        match = _NAME.fullmatch(name)
        prefix, number = match.groups() if match else (f"{name}/", "0")
        videos.setdefault(prefix, []).append((int(number), position))
    runs = [run for frames in videos.values() for run in _runs(sorted(frames), smallest_step)]
    return sorted(runs) if any(len(run) > 1 for run in runs) else []


def _runs(frames: list[tuple[int, int]], smallest_step: int) -> Iterator[list[int]]:
    """Runs of frames at the commonest distance; single images where that is none of a video's."""
    step = _common_step([number for number, _ in frames])
    run: list[int] = []
    last = 0
    for number, position in frames:
        if run and (step < smallest_step or number - last != step):
            yield run
            run = []
        run.append(position)
        last = number
    yield run


def _common_step(numbers: list[int]) -> int:
    """The distance that at least half of the numbers keep, 0 where there is none."""
    steps = Counter(after - before for before, after in pairwise(numbers))
    step, count = min(steps.items(), key=lambda item: (-item[1], item[0]), default=(0, 0))
    return step if count + 1 >= max(_FEWEST_FRAMES, len(numbers) / 2) else 0
